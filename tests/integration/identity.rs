//! Headers that tell who asks, from where and for which URL: only trusted proxies may send them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::environ::ENVIRONS_APP;
use crate::http::Request;
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::Service;

/// One of each kind at least, as the proxies spell them.
const IDENTITY: &str = "X-Real-IP X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Forwarded-Prefix \
    X-Forwarded-Server X-Forwarded-Ssl X-Forwarded-Scheme X-Forwarded-Uri X-Forwarded-Method X-Forwarded-By X-Forwarded \
    X-Forwarded-User X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username X-Forwarded-Access-Token \
    X-Forwarded-Client-Cert X-Forwarded-Tls-Client-Cert X-Forwarded-Anything Forwarded Forwarded-For X-Forward-For \
    X-Client-IP Client-IP True-Client-IP CF-Connecting-IP CF-Connecting-IPv6 Cf-Access-Authenticated-User-Email \
    Cf-Access-Jwt-Assertion Cf-Visitor X-Cluster-Client-IP Fastly-Client-IP Fly-Client-IP X-Azure-ClientIP \
    X-Appengine-User-IP X-Envoy-External-Address X-Envoy-Internal X-Originating-IP WL-Proxy-Client-IP \
    CloudFront-Viewer-Address L5d-Client-Id Remote-User Remote-Groups Remote-Name Remote-Email Remote-Addr X-Remote-User \
    X-Remote-Addr X-Remote-Group X-WEBAUTH-USER X-WEBAUTH-ROLE X-Auth-Request-User X-Auth-Request-Email \
    X-Auth-Request-Groups X-Auth-Request-Access-Token X-Auth-Username X-Auth-User X-Authenticated-User \
    X-Authenticated-Groups X-Authenticated-Userid X-authentik-username X-Pomerium-Jwt-Assertion X-Vouch-User \
    Tailscale-User-Login Tailscale-User-Name X-Consumer-Username X-Userinfo OIDC-Claim-Sub \
    Shib-Session-Id SM-User iv-user X-Amzn-Oidc-Identity X-Amzn-Oidc-Data X-Amzn-Mtls-Clientcert \
    X-Goog-Authenticated-User-Email X-Goog-IAP-JWT-Assertion X-MS-CLIENT-PRINCIPAL X-MS-CLIENT-PRINCIPAL-NAME \
    X-MS-TOKEN-AAD-ACCESS-TOKEN X-ARR-ClientCert Client-Cert Client-Cert-Chain X-Client-Cert X-Client-Cert-Present \
    X-SSL-Client-CN X-SSL-Client-Verify X-SSL-Cert SSL-Client-Cert SSL-Client-Verify SSL-Client-S-DN X-Client-Verify \
    X-Client-DN Front-End-Https X-Url-Scheme X-Scheme X-Original-URL X-Original-URI X-Original-Host X-Original-Method \
    X-Original-Forwarded-For X-Rewrite-URL X-Replaced-Path X-Script-Name Script-Name";

/// Headers that clients send, with names that are similar to some of those.
const ORDINARY: &str = "Authorization Origin Referer User-Agent Accept Accept-Language Cache-Control From Via DNT \
    Sec-Fetch-Site Sec-CH-UA X-B3-TraceId X-Amzn-Trace-Id X-Cloud-Trace-Context X-Api-Key \
    X-Auth-Token X-Auth-Key X-Access-Token X-CSRF-Token X-Requested-With X-HTTP-Method-Override X-Client-Version \
    X-Client-Data X-Client-Id X-User X-Username X-User-ID X-User-Agent X-User-Timezone X-Amz-Date X-Goog-Api-Key X-Hub-Signature-256 Stripe-Signature \
    Idempotency-Key Last-Event-ID Prefer X-Session-Id X-Tenant If-None-Match Remote Proxies X-Realm X-Sslug";

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split_ascii_whitespace()
}

fn variable(name: &str) -> String {
    format!("HTTP_{}", name.to_uppercase().replace('-', "_"))
}

fn start(trusted_proxies: &[&str], server_conf: &str) -> Running {
    let section = json!({"wsgi_worker_threads_count": 1, "trusted_proxies": trusted_proxies});
    let service = Service::empty()
        .main_py(ENVIRONS_APP)
        .nginx_config(&section)
        .file("nginx/server.d/a.conf", server_conf);
    Launcher::new(&service).start_ready()
}

/// What the application sees of a request with these headers, whose values are valid for the few that have a meaning.
fn environ<'a>(running: &Running, headers: impl Iterator<Item = &'a str>) -> Map<String, Value> {
    let mut request = Request::get("/own/a").header("Connection", "close");
    for name in headers {
        request = request.header(name, "203.0.113.9");
    }
    running
        .send_ok(&request)
        .json()
        .as_object()
        .unwrap()
        .clone()
}

#[track_caller]
fn assert_dropped(running: &Running, spelling: impl Fn(&str) -> String) {
    let mut wrong = Vec::new();
    // In groups, so that their bytes are few enough for nginx.
    let all: Vec<_> = names(IDENTITY).collect();
    for group in all.chunks(40) {
        let sent: Vec<_> = group.iter().map(|name| spelling(name)).collect();
        let seen = environ(running, sent.iter().map(String::as_str));
        for (name, sent) in group.iter().zip(&sent) {
            if seen.contains_key(&variable(name)) {
                wrong.push(sent.clone());
            }
        }
        let left = seen.iter().filter(|(_, value)| **value == "203.0.113.9");
        wrong.extend(left.map(|(name, _)| name.clone()));
    }
    assert!(wrong.is_empty(), "reached the application: {wrong:?}");
}

