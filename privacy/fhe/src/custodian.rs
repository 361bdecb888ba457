//! A custodian of one round.
//!
//! ```text
//!               Deposit                 Open(set)                  Probe(order)
//! Collecting ──────────► Collecting ──────────────► Opened ─────────────────────► Probed
//!                                                    │  ▲ same set: same answer     │ ▲ same order: same answer
//!                                                    └──┘ another set: refused      └─┘ another order: refused
//! ```
//!
//! Threats. Whoever has two sums whose sets differ in one member has that member's update: a custodian
//! therefore opens one set of a round, for ever. A set of one member *is* that member's update: sets
//! below the federation's minimum are refused. Lanes overflow above the maximum. A form of the key asked
//! for again and again with other probes reads the key: there is one order of at most two forms.
//!
//! The core is pure. The shell checks signatures (the contributor's on a deposit, the aggregator's on
//! an opening and the echo of the other custodians, the co-signature on a probe's order), and persists
//! an input before it sends the answer: replaying the inputs gives the same state and the same answers.

use std::collections::BTreeMap;

use privacy_identity::Digest;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    CONTRIBUTORS_MAX, Custody, DEGREE, FormReply, KeyShare, KeyShareSum, MemberId, Opening,
    ProbeOrder, field, opening::AcceptedUpdate,
};

/// What a custodian is told of its round by the signed order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CustodianTerms {
    /// The digest of the round's transcript, as of its mask.
    pub transcript: Digest,
    /// How keys are shared.
    pub custody: Custody,
    /// This custodian, 1..=custodians.
    pub custodian: u8,
    /// Fewest contributors of a set that is opened, at least 2.
    pub contributors_min: u32,
    /// Most contributors of a set, and most deposits that are held.
    pub contributors_max: u32,
}

/// Something that a custodian is asked to do.
pub enum CustodianInput {
    /// To hold a share.
    Deposit {
        /// Whose key it is a share of.
        member: MemberId,
        /// The digest of the sealed update that the share came with.
        update: Digest,
        /// The share.
        share: KeyShare,
    },
    /// To open a set.
    Open(Opening),
    /// To answer the probe of the opened set.
    Probe(ProbeOrder),
}

/// What a custodian did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustodianOutput {
    /// It holds the share (already, if the deposit was a repetition).
    Deposited,
    /// Its sum for the set.
    Opened(KeyShareSum),
    /// Its forms of each contributor's key.
    Probed(FormReply),
}

/// Why a custodian refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CustodianError {
    /// The terms make no custodian.
    #[error(
        "custodian {custodian} of {custodians} with sets of {contributors_min}..={contributors_max}"
    )]
    Terms {
        /// The index given.
        custodian: u8,
        /// How many there are.
        custodians: u8,
        /// The minimum given; it must be at least 2.
        contributors_min: u32,
        /// The maximum given; it must be at least the minimum and at most [`CONTRIBUTORS_MAX`].
        contributors_max: u32,
    },
    /// For another round.
    #[error("round has transcript {expected}, got {got}")]
    Round {
        /// This custodian's.
        expected: Digest,
        /// The input's.
        got: Digest,
    },
    /// A second sealed update of one member.
    #[error("member {member} deposited for update {held}, now for {got}")]
    Equivocation {
        /// Who.
        member: MemberId,
        /// The update of the share that is held.
        held: Digest,
        /// The update of the new one.
        got: Digest,
    },
    /// As many shares are held as the round may have contributors.
    #[error("{contributors_max} shares are held, the most of this round")]
    Full {
        /// The bound.
        contributors_max: u32,
    },
    /// The round was opened: a new share could only be for another set.
    #[error("the round was opened, no share is taken any more")]
    Closed,
    /// A set below the minimum.
    #[error("set has {got} contributors, the federation's minimum is {contributors_min}")]
    TooFew {
        /// The minimum.
        contributors_min: u32,
        /// Of the set.
        got: usize,
    },
    /// A set above the maximum: lanes would overflow.
    #[error("set has {got} contributors, the round's maximum is {contributors_max}")]
    TooMany {
        /// The maximum.
        contributors_max: u32,
        /// Of the set.
        got: usize,
    },
    /// The set names members whose shares are not held.
    #[error("no share is held of {members:?}")]
    Missing {
        /// Their names.
        members: Vec<MemberId>,
    },
    /// The set names other updates than the shares came with.
    #[error("shares of {members:?} came with other updates than the set names")]
    Substituted {
        /// The members concerned.
        members: Vec<MemberId>,
    },
    /// A second opening with another set.
    #[error("the round was opened for set {opened}, never for {got}")]
    SecondOpening {
        /// The set that was opened.
        opened: Digest,
        /// The set asked for.
        got: Digest,
    },
    /// A probe of a set that was not opened.
    #[error("probe names set {got}, opened is {opened:?}")]
    NotOpened {
        /// The set that was opened, if any.
        opened: Option<Digest>,
        /// The set of the probe.
        got: Digest,
    },
    /// A second probe.
    #[error("the keys were probed by order {answered}, never by {got}")]
    SecondProbe {
        /// The order that was answered.
        answered: Digest,
        /// The order asked for.
        got: Digest,
    },
}

