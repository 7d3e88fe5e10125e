//! The launcher's log alone, for bench/logs: prints which pipes to write to, ends with its input, prints the accounts.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use microservice_flask::internals::logs::record::Level;
use microservice_flask::internals::logs::{self, AccessFilter, Format, LogOptions, OnFull, Source};

/// Longer than anything that was written takes to arrive.
const TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> io::Result<()> {
    let options = LogOptions {
        // A benchmark must not measure the dropping of lines.
        on_full: OnFull::Block,
        buffer: 8 << 20,
        access: AccessFilter::All,
    };
    let logs = logs::start(
        Format::Json,
        Level::Debug,
        options,
        io::stdout().as_fd().try_clone_to_owned()?,
    )?;
    let app = logs.pipe(Source::AppStdout).as_raw_fd();
    let access = logs.pipe(Source::NginxAccess).as_raw_fd();
    writeln!(io::stderr(), "{app} {access}")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    let summary = logs.finish(TIMEOUT);
    let delivered = summary.counters.sum(|tally| tally.delivered).lines;
    writeln!(io::stderr(), "{delivered} {}", summary.complete)
}
