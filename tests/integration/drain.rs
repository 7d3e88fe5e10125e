//! What a snippet of the service forbids stays forbidden while nginx drains, at each moment of it.

use std::fs;
use std::path::PathBuf;

use crate::environ::ENVIRONS_APP;
use crate::http::{Request, Response};
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::{Service, one_process};

/// A service that answers each path, with snippets that take some away from it.
fn start(files: &[(&str, &str)]) -> Running {
    let service = Service::empty()
        .main_py(ENVIRONS_APP)
        .nginx_config(&one_process());
    for (path, text) in files {
        service.write(path, text);
    }
    Launcher::new(&service).start_ready()
}

/// The launcher writes this file when it begins to drain an nginx.
fn mark(running: &Running) -> PathBuf {
    running.runtime().join("1/nginx/draining")
}

/// Runs `look` before a drain, while one is held open, and after it.
fn at_each_moment(running: &Running, mut look: impl FnMut(&str)) {
    look("before");
    fs::write(mark(running), "").unwrap();
    look("during");
    fs::remove_file(mark(running)).unwrap();
    look("after");
}

/// The request line's method and target, other headers, and the status that each moment must answer.
struct Row(
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    u16,
);

const fn get(target: &'static str, status: u16) -> Row {
    Row("GET", target, &[], status)
}

fn ask(running: &Running, row: &Row) -> Response {
    let mut request = Request::new(row.0, row.1).header("Connection", "close");
    for (name, value) in row.2 {
        request = request.header(name, *value);
    }
    running.send(&request).unwrap()
}

