//! Programs of all kinds: short, hanging, flooding, missing.

use std::time::Instant;

use super::*;

async fn sh(
    programs: &ShortPrograms,
    script: &str,
    timeout: Duration,
) -> Result<Finished, RunError> {
    programs
        .run(ShortProgram {
            program: Path::new("/bin/sh"),
            args: &["-c".into(), script.into()],
            env: None,
            cwd: None,
            inherit: Vec::new(),
            user: None,
            sandbox: SandboxRules::default(),
            timeout,
            max_output: MAX_OUTPUT,
        })
        .await
}

#[tokio::test(flavor = "current_thread")]
async fn output_of_both_streams_and_exit_are_returned() {
    let programs = ShortPrograms::alone();
    let limit = Duration::from_secs(60);
    let finished = sh(&programs, "echo out; echo err >&2; exit 3", limit).await;
    let finished = finished.unwrap();
    assert_eq!(finished.exit, Exit::Code(3));
    assert_eq!(finished.output, "out\nerr\n");
    let missing = ShortProgram {
        program: Path::new("/nonexistent"),
        args: &[],
        env: None,
        cwd: None,
        inherit: Vec::new(),
        user: None,
        sandbox: SandboxRules::default(),
        timeout: limit,
        max_output: MAX_OUTPUT,
    };
    assert!(matches!(
        programs.run(missing).await,
        Err(RunError::Spawn(_))
    ));
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_that_hangs_is_killed_with_what_it_started() {
    let programs = ShortPrograms::alone();
    let begun = Instant::now();
    let result = sh(
        &programs,
        "sleep 1000 & exec sleep 1000",
        Duration::from_millis(50),
    )
    .await;
    assert!(
        matches!(result, Err(RunError::TimedOut { .. })),
        "{result:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test(flavor = "current_thread")]
async fn output_that_another_process_keeps_open_is_not_waited_for() {
    let limit = Duration::from_secs(60);
    let begun = Instant::now();
    let script = "sleep 100 & echo out; echo $!";
    let finished = sh(&ShortPrograms::alone(), script, limit).await.unwrap();
    assert_eq!(finished.exit, Exit::Code(0));
    let sleeper = finished.output.strip_prefix("out\n").unwrap().trim();
    process::signal(Pid::from_raw(sleeper.parse().unwrap()), Signal::SIGKILL);
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "current_thread")]
async fn a_flood_is_cut() {
    let programs = ShortPrograms::alone();
    let finished = sh(&programs, "exec yes", Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(finished.output.len() as u64, MAX_OUTPUT);
    assert_eq!(finished.exit, Exit::Signal(Signal::SIGPIPE as i32));
}

#[tokio::test(flavor = "current_thread")]
async fn on_the_loop_the_exit_comes_from_the_reaper() {
    let programs = ShortPrograms::beside_children();
    let run = sh(&programs, "echo $$", Duration::from_secs(60));
    let reaper = async {
        loop {
            let Exits::Loop(running) = &programs.0 else {
                unreachable!();
            };
            let pid = running.borrow().keys().next().copied();
            if let Some(exit) = pid.and_then(reap::reap_one) {
                assert!(programs.ended(pid.unwrap(), exit));
                assert!(!programs.ended(pid.unwrap(), exit));
                return;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let (finished, ()) = tokio::join!(run, reaper);
    assert_eq!(finished.unwrap().exit, Exit::Code(0));
}
