//! Which faults happen: drawn as the run goes, or listed beforehand.

use std::collections::BTreeMap;

use crate::{
    fault::{Fault, Forgery, Harm, Kept, Party, Site, Theft},
    random::Draws,
    scenario::{Odds, Scenario},
};

/// What a message is to a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nature {
    /// A member's update.
    Submission,
    /// A question of the coordinator to another aggregator or a custodian.
    Question,
    Other,
}

/// What a process stands to lose in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stake {
    /// It may be in the middle of writing: an update came, a question did, or its own work is done.
    High,
    Low,
}

const FORGERIES: [Forgery; 9] = [
    Forgery::Second,
    Forgery::OlderRound,
    Forgery::OtherRound,
    Forgery::Signature,
    Forgery::OtherMember,
    Forgery::OtherName,
    Forgery::Oversized,
    Forgery::Garbage,
    Forgery::OtherTicket,
];

const THEFTS: [Theft; 8] = [
    Theft::FewerParts,
    Theft::OtherChallenge,
    Theft::SmallerSet,
    Theft::OnePerson,
    Theft::EarlySum,
    Theft::OtherProbe,
    Theft::OlderRound,
    // Where there are groups.
    Theft::OneGroup,
];

/// Longest time that a process stays down, a partition lasts, or a party stays away, in milliseconds:
/// longer than a step's deadline.
const OUTAGE_MS_MAX: u64 = 700;
/// How much more likely a process dies in a step in which it writes: most steps write nothing.
const HIGH_STAKE_FACTOR: f64 = 8.0;
/// How long bytes are kept at most before they are struck, in milliseconds: some steps of a round.
const ROT_MS_MAX: u64 = 300;
/// How far a clock jumps at most, in milliseconds: over several deadlines.
const JUMP_MS_MAX: u64 = 2_000;

#[derive(Debug)]
enum Source {
    Drawn { seed: u64, odds: Odds, until_ms: u64, thefts: &'static [Theft] },
    Listed(BTreeMap<Site, Vec<Fault>>),
}

/// The faults of a run.
#[derive(Debug)]
pub(crate) struct Plan {
    source: Source,
    /// Crashes of a listed run.
    crashes: BTreeMap<(Party, u32), Fault>,
    /// Struck updates of a listed run.
    rot: BTreeMap<(Party, u32), Fault>,
    /// What does not hang on one message, step or update.
    standing: Vec<Fault>,
    fired: Vec<Fault>,
}

impl Plan {
    /// Draws faults with the odds of the scenario.
    pub(crate) fn drawn(seed: u64, scenario: &Scenario) -> Self {
        let in_groups = usize::from(scenario.groups.is_some());
        let thefts = &THEFTS[..THEFTS.len() - 1 + in_groups];
        let until_ms = scenario.faults_until_ms;
        let source = Source::Drawn { seed, odds: scenario.odds, until_ms, thefts };
        let standing = standing(seed, scenario);
        let (crashes, rot) = (BTreeMap::new(), BTreeMap::new());
        Self { source, crashes, rot, standing, fired: Vec::new() }
    }

    /// Exactly these.
    pub(crate) fn listed(faults: Vec<Fault>) -> Self {
        let mut sites = BTreeMap::<_, Vec<_>>::new();
        let (mut crashes, mut rot, mut standing) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for fault in faults {
            match (fault.site(), &fault) {
                (Some(site), _) => sites.entry(site).or_default().push(fault),
                (None, Fault::Crash { party, step, .. }) => {
                    crashes.insert((*party, *step), fault);
                }
                (None, Fault::Rot { party, nth, .. }) => {
                    rot.insert((*party, *nth), fault);
                }
                _ => standing.push(fault),
            }
        }
        Self { source: Source::Listed(sites), crashes, rot, standing, fired: Vec::new() }
    }

    /// Everything that happened so far, and what lasts.
    pub(crate) fn happened(&self) -> Vec<Fault> {
        self.standing.iter().chain(&self.fired).cloned().collect()
    }

    pub(crate) fn standing(&self) -> &[Fault] {
        &self.standing
    }

    /// What happens to a message.
    pub(crate) fn at_message(&mut self, site: Site, nature: Nature, now_ms: u64) -> Vec<Fault> {
        let faults = match &self.source {
            Source::Listed(sites) => sites.get(&site).cloned().unwrap_or_default(),
            Source::Drawn { until_ms, .. } if now_ms > *until_ms => Vec::new(),
            Source::Drawn { seed, odds, thefts, .. } => {
                drawn_at(*seed, (odds, thefts), site, nature)
            }
        };
        self.fired.extend_from_slice(&faults);
        faults
    }

