//! Figures as text. Pure.

/// Appends a number in decimal.
pub(super) fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789"[(number % 10) as usize];
        number /= 10;
        if number == 0 {
            return out.extend_from_slice(&digits[start..]);
        }
    }
}

/// Appends a duration in milliseconds for people: `3ms`, `1.25s`.
pub(super) fn duration(millis: u64, out: &mut Vec<u8>) {
    if millis < 1000 {
        decimal(millis, out);
        out.extend_from_slice(b"ms");
    } else {
        decimal(millis / 1000, out);
        let hundredths = millis % 1000 / 10;
        out.extend_from_slice(if hundredths < 10 { b".0" } else { b"." });
        decimal(hundredths, out);
        out.push(b's');
    }
}
