//! The evidence that members voted for a federation's terms: what an aggregator has checked before it follows them.
//!
//! ```text
//!  content ──digest──► id ◄── ProposalExecuted { id } ──inclusion──► root ──signed──► the DAO node's key
//!     └─ SetPrivacyPolicy { federation, policy.terms } ═ digest of the terms
//! ```
//!
//! **Threat.** Terms that the DAO node signs and nobody voted for. It keeps the log, and could write an execution into it
//! that did not happen; but then it is in the log, under its signature, for ever: whoever audits the log finds that entry, and a
//! log that is shown without it is a fork that witnesses prove. So an aggregator need not replay the ledger itself.
//!
//! **Not shown**: that no later proposal replaced the policy. An aggregator follows only later entries than the last one
//! that it followed, so that it is not led back to terms that were voted out.

use aggregator_protocol::FederationTerms;
use anyhow::{Context as _, bail, ensure};
use data_dao_governance::{Action, ProposalContent};
use data_dao_journal::{Body, Entry, ProposalExecuted};
use data_dao_ledger::Name;
use data_dao_log::{Kind, TlogProof, Verifier};
use data_dao_store::Store;
use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, Writer};

/// Longest content of a proposal as JSON, in bytes: it stood in an entry.
const CONTENT_BYTES_MAX: usize = 64 << 10;
/// Longest proof, in bytes: an entry in base64, hashes, and a checkpoint with 64 cosignatures.
const PROOF_BYTES_MAX: usize = 440 << 10;

/// The name of a DAO's log: that of its first federation.
pub(crate) fn log_origin(federation: &str) -> String {
    format!("sahakar/{federation}")
}

/// That members voted for terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteEvidence {
    /// What was proposed, as JSON: its digest is the proposal's id.
    content: Vec<u8>,
    /// That the proposal was executed: C2SP tlog-proof, with the entry in it.
    proof: String,
}

impl Encode for VoteEvidence {
    fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.content);
        writer.text(&self.proof);
    }
}

impl Decode for VoteEvidence {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let content = reader.bytes("content of a proposal", CONTENT_BYTES_MAX)?.to_vec();
        Ok(Self { content, proof: reader.text("proof of an entry", PROOF_BYTES_MAX)? })
    }
}

impl VoteEvidence {
    /// The evidence for `terms` of `federation` in a ledger: of the newest executed proposal that put them in force, if
    /// there is one.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn of(
        store: &Store,
        federation: &Name,
        terms: Digest,
    ) -> anyhow::Result<Option<Self>> {
        let found = store.view(|state| {
            let executed = state.proposals().iter().filter_map(|(_, proposal)| {
                let content = proposal.content();
                let says = puts_in_force(content, federation.as_str(), &terms);
                proposal.executed_by().filter(|_| says).map(|index| (index, content.clone()))
            });
            executed.max_by_key(|(index, _)| *index)
        });
        let Some((index, content)) = found else { return Ok(None) };
        let entry = store.entry(index).await?.context("an executed proposal is in the log")?;
        let proof = store.prove(index)?.to_tlog_proof(Some(&entry.leaf));
        let content = serde_json::to_vec(&content).context("writing a proposal's content")?;
        Ok(Some(Self { content, proof }))
    }

    /// Checks that members put `terms` in force, and returns the entry of the ledger with which they did.
    ///
    /// * `terms` — signed by their DAO node, whose key signs the log, too: the caller checked that it trusts this one.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self, terms: &FederationTerms) -> anyhow::Result<u64> {
        let proof = TlogProof::parse(&self.proof).context("the proof")?;
        let log = Verifier::new(&log_origin(&terms.name), Kind::Log, terms.dao_node)?;
        proof.checkpoint.signed_by(&log).context("the checkpoint")?;
        let leaf = proof.verify(None).context("the proof")?;
        let entry = Entry::from_leaf(leaf).context("what is proven is no entry")?;
        let Body::ProposalExecuted(ProposalExecuted { proposal }) = entry.body else {
            bail!("the entry is a {}, not the execution of a proposal", entry.body.kind());
        };
        let content: ProposalContent =
            serde_json::from_slice(&self.content).context("the content of the proposal")?;
        ensure!(content.id() == proposal, "the content is not that of the proposal {proposal}");
        ensure!(content.dao == terms.dao, "the proposal is one of another DAO");
        let digest = terms.id();
        ensure!(
            puts_in_force(&content, &terms.name, &digest),
            "the proposal {proposal} does not put the terms {digest} in force"
        );
        Ok(proof.inclusion.index)
    }
}

/// Whether executing this puts `terms` of `federation` in force.
fn puts_in_force(content: &ProposalContent, federation: &str, terms: &Digest) -> bool {
    content.actions.iter().any(|action| {
        matches!(action, Action::SetPrivacyPolicy { federation: of, policy }
            if of == federation && policy.terms == *terms)
    })
}
