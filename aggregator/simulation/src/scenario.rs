//! Who takes part in a run, under which terms and in which weather.

use aggregator_protocol::{CustodyTerms, SealingTerms};
use aggregator_strategy::{CohortRule, GroupRule, OverSelection, SamplingRate};

use crate::random::Draws;

/// Odds of faults, each per message or per step of a process unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Odds {
    /// A message is lost.
    pub loss: f64,
    /// A message is late by up to [`Self::late_ms_max`].
    pub late: f64,
    /// A message comes twice.
    pub double: f64,
    /// A message is changed or cut off on the way.
    pub garble: f64,
    /// A process dies, in a step in which little is at stake; eight times as likely in others.
    pub crash: f64,
    /// An update that a process holds is struck.
    pub rot: f64,
    /// A submission is accompanied by something forged.
    pub forge: f64,
    /// A question of the coordinator is accompanied by a thief's.
    pub steal: f64,
    /// Per run and party: partitions, absences, clocks that jump, dishonest or slow members.
    pub standing: f64,
    /// The longest that a late message is late, in milliseconds.
    pub late_ms_max: u64,
}

impl Odds {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        loss: 0.0,
        late: 0.0,
        double: 0.0,
        garble: 0.0,
        crash: 0.0,
        rot: 0.0,
        forge: 0.0,
        steal: 0.0,
        standing: 0.0,
        late_ms_max: 0,
    };

    /// Some seeds are mild, some harsh; some have thieves, some have forgers.
    fn draw(draws: &mut Draws) -> Self {
        let harsh = draws.within(0..=1000) as f64 / 1000.0;
        let mut sometimes = |odds: f64| if draws.happens(0.4) { odds } else { 0.0 };
        Self {
            loss: sometimes(0.12 * harsh),
            late: sometimes(0.15 * harsh),
            double: sometimes(0.1 * harsh),
            garble: sometimes(0.02 * harsh),
            crash: sometimes(0.02 * harsh),
            forge: sometimes(0.3),
            steal: sometimes(0.2),
            standing: sometimes(0.15),
            rot: sometimes(0.06 * harsh),
            late_ms_max: 300,
        }
    }
}

/// What a broken shell would do. Only to show that the invariants see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The coordinator acknowledges an update before it is stored.
    AcknowledgesBeforeItStores,
    /// The coordinator stores that it holds an update before it keeps the bytes.
    NamesBeforeItKeeps,
    /// The coordinator sweeps updates out of its store that it may still be asked for.
    SweepsWhatIsNeeded,
    /// The coordinator acknowledges what its machine refuses.
    AcknowledgesAnything,
    /// Another party stores which parts it has, but not which set of them it opened.
    ForgetsTheSet,
    /// All parties run under terms by which more take part than was agreed on.
    WidensTheDraw,
    /// All parties run under terms with a minimum cohort of one less than was agreed on.
    LowersTheMinimum,
    /// Another party changes its share of the sum, and signs that.
    ShiftsTheSum,
    /// Another party moves value from one member to another in its shares of scalars, and signs that.
    ShiftsTheScalars,
    /// The coordinator never lets time act.
    NeverTicks,
    /// The coordinator forgets a round's inputs without keeping how it ended.
    ForgetsHowRoundsEnded,
    /// The coordinator stores an input twice.
    StoresTwice,
    /// The coordinator tells members that a settled round was given up.
    DeniesTheReceipt,
    /// The coordinator takes what it cannot read for a refusal, as it once did: it gives up rounds that were
    /// logged, and takes for logged what was not.
    TakesGarbageForRefusal,
    /// The coordinator counts refused messages twice.
    CountsTwice,
    /// Another party answers the sums of the first two groups in each other's place, and signs that.
    SwapsGroups,
    /// A custodian sums where it should only echo the set.
    SumsWithoutAgreement,
}

/// Who takes part in a run, under which terms and in which weather.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// How updates are sealed.
    pub sealing: SealingTerms,
    /// Aggregators, the coordinator included: 1 in FHE mode, else 2 or more.
    pub aggregators: usize,
    /// Members of the federation.
    pub members: usize,
    /// Fewest contributions of a sum, of each group where there are groups; in FHE mode at least the number of custodians.
    pub minimum: u32,
    /// Into which groups contributors are dealt, each with a sum of its own, and the rule over them. Not in FHE mode.
    pub groups: Option<GroupRule>,
    /// How cohorts are chosen.
    pub sampling: CohortRule,
    /// Rounds that the DAO node grants.
    pub rounds: u32,
    /// Parameters of the model.
    pub dimension: u32,
    /// Whether the members are a cohort with a secret: sums carry tags in MPC mode.
    pub cohort: bool,
    /// Noise multiplier; 0 for none.
    pub noise: f64,
    /// A message takes 1 to that many milliseconds.
    pub delay_ms_max: u64,
    /// Faults are drawn until then, in milliseconds.
    pub faults_until_ms: u64,
    /// The weather.
    pub odds: Odds,
    /// Whether a restart is tried after every step, not only where a process dies.
    pub audit: bool,
    /// What is broken, if anything.
    pub mutant: Option<Mutant>,
}

