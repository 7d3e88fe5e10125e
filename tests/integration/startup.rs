//! Failed starts: they end quickly, with a clear last line and a specific exit code.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::family::on_path;
use crate::http::Request;
use crate::launcher::{Launcher, SYSTEM_PATH};
use crate::load::background;
use crate::port::free_port;
use crate::service::{PROBE_APP, Service, importing_until_go, world_accessible_folder};
use crate::wait::until;

/// From the start of a service that cannot start to the exit of the launcher.
pub(crate) const SECONDS: Duration = Duration::from_secs(10);

#[test]
fn a_port_in_use_is_71_with_its_owner() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let output = Launcher::new(&Service::new()).listen(&address).output();
    output.assert_code(71).assert_says(&address);
    assert!(output.exit.took < SECONDS, "{:?}", output.exit);
    // The holder is this process, which the launcher may look at.
    output.assert_says(&std::process::id().to_string());
}

#[test]
fn an_admin_port_in_use_is_71_with_its_owner() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let output = Launcher::new(&Service::new()).admin(Some(address)).output();
    output.assert_code(71).assert_says(&address.to_string());
}

/// A PATH folder with all programs that a launcher may run except one.
fn path_without(missing: &str) -> TempDir {
    let folder = world_accessible_folder("path-");
    for name in ["nginx", "uwsgi", "python3", "sh", "env"] {
        if name != missing {
            symlink(
                on_path(SYSTEM_PATH, name).unwrap(),
                folder.path().join(name),
            )
            .unwrap();
        }
    }
    folder
}

#[track_caller]
fn assert_missing_is_127_with_an_apt_hint(program: &str, package: &str) {
    let folder = path_without(program);
    let path = folder.path().display().to_string();
    let output = Launcher::new(&Service::new()).env("PATH", path).output();
    output
        .assert_code(127)
        .assert_says("apt")
        .assert_says(package);
    assert!(output.exit.took < SECONDS, "{:?}", output.exit);
}

#[test]
fn missing_nginx_is_127_with_an_apt_hint() {
    assert_missing_is_127_with_an_apt_hint("nginx", "nginx");
}

#[test]
fn missing_uwsgi_is_127_with_an_apt_hint() {
    assert_missing_is_127_with_an_apt_hint("uwsgi", "uwsgi-plugin-python3");
}

