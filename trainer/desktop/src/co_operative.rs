//! What the co-operative says of a member: credits, privacy, proposals.

use serde::Deserialize;

/// What the co-operative says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoOperative {
    /// The member's credits.
    pub account: Account,
    /// Round for round, oldest first.
    pub rounds: Vec<Earned>,
    /// The privacy limit in force, and what was spent.
    pub privacy: Privacy,
    /// Proposals, the newest first.
    pub proposals: Vec<Proposal>,
    /// Whose vote is entrusted to whom, now.
    pub delegations: Vec<Delegation>,
    /// Other members of the federation: key and name.
    pub others: Vec<(String, String)>,
}

/// A vote that is entrusted to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Delegation {
    /// Whose weight it is.
    pub delegator: String,
    /// Who votes with it.
    pub delegate: String,
    /// Until when, in milliseconds since 1970.
    pub until_ms: u64,
    /// The weight now.
    pub weight: String,
}

/// A member's account.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Final credits.
    pub credits: String,
    /// Credits of rounds whose pay can still be challenged.
    pub credits_pending: String,
    /// Money, in 10⁻⁴ of the currency's unit.
    pub earnings: String,
    /// The currency.
    pub currency: Option<String>,
}

/// What a round earned, and why.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Earned {
    /// The round.
    pub round: u64,
    /// Validation loss that the update took off.
    pub value: f64,
    /// Validation loss that all updates took off so far: what is paid by.
    pub value_so_far: f64,
    /// Its 95 % interval.
    pub value_low: Option<f64>,
    /// Its 95 % interval.
    pub value_high: Option<f64>,
    /// Credits of the round.
    pub credits: String,
    /// Why, in a sentence.
    pub sentence: String,
    /// The entry of the ledger that settled it.
    pub ledger_index: u64,
}

/// How much of the privacy budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Privacy {
    /// Spent ε, in millionths.
    pub spent_micro: Option<u64>,
    /// The limit, in millionths; none: no limit is set.
    pub limit_micro: Option<u64>,
}

impl Privacy {
    /// The part that is spent, 0 to 1; none without a limit.
    #[must_use]
    pub fn part(self) -> Option<f64> {
        let (spent, limit) = (self.spent_micro?, self.limit_micro?);
        (limit > 0).then(|| (spent as f64 / limit as f64).min(1.0))
    }
}

impl Privacy {
    /// What the co-operative's books say.
    ///
    /// * `accounts` — those whose names begin with `privacy/`.
    /// * `limit_micro` — the limit of the federation's policy.
    #[must_use]
    pub fn from_books(
        accounts: &serde_json::Value,
        federation: &str,
        limit_micro: Option<u64>,
    ) -> Self {
        let id = format!("privacy/spent/{federation}");
        let mut accounts = accounts["accounts"].as_array().into_iter().flatten();
        let account = accounts.find(|account| account["id"] == id.as_str());
        let spent = account.and_then(|account| account["balance"].as_str()?.parse().ok());
        // No account yet: no round has taken anything.
        Self { spent_micro: spent.or(limit_micro.map(|_| 0)), limit_micro }
    }

    /// How near the limit is.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self.part() {
            Some(part) if part >= 1.0 => Stage::Stopped,
            Some(part) if part >= NEARLY => Stage::Nearly,
            _ => Stage::Free,
        }
    }
}

/// From this part of a limit on people are told.
const NEARLY: f64 = 0.8;

/// How near a privacy limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Far, or there is none.
    Free,
    /// Four fifths are spent.
    Nearly,
    /// It is reached: no round starts.
    Stopped,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `active`, `queued`, …
    pub state: String,
    /// Votes are taken up to this time, in milliseconds since 1970.
    pub voting_ends_ms: u64,
    /// Weight for, against, abstaining.
    pub tally: [String; 3],
    /// How this member voted.
    pub own: Option<String>,
    /// Whether it touches what protects the data.
    pub touches_privacy: bool,
}

impl Proposal {
    /// Reads a proposal as the node shows it; none if it has no id.
    #[must_use]
    pub fn from_json(shown: &serde_json::Value, member: &str) -> Option<Self> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let own = shown["ballots"].as_array().into_iter().flatten();
        let mut own =
            own.filter(|ballot| ballot["voter"] == member).map(|ballot| text(&ballot["choice"]));
        let content = &shown["content"];
        Some(Self {
            id: shown["id"].as_str()?.to_owned(),
            title: text(&content["title"]),
            state: text(&shown["state"]),
            voting_ends_ms: shown["voting_ends_ms"].as_u64().unwrap_or_default(),
            tally: ["for", "against", "abstain"].map(|choice| text(&shown["tally"][choice])),
            own: own.next_back(),
            touches_privacy: content["actions"].to_string().contains("privacy"),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proposal_is_read_with_ones_own_vote() {
        let shown = json!({
            "id": "ab", "state": "active", "voting_ends_ms": 5,
            "content": {"title": "T", "actions": [{"set_privacy_policy": {}}]},
            "tally": {"for": "3", "against": "0", "abstain": "1", "voters": 2},
            "ballots": [{"voter": "me", "choice": "for"}, {"voter": "you", "choice": "against"}],
        });
        let proposal = Proposal::from_json(&shown, "me").unwrap();
        assert_eq!((proposal.own.as_deref(), proposal.touches_privacy), (Some("for"), true));
        assert_eq!(proposal.tally, ["3", "0", "1"]);
        assert_eq!(Proposal::from_json(&json!({}), "me"), None);
    }

    #[test]
    fn the_privacy_meter_reads_the_books_of_its_federation() {
        let account = |id: &str, balance: &str| json!({"id": id, "balance": balance});
        let accounts = json!({"accounts": [
            account("privacy/budget/wine", "1000000"), account("privacy/spent/wine", "3000000"),
        ]});
        let read = |federation, limit| Privacy::from_books(&accounts, federation, limit);
        let wine = read("wine", Some(4_000_000));
        assert_eq!((wine.spent_micro, wine.stage()), (Some(3_000_000), Stage::Free));
        assert_eq!(read("wine", None).part(), None);
        assert_eq!(read("wine-2", Some(7)).spent_micro, Some(0));
        assert_eq!(read("beer", None), Privacy::default());
        let stage = |spent| Privacy { spent_micro: Some(spent), limit_micro: Some(10) }.stage();
        assert_eq!(
            [7, 8, 10, 11].map(stage),
            [Stage::Free, Stage::Nearly, Stage::Stopped, Stage::Stopped]
        );
    }

    #[test]
    fn the_privacy_meter_has_a_part_only_with_a_limit() {
        let privacy = |spent_micro, limit_micro| Privacy { spent_micro, limit_micro };
        assert_eq!(privacy(Some(1), Some(4)).part(), Some(0.25));
        assert_eq!(privacy(Some(9), Some(4)).part(), Some(1.0));
        assert_eq!(privacy(Some(1), None).part(), None);
    }
}
