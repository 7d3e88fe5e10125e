//! A service folder that belongs to the application's user: root executes nothing in it, and reads no pipe.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::Mode;
use serde_json::json;

use super::{WORKER, chmod, compromised, run};
use crate::launcher::Launcher;
use crate::service::{Service, one_process, world_accessible_folder};

/// A program in the place of uWSGI. Its version tells how many variables it has, and as whom it runs. It also tries to
/// leave a note.
fn trap(notes: &Path) -> String {
    format!(
        "#!/bin/sh\ntouch {}/note-$(id -u)\necho 2.$(env | wc -l).$(id -u)\n",
        notes.display()
    )
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A service with a virtual environment whose programs are traps, and the folder of their notes.
fn with_traps() -> (Service, tempfile::TempDir) {
    let notes = world_accessible_folder("notes-");
    fs::set_permissions(notes.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let service = compromised().file("venv/pyvenv.cfg", "version = 3.11.2\n");
    for name in ["uwsgi", "python3"] {
        let path = service.root().join("venv/bin").join(name);
        executable(&path, &trap(notes.path()));
    }
    chmod(service.root(), 0o755, WORKER);
    (service, notes)
}

#[test]
fn check_executes_nothing_of_it_as_root() {
    let (service, notes) = with_traps();
    let checked = Launcher::new(&service)
        .command(&["check"])
        .env("SECRET", "of the launcher")
        .output();
    // A shell adds PWD and the like by itself.
    let version = |variables: u32| format!("uWSGI            2.{variables}.{WORKER} (");
    let text = checked.text();
    assert!((0..4).any(|count| text.contains(&version(count))), "{text}");
    assert_eq!(fs::read_dir(notes.path()).unwrap().count(), 0);
}

#[test]
fn a_user_that_cannot_be_used_makes_root_ask_in_its_place_neither() {
    for user in ["root", "no-such-user"] {
        let (service, _) = with_traps();
        let asked = world_accessible_folder("asked-");
        fs::set_permissions(asked.path(), fs::Permissions::from_mode(0o777)).unwrap();
        // Without a sandbox, in which it could not leave a trace.
        let mut section = one_process();
        section["user"] = json!(user);
        section["nginx_user"] = json!(user);
        let service = service.nginx_config(&section);
        let trace = asked.path().join("trace");
        let trap = format!(
            "#!/bin/sh\nkill -USR1 $PPID; echo x > {}\n",
            trace.display()
        );
        let programs = world_accessible_folder("programs-");
        executable(&programs.path().join("nginx"), &trap);
        executable(&service.root().join("venv/bin/uwsgi"), &trap);
        let refused = Launcher::new(&service)
            .command(&["check"])
            .path_before(programs.path())
            .output();
        refused.assert_code(78).assert_says("/nginx_config/user");
        assert!(!refused.text().contains("uWSGI  "), "{}", refused.text());
        assert!(!trace.exists());
    }
}

#[test]
fn an_nginx_that_the_application_may_change_is_not_run() {
    let service = compromised();
    let bin = service.root().join("bin");
    executable(&bin.join("nginx"), "#!/bin/sh\necho nginx/1.99.0 >&2\n");
    chmod(&bin, 0o755, WORKER);
    let checked = Launcher::new(&service)
        .command(&["check"])
        .path_before(&bin)
        .output();
    // The system's own is found behind it.
    checked.assert_code(0).assert_says("is not run as nginx");
    assert!(!checked.text().contains("1.99.0"), "{}", checked.text());
    let refused = Launcher::new(&service)
        .command(&["check"])
        .env("PATH", bin.display().to_string())
        .output();
    refused.assert_code(78).assert_says("chmod go-w");
}

#[test]
fn a_reload_executes_nothing_of_it_as_root() {
    let service = compromised();
    chmod(service.root(), 0o755, WORKER);
    let notes = world_accessible_folder("notes-");
    fs::set_permissions(notes.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut running = Launcher::new(&service).start_ready();
    let script = format!(
        "cd {0} && mkdir -p venv/bin && echo 'version = 3.11.2' > venv/pyvenv.cfg && cat > venv/bin/uwsgi <<'X'\n{1}X\nchmod 755 venv/bin/uwsgi && cp venv/bin/uwsgi venv/bin/python3 && id -u",
        service.root().display(),
        trap(notes.path())
    );
    assert_eq!(run(&running, &script).trim(), WORKER.to_string());
    // It may fail or not: the trap is no uWSGI.
    running.run_command(&["reload"]);
    assert!(!notes.path().join("note-0").exists());
    running.get_ok("/");
    running.stop(Duration::from_secs(15));
}

#[test]
fn a_snippet_of_it_writes_no_file_of_root() {
    let all = world_accessible_folder("targets-");
    let target = all.path().join("of-root");
    fs::create_dir(&target).unwrap();
    let service = compromised();
    fs::create_dir_all(service.root().join("nginx/server.d")).unwrap();
    chmod(&service.root().join("nginx"), 0o755, WORKER);
    chmod(&service.root().join("nginx/server.d"), 0o755, WORKER);
    let mut running = Launcher::new(&service).start_ready();
    let script = format!(
        "printf 'access_log %s/log;\\nclient_body_temp_path %s/temp;\\n' {0} {0} > {1}/nginx/server.d/x.conf",
        target.display(),
        service.root().display()
    );
    run(&running, &script);
    let refused = running.run_command(&["reload"]);
    refused.assert_code(78).assert_says("Permission denied");
    let checked = running.run_command(&["check"]);
    checked.assert_says("code of the application can change what nginx does");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    running.get_ok("/");
    running.stop(Duration::from_secs(15));
}

#[test]
fn files_that_are_none_are_refused_at_once() {
    let pipe = |path: &Path| nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o644)).unwrap();
    let service = compromised();
    let config = service.root().join("config/config.json");
    fs::remove_file(&config).unwrap();
    pipe(&config);
    let refused = Launcher::new(&service).command(&["check"]).output();
    refused.assert_code(66).assert_says("not a regular file");
    fs::remove_file(&config).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &config).unwrap();
    let refused = Launcher::new(&service).command(&["check"]).output();
    refused.assert_code(66).assert_says("not a regular file");
    let large = compromised().file("config/config.json", &" ".repeat(20 << 20));
    let refused = Launcher::new(&large).command(&["check"]).output();
    refused.assert_code(66).assert_says("larger than");
    let service = compromised();
    fs::create_dir_all(service.root().join("venv/bin")).unwrap();
    pipe(&service.root().join("venv/pyvenv.cfg"));
    Launcher::new(&service)
        .command(&["check"])
        .output()
        .assert_code(0);
}
