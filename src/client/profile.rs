//! `profile`: where requests spend their time, as a summary and as a flame graph.

use std::time::Duration;

use hyper::Method;
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

/// Seconds of one request to the launcher: with each of them, workers that are new are looked into, too.
const SLICE: u32 = 5;

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

/// All slices.
async fn gather(launcher: &Launcher, seconds: u32) -> Result<StackProfile, Failure> {
    let mut signals = TerminalSignals::new().map_err(Failure::system("handle signals"))?;
    let mut profile = StackProfile::default();
    let mut left = seconds;
    while left > 0 {
        let length = left.min(SLICE);
        tokio::select! {
            slice = slice(launcher, length) => add(&mut profile, &slice?)?,
            () = interrupted(&mut signals) => break,
        }
        left -= length;
    }
    Ok(profile)
}

/// Ends with the first signal that asks for an end.
async fn interrupted(signals: &mut TerminalSignals) {
    while !matches!(signals.next().await, TerminalSignal::End(_)) {}
}

/// An answer of the launcher: success, and its body.
async fn slice(launcher: &Launcher, seconds: u32) -> Result<bytes::Bytes, Failure> {
    let path = format!("/profile?seconds={seconds}");
    let limit = Duration::from_secs(seconds.into()) + TIMEOUT;
    granted(launcher.answer(&Method::POST, &path, limit).await?)
}

fn add(profile: &mut StackProfile, body: &[u8]) -> Result<(), Failure> {
    let answer: ProfileAnswer = granted::read(body)?;
    profile.name = answer.name;
    profile.add(answer.profile);
    Ok(())
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
