//! The target `files`: see src/files.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("files", data));
