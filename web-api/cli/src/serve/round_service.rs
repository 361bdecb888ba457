//! What the DAO node answers the coordinator: terms, grants, probes, settlement.
//!
//! Each answer is repeated unchanged when it is asked for again: grants and probes are on disk before
//! they leave, and the ledger refuses to open or settle a round twice.

use std::path::PathBuf;

use aggregator_network::{Inbound, Inbox, PeerKey};
use aggregator_protocol::{
    Custodian, DaoReply, DaoRequest, FederationTerms, JoinRequest, ProbeOrder, Refusal, RoundGrant,
    RoundId, RoundReceipt, RoundSum, ScalarOpening, ValueRecord, from_wire, to_wire,
};
use aggregator_round::{Admission, SumProducts, check_values};
use anyhow::Context as _;
use data_dao_governance::{Keyring, MEMBER_LABEL_BYTES_MAX};
use data_dao_journal::{Body, Federation, MemberAdmitted, RoundAborted, settlement_bodies};
use data_dao_ledger::Name;
use data_dao_store::{AppendError, Store};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use serde_json::json;
use trainer_model::Parameters;

use super::{
    cohort, config::ServeConfig, custodians, draws, settled_record::SettledRecord,
    settling::ADVANCE_EVERY_MS, unless_passing, vault::Vault,
};
use crate::{
    commands::name::salted,
    measure::Evaluator,
    process::{Events, now_ms, running_ms},
    settlement::{epsilon_from_micro, round_settled},
};

/// File of the grant of the open round.
pub(super) const GRANT_FILE: &str = "grant.bin";
/// File of the probes of the open round.
pub(super) const PROBES_FILE: &str = "probes.bin";
/// File of the digest of the sum that the probes answer.
pub(super) const SUM_FILE: &str = "sum.bin";
/// File of that sum.
pub(super) const OPENED_FILE: &str = "opened.bin";

/// Longest reason that the ledger takes, in bytes; a longer one is cut.
const REASON_BYTES_MAX: usize = 200;

/// Whether anybody may ask it: the terms are public, and so is the vote. Everything else is the coordinator's to ask.
const fn is_public(request: &DaoRequest) -> bool {
    matches!(request, DaoRequest::Terms | DaoRequest::Voted { .. })
}

/// Everything that a round needs of the DAO.
pub(crate) struct RoundService {
    /// Where the configuration is: read again when members voted for other terms.
    pub(crate) source: PathBuf,
    pub(crate) config: ServeConfig,
    pub(crate) name: Name,
    pub(crate) terms: Signed<FederationTerms>,
    pub(crate) key: SigningKey,
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) evaluator: Evaluator,
    pub(crate) initial: Parameters,
    pub(crate) publish: super::models::Publish,
    pub(crate) events: Events,
    /// When a member was admitted last, or else when this process started.
    pub(crate) joined_ms: std::sync::atomic::AtomicU64,
    /// Whether the model is in the catalogue: then nothing is due any more.
    pub(crate) released: std::sync::atomic::AtomicBool,
    /// Where it is said why no round starts.
    pub(crate) still: web_api::Standstill,
    /// Who judges what members disclose: has to take what is long under the terms served.
    pub(crate) judge: web_api::Judge,
    /// Who waits with what it trained, where members train at their own pace.
    pub(crate) buffer: std::sync::Mutex<super::buffer::Buffer>,
    /// The voted terms that the configuration did not make, and what file that was.
    pub(crate) tried: Option<super::changing::Tried>,
}

impl RoundService {
    /// Puts the model that is for sale where predictions are computed, if its file is here.
    pub(crate) fn shelve_released(&self) -> anyhow::Result<()> {
        let digest = self.store.view(|state| {
            let model = Name::new(self.config.federation.model.as_str()).ok()?;
            Some(state.model(&model)?.releases().last()?.digest)
        });
        let Some(model) = digest.map(|digest| self.vault.model(&digest)) else { return Ok(()) };
        match model {
            Ok(model) => (self.publish)(&model),
            Err(error) => {
                tracing::warn!("the model for sale cannot be computed here: {error:#}");
                Ok(())
            }
        }
    }

