//! What can go wrong. A run is a function of its seed, its scenario and a list of these.

use std::fmt;

/// Who sends and receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The DAO node: never crashes here, may be cut off.
    Dao,
    /// An aggregator by its place in the terms; 0 is the coordinator.
    Aggregator(usize),
    /// A contributor, which in FHE mode may be a custodian, too.
    Member(usize),
    /// Somebody with the coordinator's key: it asks other parties, and reads their answers.
    Thief,
}

impl Party {
    /// A word for keyed draws.
    pub(crate) const fn word(self) -> u64 {
        match self {
            Self::Dao => 1,
            Self::Thief => 2,
            Self::Aggregator(index) => 0x100 + index as u64,
            Self::Member(index) => 0x1_0000 + index as u64,
        }
    }
}

/// One message: the `nth` (from 0) that `from` sends to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Who sends.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// Which of this link's messages.
    pub nth: u32,
}

/// What a dishonest member sends beside a submission of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// A second, different update to the same round.
    Second,
    /// An update of an earlier round, as it was.
    OlderRound,
    /// A well-formed update to a round that is not under way.
    OtherRound,
    /// Its own update with another signature.
    Signature,
    /// An update that another member sealed.
    OtherMember,
    /// An update in another member's name under its own key.
    OtherName,
    /// More bytes than any message of the federation can have.
    Oversized,
    /// Bytes that are no message.
    Garbage,
    /// Its own update without its ticket, or with one where nobody draws.
    OtherTicket,
}

/// What somebody with the coordinator's key asks beside a question of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theft {
    /// To prepare without one of the parts.
    FewerParts,
    /// To prepare under another challenge: norm proofs are zero-knowledge under one.
    OtherChallenge,
    /// To agree on, or to sum, a set with one member less: the difference is a person.
    SmallerSet,
    /// To sum one member's update alone.
    OnePerson,
    /// To sum one group alone, where there are groups.
    OneGroup,
    /// To sum at once, with all echoes that were ever sent.
    EarlySum,
    /// To answer a second probe that the DAO node signed.
    OtherProbe,
    /// What was asked in an earlier round.
    OlderRound,
}

/// How much of a step reaches the disk and the wire before its process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Outputs that are performed whole.
    pub outputs: u8,
    /// If the next one is a write: how many 256ths of it reach the disk. A torn record must count as none.
    pub torn: u8,
}

/// What becomes of bytes that a process keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// They are gone.
    Lost,
    /// One bit of them flips, counted from the first and modulo their length.
    Altered(u32),
    /// They cannot be read for that many milliseconds.
    Unreadable(u64),
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The message never arrives.
    Lose(Site),
    /// It arrives that many milliseconds later, and after others that were sent later.
    Delay(Site, u64),
    /// It arrives again that many milliseconds later.
    Double(Site, u64),
    /// One bit of it flips, counted from the first and modulo its length.
    Flip(Site, u32),
    /// Only its first bytes arrive: that many, modulo its length.
    Cut(Site, u32),
    /// The member sends something forged beside it.
    Forge(Site, Forgery),
    /// A thief of the coordinator's key asks something beside it.
    Steal(Site, Theft),
    /// No message crosses between these parties and the others.
    Partition {
        /// One side.
        apart: Vec<Party>,
        /// When it begins.
        from_ms: u64,
        /// When it heals.
        until_ms: u64,
    },
    /// A party neither takes nor sends anything; it loses nothing.
    Away {
        /// Who.
        party: Party,
        /// From when.
        from_ms: u64,
        /// Until when.
        until_ms: u64,
    },
    /// A process dies while it performs the outputs of its `step`th step, and is started again later.
    Crash {
        /// Which.
        party: Party,
        /// Which of its steps.
        step: u32,
        /// What it still did.
        kept: Kept,
        /// When it is started again, in milliseconds from then.
        down_ms: u64,
    },
    /// Bytes of an update are struck that a process has stored an input about.
    Rot {
        /// Whose store.
        party: Party,
        /// The `nth` update (from 0) that its stored inputs name.
        nth: u32,
        /// How many milliseconds after it was named.
        late_ms: u64,
        /// How.
        harm: Harm,
    },
    /// A process's clock jumps.
    Jump {
        /// Whose.
        party: Party,
        /// When.
        at_ms: u64,
        /// How far; backward if negative.
        by_ms: i64,
    },
    /// A member trains for that long.
    Slow {
        /// Who.
        member: usize,
        /// Milliseconds per round.
        training_ms: u64,
    },
    /// A member takes part though it was not drawn, with what it sealed before and its true ticket (where members draw
    /// in secret).
    Greedy {
        /// Who.
        member: usize,
    },
    /// A member sends nothing.
    Silent {
        /// Who.
        member: usize,
    },
    /// A member seals its part for the party at this place such that it does not open.
    Spoil {
        /// Who.
        member: usize,
        /// The place of the party.
        place: usize,
    },
    /// A member's tag is wrong (a cohort in MPC mode): a true sum fails the members' check.
    SpoilTag {
        /// Who.
        member: usize,
    },
    /// A member's norm proof does not hold (verified mode).
    Unproven {
        /// Who.
        member: usize,
    },
}

