//! The target `netlink`: see src/netlink.rs.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| microservice_flask_fuzz::check("netlink", data));
