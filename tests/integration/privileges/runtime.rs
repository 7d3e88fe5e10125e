//! The runtime folder in every state that a platform may give it: nothing in it that the application's user can rename,
//! replace or link is root's.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::{WORKER, chmod, compromised_without_sandbox, run};
use crate::launcher::Launcher;
use crate::running::Running;
use crate::service::world_accessible_folder;
use crate::surroundings::Rights;
use crate::wait::until;

/// Modes and owners: an emptyDir, one with fsGroup, a tmpfs, and a folder that was made for the application's user.
const STATES: [(u32, u32); 4] = [(0o777, 0), (0o2777, 0), (0o1777, 0), (0o755, WORKER)];

/// A runtime folder in this state, and a file of root beside it.
fn folder(mode: u32, owner: u32) -> (TempDir, PathBuf, PathBuf) {
    let all = world_accessible_folder("states-");
    let runtime = all.path().join("run");
    fs::create_dir(&runtime).unwrap();
    let precious = all.path().join("precious");
    fs::write(&precious, "of root").unwrap();
    chmod(&precious, 0o600, 0);
    chmod(&runtime, mode, owner);
    (all, runtime, precious)
}

fn start(runtime: &Path) -> Running {
    Launcher::new(&compromised_without_sandbox())
        .runtime_dir(runtime)
        .start_ready()
}

/// Everything in the folder that root owns, and the application's user can rename or remove.
fn movable(running: &Running, folder: &Path) -> String {
    let script = format!(
        "cd {} && for name in * .[a-z]*; do [ -e \"$name\" ] && mv \"$name\" \"moved-$name\" 2>/dev/null && echo \"$name\"; done",
        folder.display()
    );
    run(running, &script)
}

#[test]
fn nothing_of_root_can_be_moved() {
    for (mode, owner) in STATES {
        let (_all, runtime, precious) = folder(mode, owner);
        let mut running = start(&runtime);
        assert_eq!(movable(&running, &runtime), "", "mode {mode:o} of {owner}");
        assert_eq!(movable(&running, &runtime.join("private")), "");
        // What the next generation's folders could be.
        let prepared = format!(
            "cd {0}; for n in 2 3 private/2 private/3; do mkdir -p $n/nginx $n/uwsgi; ln -s {1} $n/uwsgi/uwsgi.ini; ln -s {1} $n/x; done",
            runtime.display(),
            precious.display()
        );
        run(&running, &prepared);
        running.run_command(&["reload"]).assert_code(0);
        assert_eq!(running.status()["generation"], 2);
        running.get_ok("/");
        running.stop(Duration::from_secs(15));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "of root");
        assert_eq!(fs::metadata(&precious).unwrap().uid(), 0);
    }
}

#[test]
fn what_was_put_there_before_the_start_is_not_used() {
    for (mode, owner) in STATES {
        let (all, runtime, precious) = folder(mode, owner);
        let elsewhere = all.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("file"), "of root").unwrap();
        for name in ["lock", "lock.new", "disk-not-full.new", "control.sock"] {
            symlink(&precious, runtime.join(name)).unwrap();
        }
        for name in ["1", "2", "home", "private", "app.sock"] {
            symlink(&elsewhere, runtime.join(name)).unwrap();
        }
        let mut running = Launcher::new(&compromised_without_sandbox())
            .runtime_dir(&runtime)
            .start();
        if owner == 0 {
            running.wait_ready();
            running.get_ok("/");
            running.stop(Duration::from_secs(15));
        } else {
            // A folder of that user that holds what is not the launcher's is refused; it is the links that are.
            let exit = running.wait_exit(Duration::from_secs(15));
            assert_eq!(exit.code, Some(73), "{}", running.log.tail(5));
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "of root");
        assert_eq!(fs::metadata(&precious).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(
            fs::read_to_string(elsewhere.join("file")).unwrap(),
            "of root"
        );
        assert_eq!(fs::metadata(&elsewhere).unwrap().uid(), 0);
    }
}

