//! The audit: everything recomputed from the leaves alone.

use std::{collections::BTreeSet, fmt};

use privacy_identity::{Digest, Frontier, TreeHead};
use thiserror::Error;

use crate::{Entry, EntryError, Leaf, Refusal, State};

/// How a log differs from what it should be.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Difference {
    /// The leaf is not an entry in canonical form.
    #[error("the leaf is not an entry")]
    Leaf(#[source] EntryError),
    /// The entry claims what cannot be recomputed.
    #[error("the entry is refused")]
    Entry(#[source] Box<Refusal>),
    /// There are fewer or more leaves than the checkpoint says.
    #[error("the log has {got} leaves, the checkpoint says {expected}")]
    Size {
        /// Leaves of the checkpoint.
        expected: u64,
        /// Leaves found.
        got: u64,
    },
    /// The leaves lead to another root than the checkpoint's.
    #[error("the root of {size} leaves is {got}, the checkpoint says {expected}")]
    Root {
        /// How many leaves.
        size: u64,
        /// The checkpoint's root.
        expected: Digest,
        /// The root of the leaves.
        got: Digest,
    },
}

/// The first difference of a log, and where it is.
#[derive(Debug)]
pub struct AuditFailure {
    /// The entry, 0-based; absent if the log as a whole differs.
    pub index: Option<u64>,
    /// What differs.
    pub difference: Difference,
}

impl fmt::Display for AuditFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "the log differs at entry {index}"),
            None => f.write_str("the log differs from its checkpoint"),
        }
    }
}

impl std::error::Error for AuditFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.difference)
    }
}

/// What an audit found to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// How many entries.
    pub entries: u64,
    /// The root over them.
    pub root: Digest,
    /// Federations opened.
    pub federations: u64,
    /// Different members over all federations.
    pub members: u64,
    /// Rounds that ended with a model.
    pub rounds_settled: u64,
    /// Rounds that ended without.
    pub rounds_aborted: u64,
    /// Credits paid.
    pub credits_issued: u128,
    /// Transfers booked.
    pub transfers: u64,
    /// Proposals made.
    pub proposals: u64,
    /// Proposals executed.
    pub proposals_executed: u64,
    /// Ballots counted, each signature checked.
    pub ballots: u64,
    /// Predictions sold.
    pub predictions: u64,
    /// Money paid for them, in 10⁻⁴ of the currency's unit.
    pub revenue: u128,
    /// Federations whose validation set should have been shown by now and was not: their rounds and pay wait.
    pub reveals_overdue: u64,
}

/// A replay in progress: state and root, leaf by leaf. Of the tree it keeps the right edge alone.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    state: State,
    tree: Frontier,
}

impl Replay {
    /// Takes the next leaf.
    ///
    /// # Errors
    /// [`AuditFailure`] with this leaf's index; the replay is unchanged.
    pub fn push(&mut self, leaf: &[u8]) -> Result<Entry, AuditFailure> {
        let index = Some(self.tree.size());
        let leaf = Leaf::read(leaf.to_vec())
            .map_err(|error| AuditFailure { index, difference: Difference::Leaf(error) })?;
        self.push_leaf(&leaf)?;
        Ok(leaf.into_parts().0)
    }

    /// Takes the next leaf, which was read elsewhere.
    ///
    /// # Errors
    /// [`AuditFailure`] with this leaf's index; the replay is unchanged.
    pub fn push_leaf(&mut self, leaf: &Leaf) -> Result<(), AuditFailure> {
        let index = Some(self.tree.size());
        self.state.apply_leaf(leaf).map_err(|refusal| AuditFailure {
            index,
            difference: Difference::Entry(Box::new(refusal)),
        })?;
        self.tree.push_hash(leaf.hash());
        Ok(())
    }

    /// Checks that the leaves so far are those of `expected`.
    ///
    /// # Errors
    /// [`Difference::Size`] or [`Difference::Root`].
    pub fn check(&self, expected: &TreeHead) -> Result<(), AuditFailure> {
        let (size, root) = (self.tree.size(), self.tree.root());
        let difference = if expected.size != size {
            Difference::Size { expected: expected.size, got: size }
        } else if expected.root != root {
            Difference::Root { size, expected: expected.root, got: root }
        } else {
            return Ok(());
        };
        Err(AuditFailure { index: None, difference })
    }

    /// The state so far.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The right edge of the tree so far.
    #[must_use]
    pub const fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// State and right edge of the tree.
    #[must_use]
    pub fn into_parts(self) -> (State, Frontier) {
        (self.state, self.tree)
    }

    /// What the leaves so far amount to.
    #[must_use]
    pub fn report(&self) -> AuditReport {
        let (state, counts) = (&self.state, self.state.counts());
        let members: BTreeSet<_> =
            state.federations().values().flat_map(|f| f.members().keys()).collect();
        AuditReport {
            entries: self.tree.size(),
            root: self.tree.root(),
            federations: count(state.federations().len()),
            members: count(members.len()),
            rounds_settled: counts.rounds_settled,
            rounds_aborted: counts.rounds_aborted,
            credits_issued: counts.credits_issued,
            transfers: state.accounts().transfer_count(),
            proposals: counts.proposals,
            proposals_executed: counts.proposals_executed,
            ballots: counts.ballots,
            predictions: counts.predictions,
            revenue: counts.revenue,
            reveals_overdue: count(
                state.federations().values().filter(|f| f.is_reveal_overdue()).count(),
            ),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits 64 bits")
}

/// Recomputes a log from its leaves.
///
/// * `expected` — the checkpoint that the leaves have to lead to, if there is one.
///
/// # Errors
/// [`AuditFailure`]: the first difference.
pub fn audit<L: AsRef<[u8]>>(
    leaves: impl IntoIterator<Item = L>,
    expected: Option<&TreeHead>,
) -> Result<AuditReport, AuditFailure> {
    let mut replay = Replay::default();
    for leaf in leaves {
        replay.push(leaf.as_ref())?;
    }
    if let Some(expected) = expected {
        replay.check(expected)?;
    }
    Ok(replay.report())
}