impl Scenario {
    /// A small federation in this mode, in which nothing goes wrong.
    #[must_use]
    pub fn calm(sealing: SealingTerms) -> Self {
        let custodians = sealing.custody().map_or(0, CustodyTerms::custodians);
        Self {
            sealing,
            aggregators: if custodians > 0 { 1 } else { 2 },
            members: custodians.max(3),
            minimum: u32::try_from(custodians).unwrap_or(2).max(2),
            groups: None,
            sampling: CohortRule::Everybody,
            rounds: 3,
            dimension: 4,
            cohort: false,
            noise: 0.0,
            delay_ms_max: 20,
            faults_until_ms: 0,
            odds: Odds::NONE,
            audit: false,
            mutant: None,
        }
    }

    /// The same, with contributors in groups and members enough for them.
    #[must_use]
    pub fn in_groups(self, rule: GroupRule) -> Self {
        let scenario = Self { groups: Some(rule), ..self };
        Self { members: scenario.members.max(scenario.contributions_min()), ..scenario }
    }

    /// Contributions that a round needs: the minimum for each group.
    #[must_use]
    pub fn contributions_min(&self) -> usize {
        self.minimum as usize * self.groups.map_or(1, |rule| rule.groups())
    }

    /// The federation and the weather of a seed, in groups.
    ///
    /// # Panics
    /// Never: the rules are written here.
    #[must_use]
    pub fn draw_in_groups(sealing: SealingTerms, seed: u64) -> Self {
        let (drawn, mut draws) = (Self::draw(sealing, seed), Draws::at(seed, &[u64::MAX - 1]));
        let (groups, rule) = RULES[draws.index(RULES.len())];
        let rule = rule.parse().ok().and_then(|rule| GroupRule::new(groups, rule).ok());
        let scenario = drawn.in_groups(rule.expect("a rule that its groups carry"));
        // With none to spare a round of one silent member is given up.
        let members = scenario.contributions_min() + draws.index(4);
        let minimum = u32::try_from(scenario.contributions_min()).unwrap_or(u32::MAX);
        let sampling = sampling(&mut draws, minimum, members);
        Self { members, sampling, ..scenario }
    }

    /// The federation and the weather of a seed.
    #[must_use]
    pub fn draw(sealing: SealingTerms, seed: u64) -> Self {
        let mut draws = Draws::at(seed, &[u64::MAX]);
        let calm = Self::calm(sealing);
        let fewest = calm.minimum as usize;
        // Most of a run's time goes into signatures and envelopes, one per member and aggregator.
        let extra = draws.index(3).min(draws.index(5));
        let aggregators =
            if sealing.custody().is_none() && draws.happens(0.1) { 3 } else { calm.aggregators };
        Self {
            aggregators,
            members: fewest + extra,
            rounds: 5,
            dimension: u32::try_from(draws.within(4..=16)).unwrap_or(4),
            cohort: draws.happens(0.3),
            noise: if draws.happens(0.3) { 0.05 } else { 0.0 },
            delay_ms_max: draws.within(5..=40),
            faults_until_ms: 3_500,
            odds: Odds::draw(&mut draws),
            // Costs ten times as much.
            audit: draws.happens(0.005),
            sampling: sampling(&mut draws, calm.minimum, fewest + extra),
            ..calm
        }
    }
}

/// Rules over groups, cheap ones more often: each group has two members or more.
const RULES: [(u32, &str); 6] = [
    (3, "median"),
    (3, "median"),
    (3, "trimmed-mean:beta=0.34"),
    (3, "geometric-median"),
    (4, "median"),
    (5, "krum:f=1"),
];

/// Mostly everybody; else a public draw with or without over-selection, or a secret one.
fn sampling(draws: &mut Draws, minimum: u32, members: usize) -> CohortRule {
    let members = u32::try_from(members).unwrap_or(minimum);
    match draws.within(0..=9) {
        0 | 1 => {
            let size = u32::try_from(draws.within(u64::from(minimum)..=u64::from(members)));
            let percent = u16::try_from(draws.within(100..=200)).unwrap_or(100);
            let over = OverSelection::from_percent(percent).unwrap_or(OverSelection::NONE);
            CohortRule::Uniform { size: size.unwrap_or(minimum), over }
        }
        2 => {
            let rate = SamplingRate::new(draws.within(600..=950) as f64 / 1000.0);
            CohortRule::Secret { rate: rate.unwrap_or(SamplingRate::ALL) }
        }
        _ => CohortRule::Everybody,
    }
}
