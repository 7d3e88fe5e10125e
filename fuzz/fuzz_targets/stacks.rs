//! The target `stacks`: see src/stacks.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("stacks", data));
