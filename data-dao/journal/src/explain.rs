//! Why a contributor earned what it did in a round: for people, from the log alone.
//!
//! The pay rule works on integers and sums; whoever reads "0 credits" learns nothing from it. An
//! [`Explanation`] says which step of the rule decided, on which numbers, and what changed since the
//! contributor's round before. It is no part of the ledger's state: it is recomputed from settlements.

mod course;
mod words;

use std::collections::BTreeMap;

use privacy_identity::{Digest, VerifyingKey};

pub use course::{Course, Explained, ExplainedStep};
pub use words::effect_on_loss;

use crate::{
    Contrasts, Interval, Pay, RoundSettled, Standing,
    duplicates::{duplicate_groups, group_sizes},
    pay,
};

/// How contributions are measured, for people.
pub const VALUE_METHOD: &str = "sealed linear probe (Aumann–Shapley value of the round)";

/// What a contributor earned in a round, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The round.
    pub round: u64,
    /// How many rounds were settled since the model from which the round's members trained, where they train at their own
    /// pace: its sum counts less for it, and so does its value. 0: it was the newest.
    pub staleness: usize,
    /// The opened value scalar of this round, in units of the federation's terms.
    pub value: i64,
    /// The opened innovation scalar of this round.
    pub innovation: i64,
    /// Rounds in which the contributor took part, this one included.
    pub rounds: u64,
    /// The sum of its values: what it is paid by.
    pub value_sum: i128,
    /// Between what bounds that lies with 95 % confidence ([`Standing::interval`]).
    pub interval: Option<Interval>,
    /// Whether that interval is from shards of the validation set, or from the spread of rounds.
    pub interval_from: IntervalFrom,
    /// Whether the sum differs from zero, by that interval.
    pub beside_zero: Beside,
    /// Whether it differs from the lower median of the cohort's sums; by the interval of the difference.
    pub beside_median: Beside,
    /// How many of its rounds had a value below zero.
    pub rounds_below_zero: usize,
    /// The root mean square of its innovation over that of the cohort's lower median; none where that
    /// is 0.
    pub novelty: Option<f64>,
    /// What qualifies for pay, on the same scale.
    pub novelty_needed: f64,
    /// With how many it is paid as one, itself included.
    pub paid_as_one_of: u128,
    /// Its part of all scores of the round, 0 to 1.
    pub share: f64,
    /// Credits of this round.
    pub credits: u128,
    /// Which step of the pay rule decided.
    pub reason: Reason,
    /// What changed most since its round before.
    pub moved: Moved,
}

/// Which step of the pay rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It scored and is paid its share.
    Paid,
    /// It scored; its share of the budget is below a credit, and others' remainders were larger.
    BelowOneCredit,
    /// Its updates have no component along the probes.
    NoEffect,
    /// Its updates hold too little that the validation set shows and that was not public before: replays, mixtures
    /// of public updates, and noise.
    NotNovel,
    /// Its value so far is not above zero.
    NotAboveZero,
    /// The members upheld an objection to its pay of this round.
    Voided,
}

/// What an interval says of a value beside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// It is above, with 97.5 % confidence.
    Above,
    /// It is below, with 97.5 % confidence.
    Below,
    /// The interval has both.
    Undecided,
    /// There is no interval.
    Unknown,
}

/// What an interval rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalFrom {
    /// Contrasts of shards of the validation set.
    Shards,
    /// The spread of the member's rounds.
    Rounds,
}

impl Beside {
    /// Of a difference with this half-width of its interval.
    fn of(difference: i128, half: Option<i128>) -> Self {
        match half {
            None => Self::Unknown,
            Some(half) if difference > half => Self::Above,
            Some(half) if difference < -half => Self::Below,
            Some(_) => Self::Undecided,
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Undecided => "undecided",
            Self::Unknown => "unknown",
        }
    }
}

impl IntervalFrom {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shards => "validation-shards",
            Self::Rounds => "rounds",
        }
    }
}