impl Fault {
    /// The kind, by which faults are counted.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Lose(_) => "lost",
            Self::Delay(..) => "delayed",
            Self::Double(..) => "doubled",
            Self::Flip(..) => "flipped",
            Self::Cut(..) => "cut",
            Self::Forge(..) => "forged",
            Self::Steal(..) => "stolen",
            Self::Partition { .. } => "partition",
            Self::Away { .. } => "away",
            Self::Crash { .. } => "crash",
            Self::Rot { harm: Harm::Lost, .. } => "bytes lost",
            Self::Rot { harm: Harm::Altered(_), .. } => "bytes altered",
            Self::Rot { harm: Harm::Unreadable(_), .. } => "bytes unreadable",
            Self::Jump { .. } => "clock jump",
            Self::Slow { .. } => "slow",
            Self::Greedy { .. } => "greedy",
            Self::Silent { .. } => "silent",
            Self::Spoil { .. } => "spoilt part",
            Self::SpoilTag { .. } => "spoilt tag",
            Self::Unproven { .. } => "unproven",
        }
    }

    /// The message at which it happens.
    pub(crate) const fn site(&self) -> Option<Site> {
        match self {
            Self::Lose(site)
            | Self::Delay(site, _)
            | Self::Double(site, _)
            | Self::Flip(site, _)
            | Self::Cut(site, _)
            | Self::Forge(site, _)
            | Self::Steal(site, _) => Some(*site),
            _ => None,
        }
    }

    pub(crate) const fn site_mut(&mut self) -> Option<&mut Site> {
        match self {
            Self::Lose(site)
            | Self::Delay(site, _)
            | Self::Double(site, _)
            | Self::Flip(site, _)
            | Self::Cut(site, _)
            | Self::Forge(site, _)
            | Self::Steal(site, _) => Some(site),
            _ => None,
        }
    }

    /// When it is over, if it is of a stretch of time.
    pub(crate) const fn until_ms(&self) -> u64 {
        match self {
            Self::Partition { until_ms, .. } | Self::Away { until_ms, .. } => *until_ms,
            Self::Jump { at_ms, .. } => *at_ms,
            _ => 0,
        }
    }
}

/// A list of faults as a literal, to be pasted into a regression test.
pub struct Literal<'a>(pub &'a [Fault]);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vec![\n")?;
        for fault in self.0 {
            // Vectors do not print as literals.
            let text = format!("{fault:?}").replace("apart: [", "apart: vec![");
            writeln!(f, "    {text},")?;
        }
        f.write_str("]")
    }
}
