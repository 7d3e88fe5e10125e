//! The target `escape`: see src/escape.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("escape", data));
