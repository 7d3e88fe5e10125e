//! The loop of `top`: asks the launcher each second, reads keys, draws, and gives the terminal back whatever happens.

use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TermionBackend;
use ratatui::layout::{Position, Rect};
use tokio::time::sleep;

use super::super::launcher::Launcher;
use super::draw::draw;
use super::keys::Decoder;
use super::look::Look;
use super::orders::{self, Done};
use super::state::{Mode, Top, TopAction};
use crate::exit::Failure;
use crate::status::StatusReport;
use crate::sys::raw_terminal;
use crate::sys::runtime;
use crate::sys::terminal_signals::{TerminalSignal, TerminalSignals};

/// Pause between two questions, and the longest one between two pictures.
const SECOND: Duration = Duration::from_secs(1);
/// From when on the launcher is said not to answer.
const SILENT: Duration = Duration::from_secs(3);
/// The rest of a key comes sooner, also over a slow connection.
const REST_OF_KEY: Duration = Duration::from_millis(50);

/// As long as there is no other reason for silence.
const HANGS: &str = "it hangs, or is stopped";

/// What runs beside the loop.
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Shows the service until the user quits. `term` and `no_color` are the variables TERM and NO_COLOR.
pub(crate) fn top(
    launcher: &Launcher,
    term: Option<&str>,
    no_color: Option<&str>,
) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let what = "top needs a terminal on stdin and stdout";
        return Err(Failure::NoTerminal(what.to_owned()));
    }
    let Some(look) = Look::of(term, no_color) else {
        let term = term.unwrap_or_default();
        let what = format!("top needs a terminal that can place texts, which TERM={term} cannot");
        return Err(Failure::NoTerminal(what));
    };
    runtime::block_on(async {
        // Without a launcher there is nothing to see.
        let report = orders::report(launcher).await?;
        raw_terminal::leave_at_a_panic();
        let ended = show(launcher, Top::new(report), look).await;
        raw_terminal::leave();
        ended
    })?
}

/// The terminal, and what the picture is made of.
struct Session<'a> {
    launcher: &'a Launcher,
    top: Top,
    look: Look,
    /// Never dropped: it would write to stderr where the terminal has gone, and panic.
    screen: ManuallyDrop<Terminal<TermionBackend<io::Stdout>>>,
    decoder: Decoder,
    order: Option<Running<'a, Done>>,
    /// When the launcher has answered last.
    heard: Instant,
    /// Why it has not since.
    why: String,
    /// Whether the terminal is changed; not while the command is in the background.
    is_shown: bool,
}

/// Why the loop ends, if it does.
type End = Option<Result<(), Failure>>;

async fn show(launcher: &Launcher, top: Top, look: Look) -> Result<(), Failure> {
    let failed = Failure::system("use the terminal");
    let prepare = || -> io::Result<_> {
        let signals = TerminalSignals::new()?;
        let screen = Terminal::new(TermionBackend::new(io::stdout()))?;
        Ok((signals, screen))
    };
    let (mut signals, screen) = prepare().map_err(failed)?;
    let mut session = Session {
        launcher,
        top,
        look,
        screen: ManuallyDrop::new(screen),
        decoder: Decoder::default(),
        order: None,
        heard: Instant::now(),
        why: HANGS.to_owned(),
        is_shown: false,
    };
    let mut question: Running<_> = Box::pin(later(launcher));
    loop {
        session
            .draw()
            .map_err(Failure::system("draw on the terminal"))?;
        let is_shown = session.is_shown;
        let waits = session.decoder.is_waiting();
        let end = tokio::select! {
            signal = signals.next() => session.signal(signal),
            bytes = raw_terminal::typed(), if is_shown => session.typed(bytes),
            // The rest of a key has not come.
            () = sleep(REST_OF_KEY), if waits => {
                let key = session.decoder.silence();
                key.and_then(|key| session.top.key(key)).and_then(|action| session.act(&action))
            }
            report = &mut question => {
                question = Box::pin(later(launcher));
                session.heard(report);
                None
            }
            done = done(&mut session.order) => {
                session.done(done);
                None
            }
            // The interval between two pictures.
            () = sleep(SECOND) => None,
        };
        if let Some(end) = end {
            return end;
        }
    }
}