    /// Whether a process dies in this step: what it still does, and how long it stays down.
    pub(crate) fn at_step(
        &mut self,
        (party, stake): (Party, Stake),
        step: u32,
        now_ms: u64,
    ) -> Option<(Kept, u64)> {
        let fault = match &self.source {
            Source::Listed(_) => self.crashes.get(&(party, step)).cloned()?,
            Source::Drawn { until_ms, .. } if now_ms > *until_ms => return None,
            Source::Drawn { seed, odds, .. } => {
                let mut draws = Draws::at(*seed, &[2, party.word(), u64::from(step)]);
                let factor = if stake == Stake::High { HIGH_STAKE_FACTOR } else { 1.0 };
                if !draws.happens(odds.crash * factor) {
                    return None;
                }
                let outputs = u8::try_from(draws.within(0..=4)).unwrap_or(0);
                let torn = u8::try_from(draws.within(0..=255)).unwrap_or(0);
                let soon = draws.happens(0.7);
                let down_ms =
                    draws.within(1..=if soon { OUTAGE_MS_MAX / 5 } else { OUTAGE_MS_MAX });
                Fault::Crash { party, step, kept: Kept { outputs, torn }, down_ms }
            }
        };
        self.fired.push(fault.clone());
        match fault {
            Fault::Crash { kept, down_ms, .. } => Some((kept, down_ms)),
            _ => None,
        }
    }

    /// Whether and when bytes are struck that a process's stored input just named, and how.
    pub(crate) fn at_naming(&mut self, party: Party, nth: u32, now_ms: u64) -> Option<(u64, Harm)> {
        let fault = match &self.source {
            Source::Listed(_) => self.rot.get(&(party, nth)).cloned()?,
            Source::Drawn { until_ms, .. } if now_ms > *until_ms => return None,
            Source::Drawn { seed, odds, .. } => {
                let mut draws = Draws::at(*seed, &[10, party.word(), u64::from(nth)]);
                if !draws.happens(odds.rot) {
                    return None;
                }
                let harm = match draws.within(0..=2) {
                    0 => Harm::Lost,
                    1 => Harm::Altered(u32::try_from(draws.within(0..=0xFFFF)).unwrap_or(0)),
                    _ => Harm::Unreadable(draws.within(1..=OUTAGE_MS_MAX)),
                };
                Fault::Rot { party, nth, late_ms: draws.within(0..=ROT_MS_MAX), harm }
            }
        };
        self.fired.push(fault.clone());
        match fault {
            Fault::Rot { late_ms, harm, .. } => Some((late_ms, harm)),
            _ => None,
        }
    }

    /// Whether a message can go from one party to the other now. A thief sits beside each.
    pub(crate) fn connects(&self, from: Party, to: Party, now_ms: u64) -> bool {
        !self.standing.iter().any(|fault| match fault {
            Fault::Partition { apart, from_ms, until_ms } => {
                (*from_ms..*until_ms).contains(&now_ms)
                    && apart.contains(&from) != apart.contains(&to)
                    && from != Party::Thief
                    && to != Party::Thief
            }
            _ => self.is_away(from, now_ms) || self.is_away(to, now_ms),
        })
    }

    pub(crate) fn is_away(&self, who: Party, now_ms: u64) -> bool {
        self.standing.iter().any(|fault| match fault {
            Fault::Away { party, from_ms, until_ms } => {
                *party == who && (*from_ms..*until_ms).contains(&now_ms)
            }
            _ => false,
        })
    }

    /// What a party's clock shows.
    pub(crate) fn clock(&self, of: Party, now_ms: u64) -> u64 {
        let jumped = self.standing.iter().filter_map(|fault| match fault {
            Fault::Jump { party, at_ms, by_ms } if *party == of && *at_ms <= now_ms => Some(*by_ms),
            _ => None,
        });
        now_ms.saturating_add_signed(jumped.sum())
    }

    pub(crate) fn training_ms(&self, who: usize) -> u64 {
        let slow = self.standing.iter().filter_map(|fault| match fault {
            Fault::Slow { member, training_ms } if *member == who => Some(*training_ms),
            _ => None,
        });
        slow.max().unwrap_or(1)
    }

    pub(crate) fn is_greedy(&self, who: usize) -> bool {
        let greedy = |fault: &Fault| matches!(fault, Fault::Greedy { member } if *member == who);
        self.standing.iter().any(greedy)
    }

    pub(crate) fn is_silent(&self, who: usize) -> bool {
        let silent = |fault: &Fault| matches!(fault, Fault::Silent { member } if *member == who);
        self.standing.iter().any(silent)
    }

