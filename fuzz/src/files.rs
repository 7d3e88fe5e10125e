//! Files of the kernel, of a virtual environment, and of the application: a name that others choose forges nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Component;

use microservice_flask::internals::bytes;

pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    process(&text);
    sockets(&text, data);
    groups(&text);
    let version = bytes::pyvenv_version(&text);
    assert!(text.contains(&version) && version.lines().count() <= 1);
    assert!(version.matches('.').count() <= 1);
    let names = bytes::left_behind(&text);
    assert!(names.len() <= 20);
    for name in names {
        assert!(name.chars().count() <= 100 && !name.contains(char::is_control));
    }
}

/// A process may call itself whatever it likes.
fn process(text: &str) {
    if let Some((name, ..)) = bytes::process_stat(text) {
        assert!(text.contains(&name));
    }
    let zeroes = "0 ".repeat(46);
    let line = format!("17 ({text}) Z 4 17 {zeroes}9\n");
    let expected = (text.to_owned(), 'Z', 4, Some(9));
    assert_eq!(bytes::process_stat(&line), Some(expected));
}

fn sockets(text: &str, data: &[u8]) {
    assert!(bytes::tcp_table(text).len() <= text.lines().count());
    let Some((fields, _)) = data.split_first_chunk::<26>() else {
        return;
    };
    let (address, rest) = fields.split_at(16);
    let port = u16::from_be_bytes([rest[0], rest[1]]);
    let inode = u64::from_be_bytes(rest[2..].try_into().expect("eight bytes"));
    let ip: [u8; 16] = address.try_into().expect("sixteen bytes");
    let short: [u8; 4] = ip[..4].try_into().expect("four bytes");
    for ip in [
        IpAddr::V6(Ipv6Addr::from(ip)),
        IpAddr::V4(Ipv4Addr::from(short)),
    ] {
        let written = written(ip);
        let line = format!(
            "   0: 0100007F:1538 {written}:{port:04X} 01 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"
        );
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 5432));
        let remote = SocketAddr::new(ip.to_canonical(), port);
        assert_eq!(bytes::tcp_table(&line), [(local, remote, inode, true)]);
    }
}

/// An address as the kernel writes it: words in the order of the host's bytes.
fn written(ip: IpAddr) -> String {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _) = bytes.as_chunks::<4>();
    let words = words.iter().map(|word| u32::from_ne_bytes(*word));
    let words: Vec<String> = words.map(|word| format!("{word:08X}")).collect();
    words.concat()
}

fn groups(text: &str) {
    for controller in ["", "memory"] {
        for folder in bytes::cgroup_folders(text, controller) {
            assert!(folder.starts_with("/sys/fs/cgroup"), "{}", folder.display());
            assert!(!folder.components().any(|part| part == Component::ParentDir));
        }
    }
    let (cpus, memory) = bytes::cgroup_limits(text);
    assert!(cpus.is_none_or(|cpus| cpus.is_finite() && cpus > 0.0));
    assert!(memory.is_none_or(|bytes| bytes < 1 << 60));
}
