//! One process as the kernel sees it (proc(5), `stat`).
#![forbid(unsafe_code)]

use std::time::Duration;

/// A line of /proc/PID/stat, as far as it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    /// The name of its main thread (`comm`).
    pub(crate) name: String,
    /// R, S, D, T, t, Z, X and others.
    pub(crate) state: char,
    pub(crate) parent: i32,
    /// CPU time, in user and in kernel mode.
    pub(crate) cpu: Duration,
    pub(crate) threads: u64,
    /// Memory that is present, shared pages included, in bytes (resident set size).
    pub(crate) rss: u64,
    /// When it was started, since the machine was.
    pub(crate) started: Duration,
    /// For a zombie: the signal that has ended it. None also where the kernel does not tell, which it does to those who may
    /// trace the process.
    pub(crate) killed_by: Option<i32>,
}

/// Reads it; none when there is no such process, or where /proc does not show it.
pub(crate) fn read(pid: i32) -> Option<ProcessStat> {
    let line = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&line))
}

/// The time since the machine was started, on the clock of [`ProcessStat::started`].
pub(crate) fn since_boot() -> Option<Duration> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).ok()?;
    Some(now.into())
}

/// Whether a process has ended; a zombie has.
pub(crate) fn has_ended(state: char) -> bool {
    matches!(state, 'Z' | 'X' | 'x')
}

pub(crate) fn parse(line: &str) -> Option<ProcessStat> {
    // The name may contain anything, also parentheses.
    let (head, rest) = line.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = fields.first()?.chars().next()?;
    // The field `exit_code`, in the form of wait(2): the low seven bits are the signal.
    let status: Option<i32> = fields.get(49).and_then(|field| field.parse().ok());
    let number = |place: usize| {
        fields
            .get(place)
            .and_then(|field| field.parse::<u64>().ok())
    };
    let (user, kernel) = (number(11)?, number(12)?);
    Some(ProcessStat {
        name: name.to_owned(),
        state,
        parent: fields.get(1)?.parse().ok()?,
        cpu: ticks(user.saturating_add(kernel)),
        threads: number(17)?,
        rss: number(21)?.saturating_mul(page_size()),
        started: ticks(number(19)?),
        killed_by: status
            .map(|status| status & 0x7f)
            .filter(|signal| *signal > 0 && has_ended(state)),
    })
}

fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.ok()
        .flatten()
        .and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

/// Clock ticks are hundredths of a second in all that the kernel tells (`USER_HZ`), whatever its own clock is.
fn ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_anything() {
        let (some, more) = ("0 ".repeat(8), "0 ".repeat(27));
        let line = format!("17 (a) Z 1 (b)) Z 4 17 {some}150 50 0 0 20 0 3 0 700 0 5 {more}9\n");
        let expected = ProcessStat {
            name: "a) Z 1 (b)".to_owned(),
            state: 'Z',
            parent: 4,
            cpu: Duration::from_secs(2),
            threads: 3,
            rss: 5 * page_size(),
            started: Duration::from_secs(7),
            killed_by: Some(9),
        };
        assert_eq!(parse(&line), Some(expected));
        assert_eq!(parse("17 (cut"), None);
    }

    #[test]
    fn the_signal_of_a_zombie_is_known() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert_eq!(read(pid).unwrap().parent, own);
        child.kill().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !has_ended(read(pid).unwrap().state) {
            assert!(std::time::Instant::now() < deadline, "it has not ended");
            std::thread::yield_now();
        }
        assert_eq!(read(pid).unwrap().killed_by, Some(9));
        child.wait().unwrap();
        assert_eq!(read(pid), None);
    }
}