/// A custodian of one round: holds shares of keys, opens one set and answers one probe.
pub struct Custodian {
    terms: CustodianTerms,
    deposits: BTreeMap<MemberId, Deposit>,
    phase: Phase,
}

struct Deposit {
    update: Digest,
    share: KeyShare,
}

enum Phase {
    Collecting,
    Opened { opening: Opening },
    Probed { opening: Opening, order: Digest },
}

impl Custodian {
    /// A custodian that holds nothing yet.
    ///
    /// # Errors
    /// [`CustodianError::Terms`].
    pub fn new(terms: CustodianTerms) -> Result<Self, CustodianError> {
        let CustodianTerms { custody, custodian, contributors_min, contributors_max, .. } = terms;
        let custodians = custody.custodians();
        let bounds = 2 <= contributors_min
            && contributors_min <= contributors_max
            && contributors_max <= CONTRIBUTORS_MAX;
        if !bounds || custodian == 0 || custodian > custodians {
            return Err(CustodianError::Terms {
                custodian,
                custodians,
                contributors_min,
                contributors_max,
            });
        }
        Ok(Self { terms, deposits: BTreeMap::new(), phase: Phase::Collecting })
    }

    /// Takes one step. A refusal leaves the state as it was.
    ///
    /// # Errors
    /// [`CustodianError`].
    pub fn handle(
        mut self,
        input: CustodianInput,
    ) -> (Self, Result<CustodianOutput, CustodianError>) {
        let output = match input {
            CustodianInput::Deposit { member, update, share } => {
                self.deposit(member, Deposit { update, share })
            }
            CustodianInput::Open(opening) => self.open(opening),
            CustodianInput::Probe(order) => self.probe(&order),
        };
        (self, output)
    }

    /// The digest of the set that was opened, if any.
    #[must_use]
    pub const fn opened_set(&self) -> Option<Digest> {
        match &self.phase {
            Phase::Collecting => None,
            Phase::Opened { opening } | Phase::Probed { opening, .. } => Some(opening.set()),
        }
    }

    fn deposit(
        &mut self,
        member: MemberId,
        deposit: Deposit,
    ) -> Result<CustodianOutput, CustodianError> {
        if let Some(held) = self.deposits.get(&member) {
            if held.update == deposit.update {
                return Ok(CustodianOutput::Deposited);
            }
            return Err(CustodianError::Equivocation {
                member,
                held: held.update,
                got: deposit.update,
            });
        }
        if !matches!(self.phase, Phase::Collecting) {
            return Err(CustodianError::Closed);
        }
        let contributors_max = self.terms.contributors_max;
        if self.deposits.len() >= contributors_max as usize {
            return Err(CustodianError::Full { contributors_max });
        }
        self.deposits.insert(member, deposit);
        Ok(CustodianOutput::Deposited)
    }

