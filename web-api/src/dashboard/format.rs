//! Amounts, times, keys and digests as people read them.

use data_dao_governance::Licence;
use maud::{Markup, html};
use privacy_identity::VerifyingKey;

use super::reading::Reading;
use crate::licence::link;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Between groups of three digits, and before units: narrow, and no place to break a line.
const THIN: char = '\u{202f}';
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A whole number in groups of three digits: `1 000 000`.
pub(super) fn grouped(number: impl Into<u128>) -> String {
    let digits = number.into().to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// The length of a list, in groups of three digits.
pub(super) fn counted(length: usize) -> String {
    grouped(crate::amount::count(length))
}

/// `1 round`, `2 rounds`.
pub(super) fn plural(number: impl Into<u128>, one: &str, many: &str) -> String {
    let number = number.into();
    format!("{}\u{a0}{}", grouped(number), if number == 1 { one } else { many })
}

/// Millionths as per cent: `71.0 %`.
pub(super) fn percent(ppm: u32) -> String {
    format!("{:.1}{THIN}%", f64::from(ppm) / 1e4)
}

/// As [`percent`], or a dash.
pub(super) fn percent_or_dash(ppm: Option<u32>) -> String {
    ppm.map_or_else(|| "–".to_owned(), percent)
}

/// An amount in 10⁻⁴ of the currency's unit: two to four places.
pub(super) fn money(amount: u128, currency: &str) -> String {
    let places = format!("{:04}", amount % 10_000);
    let places = places.trim_end_matches('0');
    format!("{}.{places:0<2}\u{a0}{currency}", grouped(amount / 10_000))
}

/// A licence by its name, with a link to its text if that is one.
pub(super) fn licence(licence: &Licence) -> Markup {
    match link(licence) {
        Some(link) => html! { a href=(link) rel="license noopener" { (licence.name()) } },
        None => html! { (licence.name()) },
    }
}

/// A measured value in units of loss, with its sign: `+0.0876`.
pub(super) fn signed(value: f64) -> String {
    if value.abs() < 5e-5 {
        return "0.0000".to_owned();
    }
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{:.4}", value.abs())
}

/// A number of bytes.
pub(super) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let kilo = count as f64 / 1e3;
    match count {
        0..1_000 => format!("{count}{THIN}B"),
        1_000..1_000_000 => format!("{kilo:.1}{THIN}kB"),
        _ => format!("{:.1}{THIN}MB", kilo / 1e3),
    }
}

/// How long, in the largest unit of which there is one.
pub(super) fn duration(ms: u64) -> String {
    let units =
        [(DAY_MS, "day", "days"), (3_600_000, "hour", "hours"), (60_000, "minute", "minutes")];
    for (unit, one, many) in units {
        if ms >= unit {
            let whole = ms.is_multiple_of(unit);
            let about = if whole { "" } else { "about " };
            return format!("{about}{}", plural((ms + unit / 2) / unit, one, many));
        }
    }
    if ms >= 1_000 && ms.is_multiple_of(1_000) {
        return plural(ms / 1_000, "second", "seconds");
    }
    format!("{}{THIN}ms", grouped(ms))
}

/// A moment of ledger time, in UTC.
pub(super) fn time(ms: u64) -> Markup {
    let (year, month, day) = civil_from_days(ms / DAY_MS);
    let seconds = ms % DAY_MS / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let name = MONTHS[month - 1];
    html! {
        time datetime=(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
            title="UTC" {
            (day) "\u{a0}" (name) "\u{a0}" (year) ", " (format!("{hour:02}:{minute:02}:{second:02}"))
        }
    }
}

/// The date so many days after 1 January 1970. Source: Howard Hinnant, "chrono-compatible low-level date
/// algorithms", `civil_from_days`, for days that are not negative.
fn civil_from_days(days: u64) -> (u64, usize, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, usize::try_from(month).expect("a month is at most 12"), day)
}

/// The beginning of a key or digest; all of it on demand.
pub(super) fn short(hex: &str) -> Markup {
    html! { code title=(hex) { (hex.get(..8).unwrap_or(hex)) "…" } }
}

/// What a member is called, in the DAO or else in a federation.
pub(super) fn label(ledger: &Reading<'_>, key: &VerifyingKey) -> String {
    let joined = ledger.membership(key).map(|member| ledger.name(key, &member.label));
    let admitted = || {
        let mut federations = ledger.federations().values();
        federations
            .find_map(|federation| Some(ledger.name(key, &federation.members().get(key)?.label)))
    };
    joined.or_else(admitted).unwrap_or_else(|| key.short())
}

/// A member with a link to its page.
pub(super) fn member(ledger: &Reading<'_>, key: &VerifyingKey) -> Markup {
    html! { a href={"/members/" (key)} { (label(ledger, key)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups() {
        let texts = [0_u64, 12, 999, 1_000, 15_000_000].map(|n| grouped(n).replace(THIN, "_"));
        assert_eq!(texts, ["0", "12", "999", "1_000", "15_000_000"]);
    }

    #[test]
    fn money_has_two_to_four_places() {
        assert_eq!(money(250, "EUR"), "0.025\u{a0}EUR");
        assert_eq!(money(200, "EUR"), "0.02\u{a0}EUR");
        assert_eq!(money(0, "EUR"), "0.00\u{a0}EUR");
        assert_eq!(money(1_230_005, "EUR"), "123.0005\u{a0}EUR");
    }

    #[test]
    fn signs_of_values_are_minus_signs() {
        assert_eq!(
            [signed(0.08756), signed(-0.5), signed(-1e-9)],
            ["+0.0876", "−0.5000", "0.0000"]
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let text = |ms| time(ms).into_string();
        assert!(text(0).contains("1970-01-01T00:00:00Z"));
        assert!(text(951_782_400_000).contains("2000-02-29T00:00:00Z"));
        assert!(text(1_795_433_221_912).contains("2026-11-23T11:27:01Z"));
        assert!(text(4_107_542_399_999).contains("2100-02-28T23:59:59Z"));
    }

    #[test]
    fn durations_have_the_largest_unit_that_fits() {
        let texts = [50, 2_000, 60_000, 5_400_000, 14 * DAY_MS].map(duration);
        let expected = [
            "50\u{202f}ms",
            "2\u{a0}seconds",
            "1\u{a0}minute",
            "about 2\u{a0}hours",
            "14\u{a0}days",
        ];
        assert_eq!(texts, expected);
    }
}
