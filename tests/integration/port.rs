//! Free ports for services of parallel tests.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port, returned only once in this process. It is below the range of outgoing connections, so that no client of
/// another test takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    (0..COUNT)
        .map(|_| {
            FIRST + (offset.wrapping_mul(97) % COUNT + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT
        })
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}
