//! The log of a simulated DAO: every entry is applied by the journal's own replay, as an auditor would.

use aggregator_protocol::{FederationTerms, RoundGrant, RoundId, RoundReceipt};
use aggregator_round::round_loss_micro;
use anyhow::Context as _;
use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, BufferSet, Entry, Federation, FederationOpened, Genesis, MemberAdmitted,
    Replay, RoundAborted, RoundOpened, TreeHead, audit, settlement_bodies,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Signed, VerifyingKey};
use trainer_model::Evaluation;

use crate::{
    demo::report::LedgerSummary,
    settlement::{round_settled, terms_json},
};

/// Most contributors of a round of whom there is a ledger. The journal settles more (10 000 in its tests), but
/// what a round leaves on disk is written whole, leaves included: a million bytes of them in five rounds.
pub(crate) const COHORT_MAX: usize = 1_000;

/// Name of the only federation.
pub(crate) const FEDERATION: &str = "simulated";
/// Credits of a round, as in the demonstration.
pub(crate) const ROUND_BUDGET: u128 = 1_000_000;

/// What the federation's entries begin with.
pub(crate) struct Opening<'a> {
    pub(crate) members: &'a [(VerifyingKey, String)],
    pub(crate) rounds: u64,
    pub(crate) novelty_percent: u32,
    pub(crate) validation_commitment: Digest,
}

/// The log so far, and the state that it makes.
pub(crate) struct SimulatedLedger {
    leaves: Vec<Vec<u8>>,
    replay: Replay,
    name: Name,
}

impl SimulatedLedger {
    /// Founds the DAO.
    pub(crate) fn found(
        dao_node: VerifyingKey,
        aggregators: Vec<VerifyingKey>,
    ) -> anyhow::Result<Self> {
        let genesis = Genesis {
            names: data_dao_journal::NamesKind::InTheClear,
            rules: data_dao_journal::Rules::NEWEST,
            dao_name: "simulation".to_owned(),
            bounds: BoundsKind::Demonstration,
            charter: CharterParameters::DEMONSTRATION,
            currency: "EUR".parse()?,
            treasury_percent: 10,
            operator: dao_node,
            dao_node,
            aggregators,
        };
        let mut ledger =
            Self { leaves: Vec::new(), replay: Replay::default(), name: Name::new(FEDERATION)? };
        ledger.append(0, Body::Genesis(genesis))?;
        Ok(ledger)
    }

    /// The log that these leaves are.
    pub(crate) fn from_leaves(leaves: Vec<Vec<u8>>) -> anyhow::Result<Self> {
        let mut replay = Replay::default();
        for leaf in &leaves {
            replay.push(leaf)?;
        }
        Ok(Self { leaves, replay, name: Name::new(FEDERATION)? })
    }

    /// All leaves so far.
    pub(crate) fn leaves(&self) -> &[Vec<u8>] {
        &self.leaves
    }

    /// The DAO's id, which the terms name.
    pub(crate) fn dao(&self) -> anyhow::Result<Digest> {
        self.replay.state().dao_id().context("the log begins with a genesis entry")
    }

    /// Opens the federation and admits its members.
    pub(crate) fn open(
        &mut self,
        terms: &FederationTerms,
        opening: &Opening<'_>,
    ) -> anyhow::Result<()> {
        let opened = FederationOpened {
            federation: self.name.clone(),
            terms_digest: terms.id(),
            terms: terms_json(terms).to_string(),
            rounds: opening.rounds,
            round_budget: ROUND_BUDGET,
            minimum_cohort: u32::try_from(terms.contributions_min())?,
            novelty_percent: opening.novelty_percent,
            validation_commitment: opening.validation_commitment,
        };
        self.append(0, Body::FederationOpened(opened))?;
        if let Some(rule) = terms.buffer {
            let federation = self.name.clone();
            self.append(0, BufferSet { federation, stale_max: rule.stale_max }.into())?;
        }
        for (member, label) in opening.members {
            let (federation, label) = (self.name.clone(), label.clone());
            let admitted = MemberAdmitted { federation, member: *member, label };
            self.append(0, Body::MemberAdmitted(admitted))?;
        }
        Ok(())
    }

    /// The federation's state.
    pub(crate) fn federation(&self) -> Option<&Federation> {
        self.replay.state().federation(&self.name)
    }

    pub(super) fn opened(
        &mut self,
        terms: &FederationTerms,
        grant: &RoundGrant,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        let opened = RoundOpened {
            federation: self.name.clone(),
            round: grant.round.0,
            model: grant.model,
            cohort_size: u32::try_from(grant.cohort.len())?,
            epsilon_micro: round_loss_micro(terms, grant.round.0)?,
        };
        self.append(now_ms, Body::RoundOpened(opened))
    }

    pub(super) fn settled(
        &mut self,
        receipt: &Signed<RoundReceipt>,
        test: &Evaluation,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        let settled = round_settled(self.replay.state(), &self.name, receipt, test)?;
        for body in settlement_bodies(settled)? {
            self.append(now_ms, body)?;
        }
        Ok(())
    }

    pub(super) fn aborted(
        &mut self,
        round: RoundId,
        reason: String,
        now_ms: u64,
    ) -> anyhow::Result<()> {
        let aborted = RoundAborted { federation: self.name.clone(), round: round.0, reason };
        self.append(now_ms, Body::RoundAborted(aborted))
    }

    /// Entries and root, and what an audit of the leaves from the first on finds.
    pub(crate) fn summary(&self) -> LedgerSummary {
        let report = self.replay.report();
        let head = TreeHead { size: report.entries, root: report.root };
        let audit = match audit(&self.leaves, Some(&head)) {
            Ok(_) => "ok".to_owned(),
            Err(failure) => failure.to_string(),
        };
        LedgerSummary { entries: report.entries, root: report.root.to_string(), audit }
    }

    fn append(&mut self, time_ms: u64, body: Body) -> anyhow::Result<()> {
        let leaf = Entry { time_ms, body }.to_leaf()?;
        self.replay.push(&leaf)?;
        self.leaves.push(leaf);
        Ok(())
    }
}
