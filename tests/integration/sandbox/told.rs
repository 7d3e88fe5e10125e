//! What operators and developers are told of the sandbox.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{APP, open_folder, service, writes};
use crate::http::Request;
use crate::launcher::Launcher;

#[test]
fn status_and_check_show_it() {
    let closed = open_folder();
    let name = closed.path().display().to_string();
    let service = service(&json!({"writable": [name]}));
    let running = Launcher::new(&service).start_ready();
    let sandbox = running.status()["sandbox"].clone();
    let landlock = sandbox["landlock"].as_str().unwrap();
    assert!(landlock.starts_with("on (ABI "), "{sandbox}");
    assert_eq!(sandbox["seccomp"], "on");
    running
        .run_command(&["status", "--all"])
        .assert_code(0)
        .assert_says(&format!("sandbox: landlock {landlock}; seccomp on"));
    running
        .command(&["check"])
        .output()
        .assert_code(0)
        .assert_says(&name)
        .assert_says("ptrace, mount, bpf and the like are refused");
    assert!(!running.log.contains("A part of the sandbox is off"));
}

#[test]
fn what_is_off_is_logged_once() {
    let service = service(&json!({"landlock": false, "seccomp": false}));
    let running = Launcher::new(&service).start_ready();
    let told = running
        .log
        .filter(|line| line.text.contains("A part of the sandbox is off"));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].str("level"), "info");
    assert!(told[0].text.contains("nginx_config.landlock is false"));
    assert_eq!(writes(&running, open_folder().path()), Value::Null);
}

#[test]
fn a_denied_import_is_explained_with_the_key() {
    let closed = open_folder();
    let text = format!("open('{}/log', 'a')\n{APP}", closed.path().display());
    let service = service(&json!({})).main_py(&text);
    let hint = format!(
        "name {} in the key writable of nginx_config",
        closed.path().display()
    );
    Launcher::new(&service)
        .command(&["check", "--import"])
        .output()
        .assert_code(22)
        .assert_says(&hint);
    let output = Launcher::new(&service).output();
    output.assert_code(22).assert_says(&hint);
    assert!(!closed.path().join("log").exists());
}

#[test]
fn a_denied_request_is_explained_with_the_key() {
    let closed = open_folder();
    let running = Launcher::new(&service(&json!({}))).start_ready();
    let path: PathBuf = closed.path().join("x");
    let code = format!("open('{}', 'w')", path.display());
    let answer = running.send(&Request::post("/run", code)).unwrap();
    assert_eq!(answer.status, 500);
    running.log.wait_for_text(&format!(
        "name {} in the key writable of nginx_config",
        closed.path().display()
    ));
}

#[test]
fn a_snippet_of_nginx_writes_only_what_is_named() {
    let folder = open_folder();
    let cache = format!(
        "proxy_cache_path {}/cache keys_zone=z:1m;\n",
        folder.path().display()
    );
    let service = service(&json!({})).file("nginx/http.d/cache.conf", &cache);
    Launcher::new(&service)
        .command(&["check"])
        .output()
        .assert_code(78)
        .assert_says("nginx_config.writable");
    let named = json!({"use_nginx": true, "nginx_config": {"writable": [folder.path()]}});
    service.write("config/config.json", &named.to_string());
    let running = Launcher::new(&service).start_ready();
    assert!(folder.path().join("cache").is_dir());
    running.run_command(&["reload"]).assert_code(0);
}

/// Runs a program under a filter that answers EPERM to system calls, as a strict container does: the words are their
/// numbers, `--`, and the program.
const FORBIDDING: &str = "
import ctypes, os, struct, sys
end = sys.argv.index('--')
code = [(0x20, 0, 0, 0)]
for number in sys.argv[1:end]:
    code += [(0x15, 0, 1, int(number)), (0x06, 0, 0, 0x00050001)]
code.append((0x06, 0, 0, 0x7fff0000))
text = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *line) for line in code))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(code), ctypes.addressof(text)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
";

#[test]
fn a_container_that_forbids_the_sandbox_is_told_and_serves() {
    for forbidden in [
        [libc::SYS_landlock_create_ruleset, libc::SYS_seccomp],
        [libc::SYS_landlock_restrict_self, libc::SYS_seccomp],
    ] {
        let numbers = forbidden.map(|number| number.to_string());
        let [first, second] = &numbers;
        let words = ["/usr/bin/python3", "-c", FORBIDDING, first, second, "--"];
        let service = service(&json!({}));
        let running = Launcher::new(&service).through(&words).start_ready();
        let sandbox = running.status()["sandbox"].to_string();
        assert_eq!(sandbox.matches("forbids").count(), 2, "{sandbox}");
        let told = running
            .log
            .filter(|line| line.text.contains("A part of the sandbox is off"));
        assert_eq!(told.len(), 1);
        assert_eq!(writes(&running, open_folder().path()), Value::Null);
    }
}
