//! An explanation in words: sentences for people, names for programs.

use std::fmt;

use super::{Beside, Explanation, IntervalFrom, Moved, Reason};
use crate::Interval;

impl Explanation {
    /// One or two sentences for the contributor.
    ///
    /// * `unit` — validation loss per unit of a scalar, as the federation's terms say it.
    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    #[must_use]
    pub fn sentence(&self, unit: f64) -> String {
        let rounds =
            if self.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", self.rounds) };
        let (sum, now) = (self.value_sum as f64 * unit, loss(self.value as f64 * unit));
        let aged = match self.staleness {
            0 => String::new(),
            1 => "; trained from the model before the newest, it counts less".to_owned(),
            many => format!("; trained from a model {many} versions old, it counts less"),
        };
        let so_far =
            format!("in {rounds} it {} (value in this one: {now}{aged})", effect_on_loss(sum));
        let as_one = match self.paid_as_one_of {
            0 | 1 => String::new(),
            many => format!(
                " Its values are those of {} more, round for round: the {many} are paid as one.",
                many - 1
            ),
        };
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        match self.reason {
            Reason::Paid => format!(
                "Paid {} credits: {so_far}, {} of what counts in the cohort.{as_one}",
                self.credits,
                percent(self.share)
            ),
            Reason::BelowOneCredit => format!(
                "No credit in this round: {so_far}, but {} of its budget is less than one credit.{as_one}",
                percent(self.share)
            ),
            Reason::NoEffect => {
                format!(
                    "No credit: in {rounds} its updates changed nothing that the validation set shows."
                )
            }
            Reason::NotNovel => format!(
                "No credit: in its updates is too little that the validation set shows and that was not public before: \
                 {} of what the cohort's median has, {} is needed.",
                self.novelty.map_or_else(|| "none".to_owned(), percent),
                percent(self.novelty_needed)
            ),
            Reason::NotAboveZero => format!(
                "No credit: {so_far}, and what is not above zero earns nothing. Later rounds can make up for it."
            ),
            Reason::Voided => "No credit: the members upheld an objection to this pay, and the round does not count \
                 for it later either."
                .to_owned(),
        }
    }

    /// What the interval says, for people; none if there is no interval from shards of the validation set.
    ///
    /// * `unit` — as for [`Explanation::sentence`].
    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    #[must_use]
    pub fn interval_sentence(&self, unit: f64) -> Option<String> {
        let Interval { low, high, .. } =
            self.interval.filter(|_| self.interval_from == IntervalFrom::Shards)?;
        let zero = match self.beside_zero {
            Beside::Above => "more than nothing",
            Beside::Below => "less than nothing",
            Beside::Undecided | Beside::Unknown => "not told apart from nothing",
        };
        let median = match self.beside_median {
            Beside::Above => "more than the cohort's median",
            Beside::Below => "less than the cohort's median",
            Beside::Undecided => "not told apart from the cohort's median",
            Beside::Unknown => "not compared with the cohort's median",
        };
        let [low, high] = [low, high].map(|bound| loss(bound as f64 * unit));
        Some(format!(
            "As the validation set is a sample, its value so far lies between {low} and {high} (95 %): {zero}, {median}."
        ))
    }
}

/// What a value did, for people: it "took 0.0123 off the validation loss" or "added" as much to it.
#[must_use]
pub fn effect_on_loss(value: f64) -> String {
    if value < 0.0 {
        format!("added {} to the validation loss", loss(-value))
    } else {
        format!("took {} off the validation loss", loss(value))
    }
}

/// A loss with four digits that count.
fn loss(value: f64) -> String {
    if value.abs() >= 1e-3 || value == 0.0 { format!("{value:.4}") } else { format!("{value:.2e}") }
}

impl Reason {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::BelowOneCredit => "below-one-credit",
            Self::NoEffect => "no-effect",
            Self::NotNovel => "not-novel",
            Self::NotAboveZero => "not-above-zero",
            Self::Voided => "voided",
        }
    }

    /// A few words for a table.
    #[must_use]
    pub const fn in_short(self) -> &'static str {
        match self {
            Self::Paid => "paid by value",
            Self::BelowOneCredit => "below one credit",
            Self::NoEffect => "no effect",
            Self::NotNovel => "nothing new",
            Self::NotAboveZero => "value not above 0",
            Self::Voided => "voided by vote",
        }
    }
}

impl Moved {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstRound => "first-round",
            Self::Qualified => "qualified",
            Self::Disqualified => "disqualified",
            Self::Grouped => "grouped",
            Self::OwnValue => "own-value",
            Self::Others => "others",
            Self::Objection => "objection",
        }
    }
}

/// For people.
impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstRound => "its first round",
            Self::Qualified => "it has become novel enough",
            Self::Disqualified => "it is not novel enough any more",
            Self::Grouped => "with how many it is paid as one",
            Self::OwnValue => "its own value of this round",
            Self::Others => "the values of the others",
            Self::Objection => "an objection that the members upheld",
        })
    }
}