    /// Answers the coordinator until the link ends or the ledger fails.
    pub(crate) async fn run(mut self, mut inbox: Inbox) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(ADVANCE_EVERY_MS));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let inbound = tokio::select! {
                inbound = inbox.next_request() => inbound,
                _ = ticks.tick() => {
                    unless_passing(self.advance().await)?;
                    self.change_terms()?;
                    continue;
                }
            };
            let Some(Inbound { peer, body, reply }) = inbound else { break };
            let answer = match from_wire::<DaoRequest>(&body) {
                Ok(request) if !is_public(&request) && self.coordinator() != peer => {
                    DaoReply::Refused(Refusal::Stranger)
                }
                Ok(request) => match unless_passing(self.answer(request).await)? {
                    Some(answer) => answer,
                    // Whoever asked asks again, as after a restart of this node.
                    None => continue,
                },
                Err(_) => DaoReply::Refused(Refusal::Malformed),
            };
            if let DaoReply::Refused(refusal) = &answer {
                let reason = refusal.name();
                self.events
                    .emit(json!({"event": "refused", "peer": peer.to_string(), "reason": reason}));
            }
            if let Err(error) = reply.send(to_wire(&answer)) {
                tracing::debug!("an answer was not taken: {error}");
            }
        }
        anyhow::bail!("the network link ended")
    }

    fn coordinator(&self) -> PeerKey {
        PeerKey::from_bytes(*self.terms.unverified_body().coordinator().verifying.as_bytes())
    }

    async fn answer(&self, request: DaoRequest) -> anyhow::Result<DaoReply> {
        match request {
            DaoRequest::Terms => Ok(DaoReply::Terms(Box::new(self.terms.clone()))),
            DaoRequest::Voted { known } => Ok(self.voted(known).await.unwrap_or_else(|error| {
                // Nothing but reading was tried: whoever asks asks again.
                tracing::warn!("the evidence of a vote cannot be read: {error:#}");
                DaoReply::Wait { retry_ms: ADVANCE_EVERY_MS }
            })),
            DaoRequest::Join(request) => self.join(*request).await,
            DaoRequest::Grant => self.grant().await,
            DaoRequest::Model => self.offer(),
            DaoRequest::Trained(trained) => self.trained(trained),
            DaoRequest::Measure(sum) => self.measure(*sum),
            DaoRequest::Settle { receipt, opening } => self.settle(*receipt, *opening).await,
            DaoRequest::Abort { round, reason } => self.abort(round, reason).await,
            DaoRequest::Roster => {
                let listed = (self.store.size(), self.members());
                Ok(cohort::roster(self.terms.unverified_body(), listed, &self.key))
            }
            DaoRequest::HandKey(handed) => {
                let terms = self.terms.unverified_body();
                cohort::keep_key(&self.vault, terms, &self.members(), &self.key, *handed)
            }
        }
    }

    pub(super) fn federation<T>(&self, look: impl FnOnce(&Federation) -> T) -> anyhow::Result<T> {
        let found = self.store.view(|state| state.federation(&self.name).map(look));
        found.context("the federation is in the ledger since the node was founded")
    }

    /// The federation, and which keys members' devices have.
    pub(super) fn federation_and_keys<T>(
        &self,
        look: impl FnOnce((&Federation, &Keyring)) -> T,
    ) -> anyhow::Result<T> {
        let found = self.store.view(|state| {
            state.federation(&self.name).map(|federation| look((federation, state.keyring())))
        });
        found.context("the federation is in the ledger since the node was founded")
    }

    /// Who may take part: admitted, neither suspended nor gone, and agreed to the policy in force. Each by the key that its device
    /// has now, in increasing order: rounds know devices, the ledger knows members.
    pub(super) fn members(&self) -> Vec<VerifyingKey> {
        self.store.view(|state| {
            let keyring = state.keyring();
            let members = state.contributors(&self.name).into_iter();
            let mut devices: Vec<_> = members.map(|member| keyring.current(&member)).collect();
            devices.sort_unstable();
            devices
        })
    }

    /// Whether what members decided lets no round begin now: the federation is stopped, its validation set is overdue, other
    /// terms than those served here are in force, or too few agreed to the policy. Its bound on ε is a budget: see
    /// [`Self::end`].
    pub(super) fn waits_for_members(&self, cohort: usize) -> anyhow::Result<bool> {
        let served = self.terms.unverified_body().id();
        self.federation(|f| {
            let few = cohort < f.policy().minimum_cohort as usize;
            let voted_out = f.policy().terms != served;
            f.is_stopped() || f.is_reveal_overdue() || voted_out || few
        })
    }

    async fn join(&self, request: Signed<JoinRequest>) -> anyhow::Result<DaoReply> {
        let Ok(verified) = request.verify(Tag::Join) else {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        };
        let (device, body) = (*verified.signer(), verified.body());
        // A key that was replaced is nobody's any more.
        let Some(member) = self.store.view(|state| state.keyring().holder(&device)) else {
            return Ok(DaoReply::Refused(Refusal::NotInvited));
        };
        let Some(label) = self.admitted(&device, body) else {
            return Ok(DaoReply::Refused(Refusal::NotInvited));
        };
        if body.federation != self.terms.unverified_body().id() {
            return Ok(DaoReply::Refused(Refusal::WrongFederation));
        }
        let (known, count) =
            self.federation(|f| (f.members().contains_key(&member), f.members().len()))?;
        let custodian = Custodian { member: device, key: body.custody.clone() };
        if custodian.sealing(&body.federation).is_none() {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        }
        // What the log would refuse, were it in the clear.
        if !known && !(1..=MEMBER_LABEL_BYTES_MAX).contains(&label.len()) {
            return Ok(DaoReply::Refused(Refusal::Malformed));
        }
        if !known && count >= self.terms.unverified_body().encoding.contributors_max() {
            return Ok(DaoReply::Refused(Refusal::BadSet));
        }
        // Kept before the ledger names the member, so that a crash in between loses no key; of nobody else, or whoever has
        // the invitation's token could fill the lists with keys that nobody admits.
        let draw = body.draw;
        let is_member = |key: &VerifyingKey| {
            self.store.view(|state| {
                let federation = state.federation(&self.name);
                let member = state.keyring().holder(key);
                federation.zip(member).is_some_and(|(f, member)| f.members().contains_key(&member))
            })
        };
        custodians::keep(&self.vault, custodian, is_member)?;
        if !draws::keep(&self.vault, (device, draw), is_member)? {
            return Ok(DaoReply::Refused(Refusal::AlreadyAnswered));
        }
        if known {
            return Ok(DaoReply::Joined);
        }
        self.events.emit(json!({"event": "joined", "member": member.to_string(), "label": label}));
        self.joined_ms.store(running_ms(), std::sync::atomic::Ordering::Relaxed);
        // The log is for ever: what somebody is called stands beside it, where it can be erased.
        let label = self.store.keep_name(&salted(label)).await?;
        let admitted =
            MemberAdmitted { federation: self.name.clone(), member, label: label.clone() };
        match self.store.append(now_ms(), vec![Body::MemberAdmitted(admitted)]).await {
            Ok(_) => Ok(DaoReply::Joined),
            Err(AppendError::Refused { .. }) => {
                // Nothing names it.
                self.store.erase(&label).await?;
                Ok(DaoReply::Refused(Refusal::Malformed))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What who joins wants to be called, if it was invited.
    fn admitted(&self, member: &VerifyingKey, request: &JoinRequest) -> Option<String> {
        let sealing = SealingKey::derived_from(&self.key);
        let bound = (&request.federation, member);
        let admission = Admission::open(bound, &request.admission, &sealing).ok()?;
        let expected = Digest::of(Tag::Join, self.config.secrets.invitation_token.as_bytes());
        // Digests are compared, so that the time taken tells nothing about the token.
        (Digest::of(Tag::Join, admission.token.as_bytes()) == expected).then_some(admission.label)
    }

    /// The model from which the next round starts.
    pub(super) fn current_model(&self) -> anyhow::Result<Parameters> {
        match self.federation(Federation::model)? {
            Some(digest) => self.vault.model(&digest),
            None => Ok(self.initial.clone()),
        }
    }

    async fn settle(
        &self,
        receipt: Signed<RoundReceipt>,
        opening: ScalarOpening,
    ) -> anyhow::Result<DaoReply> {
        let terms = self.terms.unverified_body();
        let Ok(verified) =
            receipt.clone().verify_by(Tag::RoundReceipt, &terms.coordinator().verifying)
        else {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        };
        let body = verified.body();
        let logged = self.federation(|f| {
            f.settled().iter().find(|settled| settled.round == body.round.0).map(|s| s.index)
        })?;
        if let Some(entry) = logged {
            return Ok(DaoReply::Settled { entry });
        }
        let checked = tokio::task::block_in_place(|| self.check_receipt(&receipt, opening))?;
        let record = match checked {
            Ok(record) => record,
            Err(refusal) => return Ok(DaoReply::Refused(refusal)),
        };
        // Before the ledger names it; that of a round which the ledger then refuses is never looked at.
        self.vault.keep_settled(body.round.0, &record)?;
        let after = self.vault.model(&body.model_after)?;
        let test = tokio::task::block_in_place(|| self.evaluator.test(&after))?;
        // What members decided until now counts for this round's pay.
        self.keep_time().await?;
        let settled = self.store.view(|state| round_settled(state, &self.name, &receipt, &test));
        let Ok(settled) = settled else {
            return Ok(DaoReply::Refused(Refusal::BadSet));
        };
        let round = (settled.round, settled.model_after);
        let mut bodies = match settlement_bodies(settled) {
            Ok(bodies) => bodies,
            Err(refusal) => {
                tracing::warn!("the round does not fit the ledger: {refusal}");
                return Ok(DaoReply::Refused(Refusal::BadSet));
            }
        };
        // In one transaction: no crash leaves a federation that has ended and goes on.
        let ended = self.ended_by(round)?;
        let behind = u64::from(ended.is_some());
        bodies.extend(ended.map(Body::from));
        let appended = match self.store.append(now_ms(), bodies).await {
            Ok(appended) => appended,
            Err(AppendError::Refused { refusal, .. }) => {
                tracing::warn!("the ledger refuses the round: {refusal}");
                return Ok(DaoReply::Refused(Refusal::BadSet));
            }
            Err(error) => return Err(error.into()),
        };
        self.report(body, &test)?;
        self.advance().await?;
        // The last entry of a settlement is the one that settles.
        Ok(DaoReply::Settled { entry: appended.index + appended.count - 1 - behind })
    }

    /// Checks that the receipt is about the sum and the probes that this node answered, and that its values are
    /// what the parties' answers open to, and add up; the record of the round.
    fn check_receipt(
        &self,
        signed: &Signed<RoundReceipt>,
        opening: ScalarOpening,
    ) -> anyhow::Result<Result<SettledRecord, Refusal>> {
        let receipt = signed.unverified_body();
        let open = self.federation(|f| f.open_round().copied())?;
        if open.map(|open| open.round) != Some(receipt.round.0) {
            return Ok(Err(Refusal::WrongRound));
        }
        let probes: Option<Signed<ProbeOrder>> = self.vault.record(PROBES_FILE)?;
        let Some(probes) = probes else {
            return Ok(Err(Refusal::Unexpected));
        };
        let order = probes.unverified_body();
        let grant: Option<Signed<RoundGrant>> = self.vault.record(GRANT_FILE)?;
        let right = grant.as_ref() == Some(&receipt.grant)
            && receipt.federation == order.federation
            && order.round == receipt.round
            && receipt.probe == Digest::of_encoded(Tag::Probe, &probes)
            && receipt.model_after == order.model_after
            && receipt.accepted.tree().root() == order.set_root
            && self.vault.record::<Digest>(SUM_FILE)? == Some(receipt.sum);
        if !right {
            return Ok(Err(Refusal::BadSet));
        }
        if opening.digest() != receipt.opening {
            return Ok(Err(Refusal::Malformed));
        }
        let terms = self.terms.unverified_body();
        let sum: Option<Signed<RoundSum>> = self.vault.record(OPENED_FILE)?;
        let sum = sum.context("it is kept before the probes")?;
        let grant = receipt.grant.unverified_body();
        let products = SumProducts::of(terms, grant, sum.unverified_body(), order);
        let Ok(products) = products else { return Ok(Err(Refusal::BadSet)) };
        let values = ValueRecord { probes, opening };
        if let Err(fault) = check_values(terms, receipt, &values, &products) {
            tracing::warn!("round {} is not paid: {fault}", receipt.round);
            return Ok(Err(Refusal::BadSet));
        }
        Ok(Ok(SettledRecord { receipt: signed.clone(), sum, values }))
    }

    fn report(
        &self,
        receipt: &RoundReceipt,
        test: &trainer_model::Evaluation,
    ) -> anyhow::Result<()> {
        let epsilon = self.store.view(|state| state.epsilon_micro(state.federation(&self.name)?));
        let epsilon = epsilon.map(epsilon_from_micro);
        self.events.emit(json!({
            "event": "settled",
            "round": receipt.round.0,
            "participants": receipt.accepted.contributions().len(),
            "dropped": receipt.dropped.len(),
            "refused": receipt.refused.iter().map(|(_, count)| count).sum::<u64>(),
            "test_accuracy": test.accuracy,
            "test_loss": test.loss,
            "epsilon": epsilon,
        }));
        Ok(())
    }

    pub(super) async fn abort(&self, round: RoundId, reason: String) -> anyhow::Result<DaoReply> {
        let open = self.federation(|f| f.open_round().map(|open| open.round))?;
        if open != Some(round.0) {
            return Ok(DaoReply::Refused(Refusal::WrongRound));
        }
        let reason = match &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)] {
            // Which the ledger would refuse: what a coordinator says must not end this node.
            "" => "the coordinator gave no reason".to_owned(),
            reason => reason.to_owned(),
        };
        self.events.emit(json!({"event": "aborted", "round": round.0, "reason": reason}));
        let aborted = RoundAborted { federation: self.name.clone(), round: round.0, reason };
        let appended = self.store.append(now_ms(), vec![Body::RoundAborted(aborted)]).await?;
        Ok(DaoReply::Settled { entry: appended.index })
    }
}