/// What changed most since a contributor's round before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// There is none before.
    FirstRound,
    /// It has become novel enough.
    Qualified,
    /// It is not novel enough any more.
    Disqualified,
    /// It is paid as one with more or fewer than before.
    Grouped,
    /// Its own value of this round.
    OwnValue,
    /// The values of the others.
    Others,
    /// An objection to its pay.
    Objection,
}

/// Explains settlements, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Explainer {
    novelty_percent: u32,
    before: BTreeMap<VerifyingKey, Before>,
    /// What each round's participants were measured at, for objections that come after.
    settled: BTreeMap<u64, Vec<Pay>>,
    /// The models so far, the newest last; empty before the first settlement.
    models: Vec<Digest>,
}

/// A contributor at the end of its last round.
#[derive(Debug, Clone, Default)]
struct Before {
    standing: Standing,
    qualified: bool,
    paid_as_one_of: u128,
    score: f64,
    others: f64,
}

/// Everybody of one round, as the pay rule sees them.
struct Cohort<'a> {
    standings: Vec<&'a Standing>,
    scores: Vec<u128>,
    sizes: Vec<u128>,
    novelty_percent: u32,
}

impl Explainer {
    /// Nothing was settled yet.
    ///
    /// * `novelty_percent` — of the federation.
    #[must_use]
    pub const fn new(novelty_percent: u32) -> Self {
        Self {
            novelty_percent,
            before: BTreeMap::new(),
            settled: BTreeMap::new(),
            models: Vec::new(),
        }
    }

    /// Explains the next settlement, in its order.
    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    pub fn settle(&mut self, settled: &RoundSettled) -> Vec<(VerifyingKey, Explanation)> {
        let staleness = self.age_of(settled);
        let standing = |p: &crate::Participation| {
            let before = self.before.get(&p.member).map(|before| before.standing.clone());
            let after = before.unwrap_or_default().after_round(p.value, p.innovation, p.credits);
            after.with_contrast(settled.round, p.contrast)
        };
        let standings: Vec<Standing> = settled.participants.iter().map(standing).collect();
        let cohort = Cohort::new(standings.iter().collect(), self.novelty_percent);
        let all: f64 = cohort.scores.iter().map(|score| *score as f64).sum();
        let explained = settled.participants.iter().enumerate().map(|(place, participation)| {
            let before = self.before.get(&participation.member);
            let round = (settled.round, staleness);
            let explanation = cohort.explain(place, round, participation, before);
            let after = Before {
                standing: standings[place].clone(),
                qualified: cohort.qualifies(place),
                paid_as_one_of: explanation.paid_as_one_of,
                score: cohort.scores[place] as f64,
                others: all - cohort.scores[place] as f64,
            };
            (participation.member, explanation, after)
        });
        let explained: Vec<_> = explained.collect();
        let keep = |(member, explanation, after)| {
            self.before.insert(member, after);
            (member, explanation)
        };
        let explained = explained.into_iter().map(keep).collect();
        let pay = |p: &crate::Participation| {
            let crate::Participation { member, value, innovation, contrast, credits, .. } = *p;
            Pay { member, credits, value, innovation, contrast }
        };
        self.settled.insert(settled.round, settled.participants.iter().map(pay).collect());
        explained
    }
}

impl Explainer {
    /// How many rounds were settled since the model from which this one starts; notes the one to which it leads.
    fn age_of(&mut self, settled: &RoundSettled) -> usize {
        if self.models.is_empty() {
            self.models.push(settled.model_before);
        }
        let place = self.models.iter().rposition(|model| *model == settled.model_before);
        let age = place.map_or(0, |place| self.models.len() - 1 - place);
        self.models.push(settled.model_after);
        age
    }
}

impl<'a> Cohort<'a> {
    fn new(standings: Vec<&'a Standing>, novelty_percent: u32) -> Self {
        let scores = pay::scores(&standings, novelty_percent);
        let scoring: Vec<usize> = (0..scores.len()).filter(|place| scores[*place] > 0).collect();
        let of: Vec<&Standing> = scoring.iter().map(|place| standings[*place]).collect();
        let mut sizes = vec![1; scores.len()];
        for (place, size) in scoring.into_iter().zip(group_sizes(&duplicate_groups(&of))) {
            sizes[place] = size;
        }
        Self { standings, scores, sizes, novelty_percent }
    }

