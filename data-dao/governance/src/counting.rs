//! By which rules a charter's demands are counted.
//!
//! Threat: a charter that closes its own door (the study of governance calls it parameter bricking). Every parameter may be within its
//! bounds, and still no proposal can pass any more: more voters are asked for than there are members with votes, more
//! weight to propose than any one member has, or a take-part that a handful who passed it never showed. Nothing but a
//! vote could undo it, and there is none.
//!
//! ```text
//!                          Fixed                     Reachable
//!  minimum_voters          any number                at most 100, and no more than there are members with weight
//!  proposal threshold      a part of all weight      the same, and at most what a member has on average
//!  a vote for more voters  by the present quorum     by the quorum that it asks for
//! ```
//! The least of standard bounds stays: never fewer than three voters, whoever is left. A DAO with fewer members with
//! weight than that decides nothing until somebody has earned credits again; that is the protection, not a fault of it.

use crate::{Action, Charter};

/// Most `minimum_voters` where demands are reachable. A number of people is a small DAO's safeguard; in a large one
/// `minimum_voters_per_mille` grows with the members (its standard of 10 asks for as many from 10 000 on).
pub const MINIMUM_VOTERS_MAX: u32 = 100;

/// How a charter's demands are counted. Which one is in force is part of the rules by which a log is read: an old log
/// replays as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counting {
    /// As the parameters say, whoever is there: the logs of before there was a choice.
    Fixed,
    /// Never more than those who are there can give.
    #[default]
    Reachable,
}

impl Charter {
    /// The charter under which a proposal with these actions is voted on: where demands are reachable, who asks for more
    /// voters or more weight in later votes has to show them in this one.
    #[must_use]
    pub(crate) fn raised_by(self, actions: &[Action]) -> Self {
        if self.counting() == Counting::Fixed {
            return self;
        }
        let (mut raised, mut next) = (self, self);
        for action in actions {
            if let Action::SetParameter { parameter, value } = action
                && let Ok(asked) = next.with(*parameter, *value)
            {
                next = asked;
                raised = raised.at_least(&asked);
            }
        }
        raised
    }
}