const OWN: &str =
    "location /own/ { include proxy.conf; rewrite ^ $uri break; proxy_pass http://application; }\n";

#[test]
fn identity_headers_of_strangers_are_dropped() {
    for server_conf in ["", OWN] {
        let running = start(&["198.51.100.0/24"], server_conf);
        assert_dropped(&running, str::to_owned);
        assert_dropped(&running, str::to_uppercase);
        assert_dropped(&running, str::to_lowercase);
    }
}

#[test]
fn identity_headers_with_underscores_are_dropped() {
    let running = start(&[], &format!("underscores_in_headers on;\n{OWN}"));
    assert_dropped(&running, |name| name.replace('-', "_"));
    assert_dropped(&running, |name| name.replacen('-', "_", 1));
    let both = ["Remote-User", "Remote_User", "remote_user"];
    let seen = environ(&running, both.into_iter());
    assert!(!seen.contains_key("HTTP_REMOTE_USER"), "{seen:#?}");
}

#[test]
fn identity_headers_of_trusted_proxies_pass() {
    let running = start(&["127.0.0.1"], "");
    // These two are joined with the scheme, or count as the host.
    let changed = ["X-Forwarded-Proto", "X-Forwarded-Host"];
    let all: Vec<_> = names(IDENTITY)
        .filter(|name| !changed.contains(name))
        .collect();
    for group in all.chunks(40) {
        let seen = environ(&running, group.iter().copied());
        for name in group {
            assert_eq!(
                seen.get(&variable(name)),
                Some(&json!("203.0.113.9")),
                "{name}"
            );
        }
    }
}

#[test]
fn other_headers_of_strangers_pass() {
    let running = start(&[], "");
    // Twice: names that are known by then are not looked at again.
    for _ in 0..2 {
        let seen = environ(&running, names(ORDINARY));
        for name in names(ORDINARY) {
            assert_eq!(
                seen.get(&variable(name)),
                Some(&json!("203.0.113.9")),
                "{name}"
            );
        }
    }
}

#[test]
fn a_websocket_of_a_stranger_has_no_identity_either() {
    let running = start(&[], "");
    let mut request = Request::get("/").header("Remote-User", "admin");
    for (name, value) in [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ] {
        request = request.header(name, value);
    }
    let answer = running
        .send(&request.timeout(Duration::from_secs(10)))
        .unwrap();
    assert_eq!(answer.json()["HTTP_UPGRADE"], "websocket");
    assert!(
        answer.json().get("HTTP_REMOTE_USER").is_none(),
        "{}",
        answer.text()
    );
}

/// A service that needs such a header of its clients, or whose nginx makes one, names it.
#[test]
fn a_snippet_can_keep_headers() {
    let login = "set $identity_headers X-Real-IP,x-remote-user;\n\
        location /own/ { include proxy.conf; proxy_set_header X-Remote-User nginx; rewrite ^ $uri break; \
        proxy_pass http://application; }\n\
        location /own/more { set $identity_headers Remote-User; include proxy.conf; rewrite ^ $uri break; \
        proxy_pass http://application; }\n";
    let running = start(&["198.51.100.0/24"], login);
    let posed = [
        "X-Real-IP",
        "X-Remote-User",
        "Remote-User",
        "X-Forwarded-Host",
    ];
    let seen = environ(&running, posed.into_iter());
    assert_eq!(seen["HTTP_X_REAL_IP"], "203.0.113.9");
    assert_eq!(seen["HTTP_X_REMOTE_USER"], "nginx");
    assert_eq!(seen["HTTP_HOST"], "localhost");
    assert_eq!(seen["REMOTE_ADDR"], "127.0.0.1");
    for name in ["HTTP_REMOTE_USER", "HTTP_X_FORWARDED_HOST"] {
        assert!(!seen.contains_key(name), "{name}: {seen:#?}");
    }
    let request = Request::get("/own/more")
        .header("Connection", "close")
        .header("Remote-User", "rum")
        .header("X-Real-IP", "rum");
    let seen = running.send_ok(&request).json();
    assert_eq!(seen["HTTP_REMOTE_USER"], "rum");
    assert!(seen.get("HTTP_X_REAL_IP").is_none(), "{seen}");
}

/// Spaces would move what nginx passes beside it.
#[test]
fn names_that_cannot_be_keep_nothing() {
    let odd = "set $identity_headers \"X-Real-IP 1 t=0 Remote-User\";\n";
    let running = start(&[], odd);
    let seen = environ(&running, ["X-Real-IP", "Remote-User"].into_iter());
    assert_eq!(seen["REQUEST_URI"], "/own/a");
    assert_eq!(seen["REMOTE_ADDR"], "127.0.0.1");
    for name in ["HTTP_X_REAL_IP", "HTTP_REMOTE_USER"] {
        assert!(!seen.contains_key(name), "{name}: {seen:#?}");
    }
}
