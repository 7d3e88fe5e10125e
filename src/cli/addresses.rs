//! The addresses of `--listen` and `--admin`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// An address of `--listen`: a port alone means every IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddr(pub SocketAddr);

impl FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_addr(text, IpAddr::V4(Ipv4Addr::UNSPECIFIED)).map(Self)
    }
}

/// The address of `--admin`: a port alone means loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminAddr {
    /// No TCP listener; the control socket still answers.
    Off,
    /// Listen here.
    At(SocketAddr),
}

impl FromStr for AdminAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        parse_addr(text, IpAddr::V4(Ipv4Addr::LOCALHOST)).map(Self::At)
    }
}

fn parse_addr(text: &str, default_ip: IpAddr) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::new(default_ip, port));
    }
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Ok(addr);
    }
    match text.rsplit_once(':') {
        Some((host, port)) => {
            let port = port
                .parse::<u16>()
                .map_err(|_| format!("`{port}` is not a port (0 to 65535)"))?;
            match host {
                "localhost" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
                "" | "*" => Ok(SocketAddr::new(default_ip, port)),
                _ => Err(format!(
                    "`{host}` is not an IP address; write PORT, 127.0.0.1:PORT or [::]:PORT"
                )),
            }
        }
        None => Err("expected PORT, HOST:PORT or [::]:PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let got = text.parse::<ListenAddr>();
        match expected {
            Ok(addr) => assert_eq!(got.map(|a| a.0.to_string()), Ok(addr.to_owned())),
            Err(part) => {
                let message = got.expect_err("the address should be refused");
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn listen_takes_ports_and_addresses() {
        check("8080", Ok("0.0.0.0:8080"));
        check("127.0.0.1:80", Ok("127.0.0.1:80"));
        check("localhost:81", Ok("127.0.0.1:81"));
        check("[::]:80", Ok("[::]:80"));
        check("*:80", Ok("0.0.0.0:80"));
        check("70000", Err("expected PORT"));
        check("example.org:80", Err("not an IP address"));
        check("127.0.0.1:x", Err("not a port"));
    }

    #[test]
    fn admin_alone_means_loopback() {
        assert_eq!(
            "9180".parse(),
            Ok(AdminAddr::At(SocketAddr::from(([127, 0, 0, 1], 9180))))
        );
        assert_eq!("off".parse(), Ok(AdminAddr::Off));
    }
}
