//! A settled round whose pay is not final yet.

use std::collections::BTreeMap;

use privacy_identity::{Digest, VerifyingKey};

use crate::Accused;

/// What a participant is to get of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pay {
    /// Who.
    pub member: VerifyingKey,
    /// Credits, and as many votes; may be none.
    pub credits: u128,
    /// The opened value scalar that counts for later rounds' pay.
    pub value: i64,
    /// The opened innovation scalar.
    pub innovation: i64,
    /// The opened contrast scalar, if the round has one.
    pub contrast: Option<i64>,
}

/// An objection that is before the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDispute {
    /// Who objected.
    pub complainant: VerifyingKey,
    /// The entry that says so.
    pub index: u64,
    /// Until when it holds the pay back, in ledger time.
    pub lapses_at_ms: u64,
}

/// The pay of a settled round while it can be challenged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub(crate) model_before: Digest,
    /// Those that were not voided, by their place: those above zero first, each in the order of keys.
    pub(crate) pays: BTreeMap<u32, Pay>,
    pub(crate) ends_at_ms: u64,
    pub(crate) disputes: BTreeMap<Accused, OpenDispute>,
}

impl Challenge {
    /// Until when an objection is taken, in ledger time.
    #[must_use]
    pub const fn ends_at_ms(&self) -> u64 {
        self.ends_at_ms
    }

    /// From when on the pay can be posted: when the window has ended and every objection lapsed.
    #[must_use]
    pub fn due_at_ms(&self) -> u64 {
        let lapses = self.disputes.values().map(|dispute| dispute.lapses_at_ms);
        lapses.fold(self.ends_at_ms, u64::max)
    }

    /// What is to be paid, to whom; those who get nothing last.
    pub fn pays(&self) -> impl Iterator<Item = &Pay> {
        self.pays.values()
    }

    /// Credits to be paid, together.
    #[must_use]
    pub fn credits(&self) -> u128 {
        // The ledger holds them all as pending, so that they fit 128 bits.
        self.pays.values().map(|pay| pay.credits).sum()
    }

    /// The objections, by whom they accuse.
    #[must_use]
    pub const fn disputes(&self) -> &BTreeMap<Accused, OpenDispute> {
        &self.disputes
    }
}
