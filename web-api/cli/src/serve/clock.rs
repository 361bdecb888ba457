//! Whether the node's clock may be believed when it starts.
//!
//! The store refuses a clock that is further ahead of the ledger than [`CLOCK_LEAP_MS_MAX`]; a node that was switched off for so
//! long has such a clock, too, and it is right. The difference is a person with a calendar: `--today DATE`. A date that stays in the
//! command line afterwards does no harm, as it confirms no other day.

use std::{fmt, str::FromStr};

use anyhow::bail;
use data_dao_store::{CLOCK_LEAP_MS_MAX, Store};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A day of the calendar in UTC, as days since 1 January 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(u64);

impl Day {
    /// The day of a moment.
    ///
    /// * `ms` — milliseconds since 1970.
    #[must_use]
    pub const fn of(ms: u64) -> Self {
        Self(ms / DAY_MS)
    }

    /// Year, month and day. Source: Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`, for days
    /// that are not negative.
    const fn civil(self) -> (u64, u64, u64) {
        let shifted = self.0 + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        (year_of_era + era * 400 + (month <= 2) as u64, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no day such as 2026-11-24");
        let parts: Vec<u64> = text.split('-').map_while(|part| part.parse().ok()).collect();
        let &[year @ 1970..=9999, month @ 1..=12, day @ 1..=31] = parts.as_slice() else {
            return Err(wrong());
        };
        // The day before which so many years and months are over at most, and then a search that ends within the year.
        let from = (year - 1970) * 365 + (month - 1) * 28;
        let found = (from..from + 800).map(Self).find(|found| found.civil() == (year, month, day));
        found.filter(|found| found.to_string() == text).ok_or_else(wrong)
    }
}

/// Believes the clock, if it is not too far ahead of the ledger or a person says that it is right.
///
/// * `now_ms` — what the clock says, in milliseconds since 1970.
/// * `today` — what the calendar says. A day before and after it are as good, for time zones.
///
/// # Errors
/// A clock that is too far ahead, and nobody or another day to confirm it: what is to be done stands in the text.
pub(super) fn agree_on_time(store: &Store, now_ms: u64, today: Option<Day>) -> anyhow::Result<()> {
    let Err(ahead) = store.check_clock(now_ms) else { return Ok(()) };
    let clock = Day::of(now_ms);
    match today {
        Some(today) if today.0.abs_diff(clock.0) <= 1 => {
            store.confirm_clock(now_ms);
            Ok(())
        }
        Some(today) => bail!("the clock says {clock}, and today is {today}: set the clock"),
        None => {
            let last = Day::of(store.view(data_dao_journal::State::time_ms));
            let days = CLOCK_LEAP_MS_MAX / DAY_MS;
            bail!(
                "{ahead}: it says {clock}, the last entry is of {last}, and everything that falls due in between would happen \
                 at once; after a pause of more than {days} days start the node with --today and the date of a calendar"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use data_dao_governance::CharterParameters;
    use data_dao_journal::{BoundsKind, Genesis, NamesKind, Rules};
    use privacy_identity::SigningKey;

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2000-02-29", 11_016),
            ("2026-11-24", 20_781),
            ("2100-02-28", 47_540),
        ] {
            assert_eq!((day(text), Day(days).to_string().as_str()), (Day(days), text));
        }
        for days in 0..90_000 {
            assert_eq!(day(&Day(days).to_string()), Day(days));
        }
        for text in [
            "",
            "today",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-11-24-",
            "1969-12-31",
            "+2026-11-24",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_clock_that_is_far_ahead_is_believed_on_the_day_that_a_person_says() {
        let (dir, node) = (tempfile::tempdir().unwrap(), SigningKey::from_seed(&[7; 32]));
        let store = Store::open(dir.path(), &node, "clock.example/ledger").await.unwrap();
        let start_ms = 20_781 * DAY_MS;
        agree_on_time(&store, start_ms, None).unwrap();
        let genesis = Genesis {
            names: NamesKind::Salted,
            rules: Rules::NEWEST,
            dao_name: "Growers".into(),
            bounds: BoundsKind::Standard,
            charter: CharterParameters::STANDARD,
            currency: "EUR".parse().unwrap(),
            treasury_percent: 10,
            operator: node.verifying_key(),
            dao_node: node.verifying_key(),
            aggregators: vec![],
        };
        store.append(start_ms, vec![genesis.into()]).await.unwrap();
        store.close().await;
        drop(store);
        // A month off, and years.
        let store = Store::open(dir.path(), &node, "clock.example/ledger").await.unwrap();
        agree_on_time(&store, start_ms + CLOCK_LEAP_MS_MAX, None).unwrap();
        let later_ms = start_ms + 4 * 365 * DAY_MS;
        let told = agree_on_time(&store, later_ms, None).unwrap_err().to_string();
        for part in ["set the clock", "it says 2030-11-23", "of 2026-11-24", "--today"] {
            assert!(told.contains(part), "{part} is not in: {told}");
        }
        let told = agree_on_time(&store, later_ms, Some(day("2026-12-01"))).unwrap_err();
        let expected = "the clock says 2030-11-23, and today is 2026-12-01: set the clock";
        assert_eq!(told.to_string(), expected);
        assert!(store.append(later_ms, vec![]).await.is_err(), "nothing was confirmed");
        agree_on_time(&store, later_ms, Some(day("2030-11-24"))).unwrap();
        store.append(later_ms, vec![]).await.unwrap();
    }
}
