//! Whether a request comes from a web page of somebody else: a browser takes every page's requests to every address that
//! the browser reaches, those of this machine too. Pure.
//!
//! | the page | how it is known |
//! | --- | --- |
//! | has its own name and asks this address | `Origin` differs from `Host`, or `Sec-Fetch-Site` says so |
//! | has changed the address of its name to this one (DNS rebinding) | `Host` is a name, and not an address |
//!
//! On a loopback address nobody needs a name but `localhost`. On others names are legitimate: Prometheus asks the name of
//! the service. Only a browser is refused there that uses a name with a dot: everybody can have one in the public DNS.
//! Browsers are known by headers that a page cannot suppress.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hyper::header::{ACCEPT_LANGUAGE, HOST, HeaderMap, HeaderName, ORIGIN, REFERER, USER_AGENT};
use hyper::{StatusCode, Uri};

/// Sent by browsers to `https` and to this machine.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Characters of a name that a message repeats.
const MAX_SHOWN: usize = 80;

/// Who may ask on a listener, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    /// On this TCP address: GET and HEAD only, the paths of commands do not exist, and details are left out.
    ReadOnly(SocketAddr),
    /// On the control socket, which only the launcher's own user may open: also reload and restart a worker.
    Control,
}

/// Why a request is not answered: the status code, and a line that says what to do.
pub(super) type Unanswered = (StatusCode, String);

/// Refuses the request when a web page of somebody else may have sent it.
pub(super) fn refusal(rights: Rights, target: &Uri, headers: &HeaderMap) -> Option<Unanswered> {
    let Rights::ReadOnly(address) = rights else {
        let browser = [ORIGIN, SEC_FETCH_SITE]
            .iter()
            .any(|name| headers.contains_key(name));
        return browser.then(|| {
            let text = "no requests of web pages on the control socket: send no Origin and no Sec-Fetch-Site header\n";
            (StatusCode::FORBIDDEN, text.to_owned())
        });
    };
    let mut named: Vec<&[u8]> = headers
        .get_all(HOST)
        .iter()
        .map(hyper::header::HeaderValue::as_bytes)
        .collect();
    if named.len() > 1 {
        let text = "more than one Host header: send one\n".to_owned();
        return Some((StatusCode::BAD_REQUEST, text));
    }
    // The target may name a host too, and Host need not be the same.
    named.extend(
        target
            .authority()
            .map(|authority| authority.as_str().as_bytes()),
    );
    let wrong = named
        .iter()
        .find(|host| !is_answered(host, address, headers));
    if let Some(host) = wrong {
        return Some((StatusCode::MISDIRECTED_REQUEST, misdirected(host, address)));
    }
    is_cross_site(named.first().copied(), headers).then(|| {
        let text = "no requests of other web pages here (Origin or Sec-Fetch-Site names one): ask without these headers, \
                    with curl for example, or open this address in the browser itself\n";
        (StatusCode::FORBIDDEN, text.to_owned())
    })
}

/// Whether a `Host` is one under which this address is asked. Requests without one (HTTP/1.0) come from no browser.
fn is_answered(host: &[u8], address: SocketAddr, headers: &HeaderMap) -> bool {
    match HostKind::of(host) {
        None => false,
        Some(HostKind::Address | HostKind::Localhost) => true,
        Some(HostKind::Name { .. }) if address.ip().to_canonical().is_loopback() => false,
        Some(HostKind::Name { public }) => !public || !is_browser(headers),
    }
}

/// What a Host header names.
enum HostKind {
    Address,
    /// Also names below it, which resolvers and browsers keep on this machine (RFC 6761).
    Localhost,
    Name {
        /// Whether the public DNS may have it.
        public: bool,
    },
}

impl HostKind {
    /// None: no host, with or without a port.
    fn of(host: &[u8]) -> Option<Self> {
        let host = std::str::from_utf8(host).ok()?;
        if let Some(rest) = host.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            return is_port(port).then_some(Self::Address);
        }
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        if !is_port(port) {
            return None;
        }
        if name.parse::<IpAddr>().is_ok() {
            return Some(Self::Address);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(of_name) {
            return None;
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Some(Self::Localhost);
        }
        let public = name.contains('.');
        Some(Self::Name { public })
    }
}

/// Nothing, or a colon and a number.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.len() <= 5)
}

/// A page can change or suppress all of them but `Accept-Language`, which it can only change.
fn is_browser(headers: &HeaderMap) -> bool {
    let mozilla = headers
        .get(USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    mozilla
        || [ACCEPT_LANGUAGE, ORIGIN, REFERER, SEC_FETCH_SITE]
            .iter()
            .any(|name| headers.contains_key(name))
}

/// Whether a page of another site has sent the request, according to its browser. `host` is the first that it names.
fn is_cross_site(host: Option<&[u8]>, headers: &HeaderMap) -> bool {
    let same_origin = |origin: &[u8]| {
        let rest = [&b"http://"[..], b"https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(*scheme));
        matches!((rest, host), (Some(rest), Some(host)) if rest.eq_ignore_ascii_case(host))
    };
    let same_site = |site: &[u8]| [&b"same-origin"[..], b"none"].contains(&site);
    let mut origins = headers.get_all(ORIGIN).iter();
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    !origins.all(|origin| same_origin(origin.as_bytes()))
        || !sites.all(|site| same_site(site.as_bytes()))
}

fn misdirected(host: &[u8], address: SocketAddr) -> String {
    let shown: String = String::from_utf8_lossy(host)
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_SHOWN)
        .collect();
    let port = address.port();
    if address.ip().to_canonical().is_loopback() {
        format!(
            "this address does not answer for the host {shown:?}, so that no web page reaches it by a name of its own: ask \
             http://{address} or http://localhost:{port}, or choose an address that others reach with --admin\n"
        )
    } else {
        format!(
            "this address does not answer a browser for the host {shown:?}, so that no web page reaches it by a name of its \
             own: open it by its IP address, or by a name without a dot\n"
        )
    }
}

#[cfg(test)]
#[path = "callers_tests.rs"]
mod tests;
