//! Figures and texts in little room. Pure.

/// Bytes in at most four characters and a unit: `31M`, `1.2G`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    match mebibytes {
        ..0.95 => format!("{}K", bytes >> 10),
        ..1000.0 => format!("{mebibytes:.0}M"),
        _ => format!("{:.1}G", mebibytes / 1024.0),
    }
}

/// Whole seconds in at most five characters: `7 s`, `12 m`, `3 h`.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..600 => format!("{seconds} s"),
        600..36_000 => format!("{} m", seconds / 60),
        36_000..864_000 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A time in seconds as people read latencies: `3 ms`, `1.25 s`.
pub(crate) fn latency(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

/// At most `width` characters; what is too long loses its middle, because both ends of a path tell most.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let begin: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(length - tail).collect();
    if width == 0 {
        String::new()
    } else {
        format!("{begin}…{end}")
    }
}

/// At most `width` characters of the beginning.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(width.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// `1 request`, `2 requests`.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The time of day of a time in RFC 3339.
pub(crate) fn time_of_day(ts: &str) -> &str {
    ts.get(11..19).unwrap_or(ts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_little_room() {
        assert_eq!(
            [bytes(512 << 10), bytes(31 << 20), bytes(1500 << 20)],
            ["512K", "31M", "1.5G"]
        );
        assert_eq!(
            [age(7), age(720), age(40_000), age(900_000)],
            ["7 s", "12 m", "11 h", "10 d"]
        );
        assert_eq!([latency(0.0031), latency(1.25)], ["3 ms", "1.2 s"]);
        assert_eq!(
            [count(1, "request"), count(0, "request")],
            ["1 request", "0 requests"]
        );
        assert_eq!(time_of_day("2026-11-27T09:08:07.1Z"), "09:08:07");
        assert_eq!(time_of_day("short"), "short");
    }

    #[test]
    fn what_is_too_long_keeps_its_ends() {
        assert_eq!(fit("/users/4711/orders", 40), "/users/4711/orders");
        assert_eq!(fit("/users/4711/orders", 9), "/use…ders");
        assert_eq!((fit("abc", 1).as_str(), fit("abc", 0).as_str()), ("…", ""));
        assert_eq!(cut("äöü§", 3), "äö…");
    }
}