    fn qualifies(&self, place: usize) -> bool {
        pay::lower_median(&self.standings).is_some_and(|median| {
            pay::qualifies(self.standings[place], median, self.novelty_percent)
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    fn explain(
        &self,
        place: usize,
        (round, staleness): (u64, usize),
        participation: &crate::Participation,
        before: Option<&Before>,
    ) -> Explanation {
        let standing = self.standings[place];
        let all: f64 = self.scores.iter().map(|score| *score as f64).sum();
        let score = self.scores[place] as f64;
        let share = if all > 0.0 { score / all } else { 0.0 };
        let median = pay::lower_median(&self.standings).map_or(0.0, root_mean_square);
        let own = root_mean_square(standing);
        let interval = standing.interval();
        let half = interval.map(|interval| interval.high - interval.value);
        Explanation {
            round,
            staleness,
            value: participation.value,
            innovation: participation.innovation,
            rounds: standing.rounds(),
            value_sum: standing.value_sum(),
            interval,
            interval_from: match standing.contrasts() {
                Some(_) => IntervalFrom::Shards,
                None => IntervalFrom::Rounds,
            },
            beside_zero: Beside::of(standing.value_sum(), half),
            beside_median: self.beside_median(standing),
            rounds_below_zero: standing.rounds_below_zero(),
            novelty: (median > 0.0).then(|| own / median),
            novelty_needed: f64::from(self.novelty_percent.min(pay::NOVELTY_PERCENT_MAX)) / 100.0,
            paid_as_one_of: self.sizes[place],
            share,
            credits: participation.credits,
            reason: self.reason(place, participation.credits),
            moved: self.moved(place, before),
        }
    }

    /// Threat: taking two overlapping intervals for equality, or two that do not touch for the only difference. The errors of two
    /// members' values are those of the same rows, so that the contrast of the difference is what counts.
    fn beside_median(&self, standing: &Standing) -> Beside {
        let mut sorted = self.standings.clone();
        sorted.sort_by_key(|standing| standing.value_sum());
        let median = sorted.len().checked_sub(1).and_then(|last| sorted.get(last / 2));
        let Some(median) = median else { return Beside::Unknown };
        let contrasts = standing.contrasts().zip(median.contrasts());
        let half = contrasts.and_then(|(own, median)| Contrasts::half_width(&own.minus(median)));
        Beside::of(standing.value_sum() - median.value_sum(), half)
    }

    fn reason(&self, place: usize, credits: u128) -> Reason {
        let standing = self.standings[place];
        if credits > 0 {
            Reason::Paid
        } else if self.scores[place] > 0 {
            Reason::BelowOneCredit
        } else if standing.value_sum() == 0 && standing.innovation_squares() == 0 {
            Reason::NoEffect
        } else if self.qualifies(place) {
            Reason::NotAboveZero
        } else {
            Reason::NotNovel
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    fn moved(&self, place: usize, before: Option<&Before>) -> Moved {
        let score = self.scores[place] as f64;
        let Some(before) = before else { return Moved::FirstRound };
        match (before.qualified, self.qualifies(place)) {
            (false, true) => return Moved::Qualified,
            (true, false) => return Moved::Disqualified,
            _ if before.paid_as_one_of != self.sizes[place] => return Moved::Grouped,
            _ => {}
        }
        let others: f64 = self.scores.iter().map(|score| *score as f64).sum::<f64>() - score;
        // By which factor its own score grew, and that of the others together; from or to nothing is
        // further than any factor.
        let change = |from: f64, to: f64| match (from > 0.0, to > 0.0) {
            (true, true) => (to / from).ln().abs(),
            (false, false) => 0.0,
            _ => f64::INFINITY,
        };
        if change(before.score, score) >= change(before.others, others) {
            Moved::OwnValue
        } else {
            Moved::Others
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
fn root_mean_square(standing: &Standing) -> f64 {
    (standing.innovation_squares() as f64 / standing.rounds().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests;
