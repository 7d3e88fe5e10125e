//! RFC 3339 time stamps. The part up to the second is kept, so most cost only six digits. Pure.

use std::io::Write;

/// The last second that is shown, in the year 9999: later years would not fit the text.
const LAST_SECOND: u64 = 253_402_207_199;

const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// A time stamp as text, `2026-11-23T22:28:01.123456Z`; cheap to change within a second.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    micros: u64,
    second: u64,
    day: u32,
    text: [u8; Self::LEN],
}

impl Stamp {
    /// Length of the text in bytes.
    pub(crate) const LEN: usize = 27;

    /// The first moment of 1970.
    pub(crate) fn new() -> Self {
        Self {
            micros: 0,
            second: 0,
            day: 0,
            text: *b"1970-01-01T00:00:00.000000Z",
        }
    }

    /// Changes to `micros` microseconds after 1970, UTC. After the year 9999 the date does not change.
    pub(crate) fn set(&mut self, micros: u64) {
        if micros == self.micros {
            return;
        }
        self.micros = micros;
        let second = (micros / 1_000_000).min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.day = u32::try_from(second / SECONDS_OF_A_DAY).unwrap_or_default();
            self.write_second();
        }
        let mut rest = micros % 1_000_000;
        for digit in self.text[20..26].iter_mut().rev() {
            *digit = DIGITS[(rest % 10) as usize];
            rest /= 10;
        }
    }

    fn write_second(&mut self) {
        let second = i64::try_from(self.second).unwrap_or_default();
        if let Ok(time) = jiff::Timestamp::from_second(second) {
            // 20 bytes; the last, `Z`, becomes the point before the fraction. The slice is as long as
            // the text, so the write cannot fail.
            let _ = write!(&mut self.text[..20], "{time}");
            self.text[19] = b'.';
        }
    }

    /// With microseconds, as in JSON.
    pub(crate) fn micros(&self) -> &[u8] {
        &self.text
    }

    /// The time of the day up to the milliseconds, as in text.
    pub(crate) fn clock(&self) -> &[u8] {
        &self.text[11..23]
    }

    /// The number of the day, from 1970-01-01 on.
    pub(crate) fn day(&self) -> u32 {
        self.day
    }

    /// The date of such a day, `2026-11-23`.
    pub(crate) fn date(day: u32) -> String {
        let mut stamp = Self::new();
        stamp.set(u64::from(day) * SECONDS_OF_A_DAY * 1_000_000);
        String::from_utf8_lossy(&stamp.text[..10]).into_owned()
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new()
    }
}

const DIGITS: [u8; 10] = *b"0123456789";

#[cfg(test)]
mod tests {
    use super::Stamp;

    #[track_caller]
    fn check(micros: u64, expected: &str) {
        let mut stamp = Stamp::new();
        stamp.set(micros);
        assert_eq!(std::str::from_utf8(stamp.micros()).unwrap(), expected);
        // The previous value makes no difference.
        stamp.set(1_732_486_400_999_999);
        stamp.set(micros);
        assert_eq!(std::str::from_utf8(stamp.micros()).unwrap(), expected);
    }

    #[test]
    fn known_moments() {
        check(0, "1970-01-01T00:00:00.000000Z");
        check(1, "1970-01-01T00:00:00.000001Z");
        check(951_827_696_789_000, "2000-02-29T12:34:56.789000Z");
        check(1_732_486_400_123_456, "2024-11-24T22:13:20.123456Z");
        check(1_732_486_400_123_457, "2024-11-24T22:13:20.123457Z");
    }

    #[test]
    fn days_have_numbers() {
        let mut stamp = Stamp::new();
        for (micros, day, date, clock) in [
            (86_399_999_999, 0, "1970-01-01", "23:59:59.999"),
            (86_400_000_000, 1, "1970-01-02", "00:00:00.000"),
            (1_732_486_400_123_456, 20_051, "2024-11-24", "22:13:20.123"),
        ] {
            stamp.set(micros);
            assert_eq!((stamp.day(), Stamp::date(day).as_str()), (day, date));
            assert_eq!(stamp.clock(), clock.as_bytes());
        }
    }

    #[test]
    fn the_end_of_time_is_still_a_timestamp() {
        let mut stamp = Stamp::new();
        stamp.set(u64::MAX);
        assert!(stamp.micros().starts_with(b"9999-12-30T"));
        assert_eq!(stamp.micros().len(), Stamp::LEN);
    }
}
