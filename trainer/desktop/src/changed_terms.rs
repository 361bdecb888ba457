//! Terms that took the place of those a person agreed to: what differs, and what of it protects the data less.
//!
//! Threat (promise 7): members vote for terms that protect less, and a person who trains every day does not notice. The
//! trainer stops at the first look at other terms and says what differs; here it is kept until the person decides, over a
//! restart of the window, too. Deciding nothing is staying out.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most differences that are kept: there are some twenty parts of terms.
const DIFFERENCES_MAX: usize = 64;

/// Longest text of one side, in characters: what the trainer cuts it to.
const SIDE_CHARS_MAX: usize = 160;

/// How a difference bears on the data of who agreed to the terms before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bearing {
    /// It protects them less.
    Weaker,
    /// Something else changes: its owner has to judge.
    Other,
    /// It protects them more.
    Stronger,
}

impl Bearing {
    /// As the trainer writes it. A word that is not known is taken for the worst.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "stronger" => Self::Stronger,
            "other" => Self::Other,
            _ => Self::Weaker,
        }
    }
}

/// One part of the terms that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Which part, as the trainer calls it.
    pub part: String,
    /// What was agreed to.
    pub agreed: String,
    /// What is offered.
    pub offered: String,
    /// What that means for the data.
    pub bearing: Bearing,
}

/// Terms that are offered in the place of those agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedTerms {
    /// The digest of those agreed to.
    pub agreed: String,
    /// The digest of those offered: what a person would agree to.
    pub offered: String,
    /// Whether the person decided to stay out.
    pub declined: bool,
    /// What differs.
    pub differences: Vec<Difference>,
}

impl ChangedTerms {
    /// What the trainer's line `terms-changed` says; none if it names no terms.
    #[must_use]
    pub fn from_event(event: &Value) -> Option<Self> {
        let text = |value: &Value| -> String {
            value.as_str().unwrap_or_default().chars().take(SIDE_CHARS_MAX).collect()
        };
        let difference = |change: &Value| Difference {
            part: text(&change["part"]),
            agreed: text(&change["agreed"]),
            offered: text(&change["offered"]),
            bearing: Bearing::of(&text(&change["bearing"])),
        };
        let differences = event["changes"].as_array().into_iter().flatten();
        Some(Self {
            agreed: event["agreed"].as_str()?.to_owned(),
            offered: event["offered"].as_str()?.to_owned(),
            declined: false,
            differences: differences.take(DIFFERENCES_MAX).map(difference).collect(),
        })
    }

    /// Whether something protects the data less.
    #[must_use]
    pub fn weakens(&self) -> bool {
        self.of(Bearing::Weaker).next().is_some()
    }

    /// The differences of one kind.
    pub fn of(&self, bearing: Bearing) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |difference| difference.bearing == bearing)
    }

    /// Whether one of these parts differs.
    #[must_use]
    pub fn touches(&self, parts: &[&str]) -> bool {
        self.differences.iter().any(|difference| parts.contains(&difference.part.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_trainers_line_is_read_and_what_is_not_known_is_taken_for_the_worst() {
        let change = |bearing: &str| json!({"part": "rounds", "agreed": "5", "offered": "9", "bearing": bearing});
        let event = json!({"agreed": "aa", "offered": "bb", "changes": [change("stronger"), change("other"), change("new")]});
        let changed = ChangedTerms::from_event(&event).unwrap();
        let bearings: Vec<_> = changed.differences.iter().map(|one| one.bearing).collect();
        assert_eq!(bearings, [Bearing::Stronger, Bearing::Other, Bearing::Weaker]);
        assert!(changed.weakens() && changed.touches(&["rounds"]) && !changed.touches(&["noise"]));
        assert_eq!(ChangedTerms::from_event(&json!({"agreed": "aa"})), None);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let change = json!({"part": "p".repeat(9_999), "bearing": "weaker"});
        let event = json!({"agreed": "a", "offered": "b", "changes": vec![change; 9_999]});
        let changed = ChangedTerms::from_event(&event).unwrap();
        assert_eq!(changed.differences.len(), DIFFERENCES_MAX);
        assert_eq!(changed.differences[0].part.len(), SIDE_CHARS_MAX);
    }
}