#[track_caller]
fn check(files: &[(&str, &str)], rows: &[Row]) {
    let running = start(files);
    let mut wrong = Vec::new();
    at_each_moment(&running, |moment| {
        for row in rows {
            let answer = ask(&running, row);
            if answer.status != row.3 {
                let Row(method, target, headers, status) = row;
                wrong.push(format!(
                    "{moment}: {method} {target} {headers:?}: {}, not {status}: {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rule_of_a_location_holds() {
    let rules = r#"
        location /admin { deny all; }
        location = /exact { return 403; }
        location ~ \.bak$ { deny all; }
        location ^~ /prefix/ { deny all; }
        location /outer/ {
            location /outer/inner/ { deny all; }
            location ~ \.key$ { deny all; }
            include proxy.conf;
            rewrite ^ $uri break;
            proxy_pass http://application;
        }
        location /read-only {
            limit_except GET { deny all; }
            include proxy.conf;
            rewrite ^ $uri break;
            proxy_pass http://application;
        }
        location /password {
            auth_basic "closed";
            auth_basic_user_file /dev/null;
        }
        location /asked {
            if ($arg_key != "rum") { return 403; }
            include proxy.conf;
            rewrite ^ $uri break;
            proxy_pass http://application;
        }
        location /renamed { rewrite ^/renamed(.*)$ /admin$1 last; }
    "#;
    check(
        &[("nginx/server.d/a.conf", rules)],
        &[
            get("/", 200),
            get("/admin", 403),
            get("/admin/", 403),
            get("/admin/users?a=/", 403),
            get("/%61dmin", 403),
            get("/%61%64%6d%69%6e/x", 403),
            get("/a/../admin", 403),
            get("/a/..%2fadmin", 403),
            get("/a/%2e%2e/admin", 403),
            get("/./admin", 403),
            get("/%2e/admin", 403),
            get("/admin%2fx", 403),
            get("/admin%3Fx", 403),
            get("/admin%20", 403),
            get("/admin%0d%0ax", 403),
            get("/admin%ff", 403),
            get("/admin;x", 403),
            get("http://localhost/admin", 403),
            get("http://localhost/%61dmin", 403),
            get("/.microservice-flask/../admin", 403),
            get("/.microservice-flask/error.html/../../admin", 403),
            get("/.microservice-flask/%2e%2e/admin", 403),
            get("/.microservice-flask/..%2fadmin", 403),
            Row("POST", "/admin", &[], 403),
            Row("DELETE", "/admin", &[], 403),
            Row("RUM", "/admin", &[], 403),
            // Other paths than the rule's, for the application as well.
            get("//admin", 200),
            get("/ADMIN", 200),
            get("/%2561dmin", 200),
            get("/exact", 403),
            get("/exact?a", 403),
            get("/%65xact", 403),
            get("/exact/", 200),
            get("/a.bak", 403),
            get("/a%2ebak?b", 403),
            get("/a.bak/", 200),
            get("/prefix/a", 403),
            get("/outer/a", 200),
            get("/outer/inner/a", 403),
            get("/outer/x/../inner/a", 403),
            get("/outer/a.key", 403),
            get("/read-only", 200),
            Row("POST", "/read-only", &[], 403),
            get("/password", 401),
            get("/asked", 403),
            get("/asked?key=rum", 200),
            get("/renamed", 403),
            get("/renamed/a", 403),
        ],
    );
}

#[test]
fn a_rule_of_the_whole_server_holds() {
    let rules = r#"
        set $blocked "";
        if ($arg_token) { set $blocked 1; }
        if ($http_user_agent ~* "^scraper") { return 403; }
        if ($request_method = DELETE) { return 405; }
        rewrite ^/old/(.*)$ /admin/$1;
        rewrite ^/older/(.*)$ /admin/$1 last;
        rewrite ^/oldest/(.*)$ /admin/$1 break;
        rewrite ^/away$ /elsewhere permanent;
        if ($blocked) { return 403; }
        location /admin { deny all; }
    "#;
    check(
        &[("nginx/server.d/a.conf", rules)],
        &[
            get("/", 200),
            get("/?token=1", 403),
            get("/static?token=1", 403),
            Row("GET", "/", &[("User-Agent", "Scraper/1")], 403),
            Row("DELETE", "/", &[], 405),
            get("/old/a", 403),
            get("/%6fld/a", 403),
            get("/older/a", 403),
            get("/oldest/a", 403),
            get("/away", 301),
        ],
    );
}

#[test]
fn an_address_and_a_password_of_the_whole_server_hold() {
    let rules = "deny 127.0.0.1;\nlocation /open { allow all; include proxy.conf; rewrite ^ $uri break; \
                 proxy_pass http://application; }\n";
    check(
        &[
            ("nginx/server.d/a.conf", rules),
            ("src/static/a.txt", "closed"),
        ],
        &[
            get("/", 403),
            get("/static/a.txt", 403),
            get("/static/none", 403),
            get("/open", 200),
            get("/.microservice-flask/error.html", 404),
        ],
    );
    let rules = "satisfy all;\nauth_basic closed;\nauth_basic_user_file /dev/null;\n";
    check(
        &[
            ("nginx/server.d/a.conf", rules),
            ("src/static/a.txt", "closed"),
        ],
        &[get("/", 401), get("/static/a.txt", 401)],
    );
}

/// `internal` is how a service keeps files that it hands out with X-Accel-Redirect.
#[test]
fn what_is_internal_cannot_be_asked_for() {
    let rules = r#"
        location /internal/ { internal; return 200 "secret"; }
        location = /secret { internal; return 200 "secret"; }
        location ~ ^/protected/.*$ { internal; return 200 "secret"; }
        location ^~ /static/paid/ { internal; return 200 "secret"; }
        location = /hop { rewrite ^ /internal/a last; }
    "#;
    check(
        &[
            ("nginx/server.d/a.conf", rules),
            ("src/static/a.txt", "open"),
        ],
        &[
            get("/internal/a", 404),
            get("/internal/?a", 404),
            get("/%69nternal/a", 404),
            get("/a/../internal/a", 404),
            get("http://localhost/internal/a", 404),
            get("/.microservice-flask/../internal/a", 404),
            Row("POST", "/internal/a", &[], 404),
            get("/secret", 404),
            get("/protected/a", 404),
            get("/static/paid/a", 404),
            get("/static/x/../paid/a", 404),
            get("/static/a.txt", 200),
            get("/hop", 200),
            get("/.microservice-flask/error.html", 404),
            get("/.microservice-flask/error.json", 404),
        ],
    );
}

/// The service's own error pages and headers are those of each moment, with their status.
#[test]
fn error_pages_and_headers_stay() {
    let rules = r#"
        add_header X-Frame-Options DENY always;
        error_page 410 /gone;
        error_page 423 =451 /locked;
        location = /missing { return 410; }
        location = /closed { return 423; }
        location = /limited { error_page 403 /forbidden; deny all; }
        location = /named { error_page 403 = @own; deny all; }
        location @own { return 402 "own"; }
    "#;
    let running = start(&[("nginx/server.d/a.conf", rules)]);
    at_each_moment(&running, |moment| {
        for (path, status, asked) in [
            ("/", 200, Some("/")),
            ("/missing", 410, Some("/gone")),
            ("/closed", 451, Some("/locked")),
            ("/limited", 403, Some("/forbidden")),
            ("/named", 402, None),
        ] {
            let answer = ask(&running, &get(path, 0));
            assert_eq!(answer.status, status, "{moment}: {path}");
            let frame = answer.header("X-Frame-Options");
            assert_eq!(frame, Some("DENY"), "{moment}: {path}");
            if let Some(asked) = asked {
                assert_eq!(answer.json()["PATH_INFO"], asked, "{moment}: {path}");
            }
        }
    });
}

#[test]
fn each_answer_closes_its_connection_while_nginx_drains() {
    let rules = r#"
        location /admin { deny all; }
        location = /own { return 200 "own"; }
        rewrite ^/old$ / last;
    "#;
    let running = start(&[
        ("nginx/server.d/a.conf", rules),
        ("src/static/a.txt", "a"),
        ("src/static/.env", "a"),
    ]);
    at_each_moment(&running, |moment| {
        for path in [
            "/",
            "/a?b",
            "/static/a.txt",
            "/static/none",
            "/static/",
            "/static/.env",
            "/old",
            "/admin",
            "/own",
        ] {
            let answer = running.send(&Request::get(path)).unwrap();
            let closes = answer.headers.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
            });
            assert_eq!(closes, moment == "during", "{moment}: {path} {answer:?}");
        }
    });
}
