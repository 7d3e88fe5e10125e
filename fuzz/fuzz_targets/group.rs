//! The target `group`: see src/group.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("group", data));