    /// Milliseconds by which the coordinator may be later than its deadlines at `now_ms` for what began at
    /// `since_ms`: it was away, or its clock went back.
    pub(crate) fn excused_ms(&self, since_ms: u64, now_ms: u64) -> u64 {
        let excused = self.standing.iter().map(|fault| match fault {
            Fault::Away { party: Party::Aggregator(0), from_ms, until_ms } => {
                now_ms.min(*until_ms).saturating_sub(since_ms.max(*from_ms))
            }
            Fault::Jump { party: Party::Aggregator(0), at_ms, by_ms }
                if *by_ms < 0 && (since_ms..=now_ms).contains(at_ms) =>
            {
                by_ms.unsigned_abs()
            }
            _ => 0,
        });
        excused.sum()
    }
}

fn drawn_at(
    seed: u64,
    (odds, thefts): (&Odds, &[Theft]),
    site: Site,
    nature: Nature,
) -> Vec<Fault> {
    let place = [1, site.from.word(), site.to.word(), u64::from(site.nth)];
    let mut draws = Draws::at(seed, &place);
    let mut faults = Vec::new();
    if nature == Nature::Submission && draws.happens(odds.forge) {
        faults.push(Fault::Forge(site, FORGERIES[draws.index(FORGERIES.len())]));
    }
    if nature == Nature::Question && draws.happens(odds.steal) {
        faults.push(Fault::Steal(site, thefts[draws.index(thefts.len())]));
    }
    if draws.happens(odds.loss) {
        faults.push(Fault::Lose(site));
        return faults;
    }
    if draws.happens(odds.late) {
        faults.push(Fault::Delay(site, draws.within(1..=odds.late_ms_max)));
    }
    if draws.happens(odds.double) {
        faults.push(Fault::Double(site, draws.within(1..=odds.late_ms_max)));
    }
    if draws.happens(odds.garble) {
        let at = u32::try_from(draws.within(0..=0xFFFF)).unwrap_or(0);
        let cut = draws.happens(0.3);
        faults.push(if cut { Fault::Cut(site, at) } else { Fault::Flip(site, at) });
    }
    faults
}

/// What does not hang on one message or step.
fn standing(seed: u64, scenario: &Scenario) -> Vec<Fault> {
    let mut draws = Draws::at(seed, &[3]);
    let mut faults = Vec::new();
    let odds = scenario.odds.standing;
    if odds <= 0.0 {
        return faults;
    }
    let aggregators = (0..scenario.aggregators).map(Party::Aggregator);
    let members = (0..scenario.members).map(Party::Member);
    let parties: Vec<_> = aggregators.chain(members).chain([Party::Dao]).collect();
    let places = scenario.aggregators
        + scenario.sealing.custody().map_or(0, aggregator_protocol::CustodyTerms::custodians);
    if draws.happens(odds * 2.0) {
        let apart = parties.iter().copied().filter(|_| draws.happens(0.4)).collect();
        let from_ms = draws.within(0..=scenario.faults_until_ms);
        let until_ms = from_ms + draws.within(50..=OUTAGE_MS_MAX);
        faults.push(Fault::Partition { apart, from_ms, until_ms });
    }
    for &party in &parties {
        if draws.happens(odds) {
            let from_ms = draws.within(0..=scenario.faults_until_ms);
            let until_ms = from_ms + draws.within(50..=OUTAGE_MS_MAX);
            faults.push(Fault::Away { party, from_ms, until_ms });
        }
        if draws.happens(odds) {
            let at_ms = draws.within(0..=scenario.faults_until_ms);
            let by_ms = i64::try_from(draws.within(0..=2 * JUMP_MS_MAX)).unwrap_or(0)
                - JUMP_MS_MAX.cast_signed();
            faults.push(Fault::Jump { party, at_ms, by_ms });
        }
    }
    for member in 0..scenario.members {
        let verified = scenario.sealing == aggregator_protocol::SealingTerms::MpcVerified;
        let tags = scenario.cohort && scenario.sealing.custody().is_none();
        let secret = scenario.sampling.secret_rate().is_some();
        match draws.within(0..=9) {
            kind if kind > 5 || !draws.happens(2.0 * odds) => {}
            0 => faults.push(Fault::Slow { member, training_ms: draws.within(50..=900) }),
            1 => faults.push(Fault::Silent { member }),
            2 => faults.push(Fault::Spoil { member, place: draws.index(places) }),
            3 if tags => faults.push(Fault::SpoilTag { member }),
            4 if verified => faults.push(Fault::Unproven { member }),
            5 if secret => faults.push(Fault::Greedy { member }),
            _ => {}
        }
    }
    faults
}