    fn open(&mut self, opening: Opening) -> Result<CustodianOutput, CustodianError> {
        self.check_round(opening.transcript())?;
        if let Some(opened) = self.opened_set().filter(|opened| *opened != opening.set()) {
            return Err(CustodianError::SecondOpening { opened, got: opening.set() });
        }
        self.check_size(opening.updates().len())?;
        self.check_members(opening.updates())?;
        let elements = self.sum_of_shares(&opening);
        let reply = KeyShareSum { custodian: self.terms.custodian, set: opening.set(), elements };
        if matches!(self.phase, Phase::Collecting) {
            self.phase = Phase::Opened { opening };
        }
        Ok(CustodianOutput::Opened(reply))
    }

    fn probe(&mut self, order: &ProbeOrder) -> Result<CustodianOutput, CustodianError> {
        self.check_round(order.transcript())?;
        let got = order.set();
        let opening = match &self.phase {
            Phase::Opened { opening } | Phase::Probed { opening, .. } if opening.set() == got => {
                opening.clone()
            }
            _ => return Err(CustodianError::NotOpened { opened: self.opened_set(), got }),
        };
        if let Phase::Probed { order: answered, .. } = self.phase
            && answered != order.digest()
        {
            return Err(CustodianError::SecondProbe { answered, got: order.digest() });
        }
        let shares = self.shares_of(&opening);
        let elements = shares.flat_map(|share| order.apply(&share.elements())).collect();
        let custodian = self.terms.custodian;
        let reply = FormReply { custodian, order: order.digest(), elements };
        self.phase = Phase::Probed { opening, order: order.digest() };
        Ok(CustodianOutput::Probed(reply))
    }

    fn check_round(&self, got: Digest) -> Result<(), CustodianError> {
        let expected = self.terms.transcript;
        if got == expected { Ok(()) } else { Err(CustodianError::Round { expected, got }) }
    }

    fn check_size(&self, got: usize) -> Result<(), CustodianError> {
        let CustodianTerms { contributors_min, contributors_max, .. } = self.terms;
        if got < contributors_min as usize {
            return Err(CustodianError::TooFew { contributors_min, got });
        }
        if got > contributors_max as usize {
            return Err(CustodianError::TooMany { contributors_max, got });
        }
        Ok(())
    }

    fn check_members(&self, updates: &[AcceptedUpdate]) -> Result<(), CustodianError> {
        let held = |accepted: &AcceptedUpdate| self.deposits.get(&accepted.member);
        let names = |updates: Vec<&AcceptedUpdate>| updates.iter().map(|u| u.member).collect();
        let missing: Vec<_> = updates.iter().filter(|u| held(u).is_none()).collect();
        if !missing.is_empty() {
            return Err(CustodianError::Missing { members: names(missing) });
        }
        let other = |u: &&AcceptedUpdate| held(u).is_some_and(|deposit| deposit.update != u.update);
        let substituted: Vec<_> = updates.iter().filter(other).collect();
        if !substituted.is_empty() {
            return Err(CustodianError::Substituted { members: names(substituted) });
        }
        Ok(())
    }

    /// The shares of a set whose members were checked, in its order.
    fn shares_of(&self, opening: &Opening) -> impl Iterator<Item = &KeyShare> {
        let held = |accepted: &AcceptedUpdate| self.deposits.get(&accepted.member);
        opening.updates().iter().filter_map(held).map(|deposit| &deposit.share)
    }

    fn sum_of_shares(&self, opening: &Opening) -> Box<Zeroizing<[u64; DEGREE]>> {
        let mut sum = Box::new(Zeroizing::new([0; DEGREE]));
        for share in self.shares_of(opening) {
            for (sum, element) in sum.iter_mut().zip(share.elements().iter()) {
                *sum = field::add(*sum, *element);
            }
        }
        sum
    }
}
