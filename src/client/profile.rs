//! `profile`: where requests spend their time, as a summary and as a flame graph.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use inferno::flamegraph::{self, Options};

use super::granted::{self, granted};
use super::launcher::{Launcher, TIMEOUT};
use super::picture::Picture;
use crate::cli::ProfileArgs;
use crate::console::{print, print_error};
use crate::exit::Failure;
use crate::stacks::ProfileAnswer;
use crate::stacks::profile::StackProfile;
use crate::sys::runtime;
use crate::sys::terminal_signals::{TerminalSignal, TerminalSignals};

/// Length of one request to the launcher: with each of them, workers that are new are looked into, too.
const SLICE: Duration = Duration::from_secs(5);
/// Least time between two of them, and least length of one.
const LEAST: Duration = Duration::from_millis(200);

/// After Ctrl-C in the first slice, or when there was none.
const NOTHING: &str = "nothing was gathered: the first figures come after 5 s, and there are none while the application has no \
     process; `status` says whether it has";

/// Asks for slices until the time is over, or until Ctrl-C: then what there is counts.
pub(crate) fn profile(launcher: &Launcher, args: &ProfileArgs) -> Result<(), Failure> {
    let picture = Picture::prepare(args.out.as_deref())?;
    let profile = runtime::block_on(gather(launcher, args.seconds))??;
    let mut summary = profile.summary();
    match picture {
        Picture::None => {
            if !profile.is_empty() {
                summary.push_str("flame graph: --out FILE.svg writes it, `--out -` prints it\n");
            }
            print(&summary)
        }
        Picture::Stdout => {
            print_error(&summary);
            print(&flame_graph(&profile)?)
        }
        Picture::File(file) => {
            let path = file.write(&flame_graph(&profile)?)?;
            print(&format!(
                "{summary}flame graph: {}, for a browser\n",
                path.display()
            ))
        }
    }
}

/// All slices. While the application has no process, because uWSGI starts again, there is none. A failure ends the profile:
/// what was gathered before is kept.
async fn gather(launcher: &Launcher, seconds: u32) -> Result<StackProfile, Failure> {
    let mut signals = TerminalSignals::new().map_err(Failure::system("handle signals"))?;
    let mut interrupted = std::pin::pin!(interrupted(&mut signals));
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let mut profile = StackProfile::default();
    let mut missed = None;
    loop {
        let begun = Instant::now();
        let left = end.saturating_duration_since(begun);
        if left < LEAST {
            break;
        }
        let slice = tokio::select! {
            slice = slice(launcher, left.min(SLICE)) => slice,
            () = &mut interrupted => break,
        };
        match slice {
            Ok(Some(answer)) => {
                profile.name = answer.name;
                profile.add(answer.profile);
            }
            Ok(None) => {}
            Err(failure) => {
                missed = Some(failure);
                break;
            }
        }
        // All processes may have ended in the middle of a slice: the next one has others.
        tokio::time::sleep(LEAST.saturating_sub(begun.elapsed())).await;
    }
    match missed {
        Some(failure) if profile.seconds() <= 0.0 => return Err(failure),
        None if profile.seconds() <= 0.0 => return Err(Failure::Negative(NOTHING.to_owned())),
        Some(failure) => print_error(&format!("the profile ends early: {failure}\n")),
        None => {}
    }
    Ok(profile)
}

/// Ends with the first signal that asks for an end.
async fn interrupted(signals: &mut TerminalSignals) {
    while !matches!(signals.next().await, TerminalSignal::End(_)) {}
}

/// The answer of the launcher; none while the application has no process.
async fn slice(launcher: &Launcher, length: Duration) -> Result<Option<ProfileAnswer>, Failure> {
    let path = format!("/profile?seconds={:.3}", length.as_secs_f64());
    let answer = launcher
        .answer(&Method::POST, &path, length + TIMEOUT)
        .await?;
    if answer.0 == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(None);
    }
    granted::read(&granted(answer)?).map(Some)
}

/// The picture: SVG with a script of its own, which needs no network.
fn flame_graph(profile: &StackProfile) -> Result<String, Failure> {
    let mut options = Options::default();
    options.title = format!(
        "{}: where requests spend their time, in {:.0} s",
        profile.name,
        profile.seconds()
    );
    options.subtitle =
        Some("The width is time, waiting included; click a function to enlarge it.".to_owned());
    "ms".clone_into(&mut options.count_name);
    // The same function has the same colour in each picture.
    options.hash = true;
    let lines = profile.folded();
    let mut svg = Vec::new();
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut svg)
        .map_err(|error| Failure::Bug(format!("cannot draw the flame graph: {error}")))?;
    Ok(String::from_utf8_lossy(&svg).into_owned())
}
