//! The target `statistics`: see src/statistics.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("statistics", data));
