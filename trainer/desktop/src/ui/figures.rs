//! Figures, as people write them.

/// Bytes.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..=1_023 => format!("{bytes} B"),
        1_024..=1_048_575 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Seconds.
pub(super) fn span(seconds: f64) -> String {
    let minutes = seconds / 60.0;
    if seconds < 90.0 {
        format!("{seconds:.0} s")
    } else if minutes < 90.0 {
        format!("{minutes:.0} min")
    } else {
        format!("{:.1} h", minutes / 60.0)
    }
}

/// A time in milliseconds since 1970, in Coordinated Universal Time.
///
/// Source: Hinnant 2014, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub(super) fn time(time_ms: u64) -> String {
    let seconds = time_ms / 1_000;
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// A value in units of the loss, with its sign.
pub(super) fn value(value: f64) -> String {
    format!("{value:+.5}")
}

/// A number with at most four digits after the point, or with an exponent.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (0.01..1e6).contains(&size) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{value:.3e}"),
    }
}

/// The first digits of a key or digest.
pub(super) fn short(text: &str) -> String {
    text.chars().take(12).collect()
}

/// The last digits of a peer's name: all of them begin alike.
pub(super) fn end(text: &str) -> &str {
    let begin = text.char_indices().rev().nth(7).map_or(0, |(index, _)| index);
    &text[begin..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_write_them() {
        assert_eq!(
            (bytes(12), bytes(2_048), bytes(3 << 20)),
            ("12 B".into(), "2.0 KiB".into(), "3.0 MiB".into())
        );
        assert_eq!(
            (span(12.0), span(600.0), span(7_200.0)),
            ("12 s".into(), "10 min".into(), "2.0 h".into())
        );
        assert_eq!((number(1.5), number(0.001)), ("1.5".into(), "1.000e-3".into()));
        assert_eq!((value(0.25), value(-0.5)), ("+0.25000".into(), "-0.50000".into()));
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        // `date -u -d @951782399` and one second later.
        assert_eq!(time(951_782_399_000), "2000-02-28 23:59:59");
        assert_eq!(time(951_782_400_999), "2000-02-29 00:00:00");
        assert_eq!(time(4_107_542_400_000), "2100-03-01 00:00:00");
    }
}
