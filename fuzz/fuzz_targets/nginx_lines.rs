//! The target `nginx_lines`: see src/nginx_lines.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("nginx_lines", data));