/// The report of a second later.
async fn later(launcher: &Launcher) -> Result<StatusReport, Failure> {
    // The interval between two polls.
    sleep(SECOND).await;
    orders::report(launcher).await
}

/// Waits for what is under way.
async fn done(order: &mut Option<Running<'_, Done>>) -> Done {
    match order {
        Some(order) => order.await,
        None => pending().await,
    }
}

impl Session<'_> {
    fn draw(&mut self) -> io::Result<()> {
        let silence = self.heard.elapsed();
        self.top.silence = (silence >= SILENT).then(|| (silence.as_secs(), self.why.clone()));
        if !self.is_shown && raw_terminal::is_foreground() {
            self.show_again()?;
        }
        if !self.is_shown {
            return Ok(());
        }
        let (top, look) = (&self.top, self.look);
        let mut drawn = None;
        self.screen
            .draw(|frame| drawn = Some(draw(top, look, frame)))?;
        if let Some(drawn) = drawn {
            self.top.drawn(drawn.page, drawn.scroll);
        }
        Ok(())
    }

    /// Changes the terminal, on which anything may stand.
    fn show_again(&mut self) -> io::Result<()> {
        raw_terminal::enter()?;
        let size = self.screen.size()?;
        self.screen.resize(Rect::from((Position::ORIGIN, size)))?;
        self.is_shown = true;
        Ok(())
    }

    fn signal(&mut self, signal: TerminalSignal) -> End {
        match signal {
            TerminalSignal::End(number) => Some(Err(Failure::Reported { code: 128 + number })),
            // The next picture has the size that the terminal has.
            TerminalSignal::Resized => None,
            TerminalSignal::Continued => {
                self.is_shown = false;
                None
            }
        }
    }

    fn typed(&mut self, bytes: io::Result<Option<Vec<u8>>>) -> End {
        let bytes = match bytes {
            Ok(Some(bytes)) => bytes,
            // The terminal has gone, as SIGHUP says, too.
            Ok(None) => return Some(Err(Failure::Reported { code: 129 })),
            Err(error) => return Some(Err(Failure::system("read keys")(error))),
        };
        for key in self.decoder.keys(&bytes) {
            let end = self.top.key(key).and_then(|action| self.act(&action));
            if end.is_some() {
                return end;
            }
            // What was typed, or pasted, before the question could be read is no answer to it.
            if matches!(self.top.mode, Mode::Ask { .. }) {
                break;
            }
        }
        None
    }

    fn act(&mut self, action: &TopAction) -> End {
        match *action {
            TopAction::Quit => return Some(Ok(())),
            TopAction::Redraw => self.is_shown = false,
            TopAction::Stop => {
                raw_terminal::leave();
                self.is_shown = false;
                // Who is stopped goes on from here.
                if let Err(error) = raw_terminal::stop() {
                    self.top.message = format!("Cannot be stopped: {error}.");
                }
            }
            TopAction::End(worker) => {
                let order = orders::end(self.launcher, worker);
                self.order(
                    Box::pin(order),
                    &format!("Worker {worker} is being ended …"),
                );
            }
            TopAction::Stacks(worker) => {
                let order = orders::stacks(self.launcher, worker);
                self.order(
                    Box::pin(order),
                    &format!("Worker {worker} is asked for its stacks …"),
                );
            }
        }
        None
    }
}

impl<'a> Session<'a> {
    fn order(&mut self, order: Running<'a, Done>, message: &str) {
        if self.order.is_some() {
            "The order before is still under way.".clone_into(&mut self.top.message);
            return;
        }
        self.order = Some(order);
        message.clone_into(&mut self.top.message);
    }

    fn done(&mut self, done: Done) {
        self.order = None;
        match done {
            Done::Message(message) => self.top.message = message,
            Done::Text { title, text } => {
                self.top.message.clear();
                self.top.show(title, text);
            }
        }
    }

    fn heard(&mut self, report: Result<StatusReport, Failure>) {
        match report {
            Ok(report) => {
                self.heard = Instant::now();
                HANGS.clone_into(&mut self.why);
                self.top.take(report);
            }
            Err(failure) => {
                let why = orders::first_line(&failure);
                let short = why.strip_prefix("no launcher answers: ");
                short.unwrap_or(&why).clone_into(&mut self.why);
            }
        }
    }
}