#[test]
fn an_old_generation_without_end_is_in_nobodys_way() {
    for rights in [Rights::Default, Rights::SharedFolder, Rights::Restricted] {
        let service = compromised_without_sandbox();
        let mut running = Launcher::new(&service).with_rights(rights).start_ready();
        let folder = match rights {
            Rights::Default | Rights::Hardened => running.runtime().to_owned(),
            Rights::SharedFolder | Rights::Restricted => running.runtime().join("private"),
        };
        let nested = format!(
            "cd {}/1/uwsgi && rm uwsgi.ini && /usr/bin/python3 -c 'import os\nfor _ in range(3000): os.mkdir(\"d\"); os.chdir(\"d\")' && echo nested",
            folder.display()
        );
        assert_eq!(run(&running, &nested).trim(), "nested");
        running.run_command(&["reload"]).assert_code(0);
        running
            .log
            .wait_for_text("Cannot remove the files of an old generation");
        let names = || -> Vec<String> {
            let entries = fs::read_dir(&folder).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        until(
            Duration::from_secs(10),
            "the folder has another name",
            || {
                let inside = folder.join("1");
                let left = |folder: &Path| {
                    fs::read_dir(folder).is_ok_and(|mut entries| {
                        entries.any(|entry| {
                            let name = entry.unwrap().file_name();
                            name.to_string_lossy().starts_with("left-over-")
                        })
                    })
                };
                (left(&folder) || left(&inside)).then_some(())
            },
        );
        running.get_ok("/");
        // The next reload serves all the same.
        running.run_command(&["reload"]).assert_code(0);
        running.get_ok("/");
        running.stop(Duration::from_secs(15));
        // The next start, too, and with the same numbers.
        if rights == Rights::Default {
            let mut running = Launcher::new(&service)
                .runtime_dir(running.runtime())
                .start_ready();
            running.run_command(&["reload"]).assert_code(0);
            running.stop(Duration::from_secs(15));
        }
        // As that user itself would do it: the test's own removal is not made for such depth.
        let remove = std::process::Command::new("rm")
            .arg("-rf")
            .arg(&folder)
            .status();
        assert!(remove.unwrap().success(), "{:?}", names());
    }
}

#[test]
fn a_home_with_another_mode_and_a_folder_for_the_control_socket_are_no_obstacles() {
    let (_all, runtime, _) = folder(0o1777, 0);
    fs::create_dir(runtime.join("control.sock")).unwrap();
    fs::write(runtime.join("control.sock/file"), "").unwrap();
    let mut running = start(&runtime);
    let home = runtime.join("private/home");
    run(&running, &format!("chmod 755 {}", home.display()));
    running.run_command(&["reload"]).assert_code(0);
    running.get_ok("/");
    running.stop(Duration::from_secs(15));
    let mut running = start(&runtime);
    running.run_command(&["status"]).assert_code(0);
    running.stop(Duration::from_secs(15));
}

#[test]
fn a_folder_that_somebody_could_replace_is_refused() {
    let all = world_accessible_folder("states-");
    let theirs = all.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::create_dir(theirs.join("run")).unwrap();
    chmod(&theirs, 0o755, WORKER);
    let refused = Launcher::new(&compromised_without_sandbox())
        .runtime_dir(&theirs.join("run"))
        .output();
    refused.assert_code(73).assert_says("may replace");
    let full = all.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("photo.jpg"), "").unwrap();
    chmod(&full, 0o755, WORKER);
    let refused = Launcher::new(&compromised_without_sandbox())
        .runtime_dir(&full)
        .output();
    refused
        .assert_code(73)
        .assert_says("photo.jpg")
        .assert_says("chown root");
}

#[test]
fn the_lock_is_for_the_launchers_user_alone() {
    let (_all, runtime, _) = folder(0o755, 0);
    let running = start(&runtime);
    let lock = fs::metadata(runtime.join("lock")).unwrap();
    assert_eq!((lock.mode() & 0o7777, lock.uid()), (0o600, 0));
    until(Duration::from_secs(5), "the application's answer", || {
        run(&running, &format!("cat {}", runtime.join("lock").display()))
            .contains("ermission denied")
            .then_some(())
    });
}