#[test]
fn an_nginx_that_cannot_be_executed_is_126() {
    let folder = path_without("nginx");
    fs::write(folder.path().join("nginx"), "no program").unwrap();
    let path = folder.path().display().to_string();
    let run = || Launcher::new(&Service::new()).env("PATH", &path).output();
    run().assert_code(126).assert_says("chmod +x");
    // For another architecture, for example.
    fs::set_permissions(
        folder.path().join("nginx"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    run()
        .assert_code(126)
        .assert_says("does not tell its version");
}

#[test]
fn port_80_without_permission_is_77_with_hints() {
    let start = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let first_free: u16 = start.trim().parse().unwrap();
    // Where every port is free for everyone, another rule of the same kind must do: none is left to test.
    if first_free <= 80 {
        return skip("ports below 80 are free for everyone here");
    }
    let output = Launcher::new(&Service::new())
        .for_nobody()
        .listen("127.0.0.1:80")
        .output();
    output
        .assert_code(77)
        .assert_says("127.0.0.1:80")
        .assert_says("--listen");
    let other = ["NET_BIND_SERVICE", "ip_unprivileged_port_start"];
    assert!(
        other.iter().any(|way| output.text().contains(way)),
        "{}",
        output.text()
    );
}

#[test]
fn a_runtime_folder_that_cannot_be_written_is_73() {
    let output = Launcher::new(&Service::new())
        .runtime_dir(Path::new("/proc/rum"))
        .output();
    output.assert_code(73).assert_says("/proc/rum");
}

#[test]
fn a_folder_in_tmp_of_another_user_is_refused() {
    let folder = format!("/tmp/microservice-flask-{}", crate::runtime_folder::NOBODY);
    let folder = Path::new(&folder);
    // Left over if an earlier test run was aborted.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let service = Service::new();
    let output = Launcher::new(&service)
        .for_nobody()
        .without_options()
        .env("MICROSERVICE_DIR", service.root().display().to_string())
        .env("MICROSERVICE_LISTEN", format!("127.0.0.1:{}", free_port()))
        .env("MICROSERVICE_ADMIN", "off")
        .output();
    let left = fs::read_dir(folder).unwrap().count();
    fs::remove_dir_all(folder).unwrap();
    output
        .assert_code(73)
        .assert_says(&folder.display().to_string())
        .assert_says("belongs to user 0 (mode 0777)")
        .assert_says("--runtime-dir");
    assert_eq!(left, 0, "something was written there");
}

#[test]
fn it_runs_as_nobody_without_privileges() {
    let service = Service::with_slots(2);
    let mut running = Launcher::new(&service).for_nobody().start_ready();
    let scheduler = running.get_ok("/scheduler").json();
    assert_eq!(scheduler["uid"], json!(crate::runtime_folder::NOBODY));
    running.send_ok(&Request::post("/post", vec![b'x'; 3_000_000]));
    assert_eq!(running.get_ok("/big/5000000").body.len(), 5_000_000);
    running.stop(Duration::from_secs(15));
}

#[test]
fn as_root_workers_run_as_www_data_with_sched_batch() {
    let running = Launcher::new(&Service::with_slots(2)).start_ready();
    let scheduler = running.get_ok("/scheduler").json();
    assert_ne!(scheduler["uid"], json!(0), "the application runs as root");
    // SCHED_BATCH
    assert_eq!(scheduler["policy"], json!(3));
}

#[test]
fn requests_during_the_import_wait() {
    let service = Service::with_slots(2).with_prelude(&importing_until_go());
    let mut running = Launcher::new(&service).start();
    service.wait_for_notes("importing", 1);
    let address = running.address;
    // nginx may still be starting; the launcher's socket exists before it.
    let early = background(address, Request::get("/"));
    until(
        Duration::from_secs(10),
        "not ready while it imports",
        || {
            running
                .ask_admin("/readyz")
                .ok()
                .filter(|answer| answer.status == 503)
        },
    );
    service.write("state/go", "");
    running.wait_ready();
    assert_eq!(early.join().unwrap().unwrap().status, 200);
}

#[test]
fn the_application_gets_its_environment() {
    let service = Service::with_slots(2);
    let running = Launcher::new(&service)
        .env("MICROSERVICE_ENV", "production")
        .env("RUM", "dark")
        .start_ready();
    let environment = running.get_ok("/environment").json();
    assert_eq!(environment["RUM"], "dark");
    assert_eq!(environment["MICROSERVICE_ENV"], "production");
    let config_path = environment["CONFIG_PATH"].as_str().unwrap_or_default();
    let config = service.root().join("config").display().to_string();
    assert!(
        config_path
            .split(':')
            .any(|folder| Path::new(folder) == Path::new(&config)),
        "{config_path}"
    );
    // Variables for uWSGI must not be inherited by processes that the application starts.
    assert!(environment.get("NGINX").is_none(), "{environment}");
}

#[test]
fn two_launchers_run_side_by_side() {
    let services = [
        Service::with_slots(2),
        Service::with_slots(2).main_py(&PROBE_APP.replace("probe\\n", "other\\n")),
    ];
    let running = services
        .each_ref()
        .map(|service| Launcher::new(service).start_ready());
    assert_eq!(running[0].get_ok("/").text(), "probe\n");
    assert_eq!(running[1].get_ok("/").text(), "other\n");
}

#[test]
fn a_runtime_folder_in_use_is_refused() {
    let first = Service::with_slots(2);
    let mut running = Launcher::new(&first).start_ready();
    let second =
        Launcher::new(&Service::with_slots(2)).listen(&format!("127.0.0.1:{}", free_port()));
    let output = second.runtime_dir(running.runtime()).output();
    assert!(
        !matches!(output.exit.code, Some(0) | None),
        "{:?}\n{}",
        output.exit,
        output.text()
    );
    running.assert_runs();
    running.get_ok("/");
}

#[test]
fn static_files_are_served_without_the_application() {
    let service = Service::with_slots(2).file("src/static/rum.css", "body { color: #630 }\n");
    let running = Launcher::new(&service).start_ready();
    let answer = running.get_ok("/static/rum.css");
    assert_eq!(answer.text(), "body { color: #630 }\n");
    assert_eq!(
        answer.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    for path in [
        "/static/../main.py",
        "/static/%2e%2e/main.py",
        "/static../main.py",
        "/static/..%2fmain.py",
    ] {
        let answer = running.get(path).unwrap();
        assert!(
            !answer.text().contains("Flask(__name__)"),
            "{path} gives the source away"
        );
    }
}

/// Reports a test that cannot run on this machine.
#[expect(
    clippy::print_stderr,
    reason = "for the person who reads the tests' output"
)]
pub(crate) fn skip(why: &str) {
    eprintln!("SKIPPED, because {why}");
}

#[test]
fn a_folder_not_made_by_a_launcher_is_kept() {
    let scratch = world_accessible_folder("runtime-");
    let photo = scratch.path().join("1/photo.jpg");
    fs::create_dir(scratch.path().join("1")).unwrap();
    fs::write(&photo, "x").unwrap();
    let output = Launcher::new(&Service::with_slots(1))
        .runtime_dir(scratch.path())
        .output();
    let folder = scratch.path().join("1").display().to_string();
    output.assert_code(73).assert_says(&folder);
    assert!(photo.exists());
}
