//! The launcher's log path alone, for bench/logs: says which pipes to write to, ends with its input, tells the accounts.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use microservice_flask::logs::{self, AccessFilter, Format, LogOptions, OnFull, Source};

/// Nothing that was written takes longer to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> io::Result<()> {
    let options = LogOptions {
        // A benchmark that drops measures how fast nothing is done.
        on_full: OnFull::Block,
        buffer: 8 << 20,
        access: AccessFilter::All,
    };
    let logs = logs::start(
        Format::Json,
        options,
        io::stdout().as_fd().try_clone_to_owned()?,
    )?;
    let app = logs.pipe(Source::AppStdout).as_raw_fd();
    let access = logs.pipe(Source::NginxAccess).as_raw_fd();
    writeln!(io::stderr(), "{app} {access}")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    let summary = logs.finish(PATIENCE);
    let delivered = summary.counters.sum(|tally| tally.delivered).lines;
    writeln!(io::stderr(), "{delivered} {}", summary.complete)
}
