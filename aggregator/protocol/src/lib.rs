//! Messages of a round, their ids and wire form: pure.
//!
//! ```text
//!  contributor                coordinator (first aggregator)      other aggregators        DAO node
//!      │ Join ──────────────────────►│ Join ─────────────────────────────┼──────────────────►│
//!      │                             │ Grant ────────────────────────────┼──────────────────►│ logs
//!      │ Cohort(Offer, Sync, Commit)►│ CohortNews; Roster ───────────────┼──────────────────►│ signs
//!      │ Cohort(HandKey) ───────────►│ HandKey ──────────────────────────┼──────────────────►│ keeps
//!      │ Model, Trained (buffer) ────►│ Model, Trained ───────────────────┼──────────────────►│ offers, counts
//!      │ Fetch ─────────────────────►│ Signed<RoundOrder>, model         │                   │
//!      │ Submit(SealedUpdate) ──────►│ Signed<Acknowledgement>           │                   │
//!      │                             │ Prepare(deliveries) ─────────────►│ refused members   │
//!      │                             │ Sum(accepted set) ───────────────►│ share of the sum  │
//!      │                             │ Measure(sum) ─────────────────────┼──────────────────►│ probes
//!      │                             │ Score(probes) ───────────────────►│ scalar shares     │
//!      │                             │ Settle(receipt, ScalarOpening) ───┼──────────────────►│ checks, credits
//!      │ Receipt ───────────────────►│ receipt, inclusion proof          │                   │
//!      │ Sum ───────────────────────►│ Signed<RoundSum>                  │                   │
//!      │ Values ────────────────────►│ ValueRecord                       │                   │
//! ```
//!
//! Requests go upward only. Each has one answer and may be repeated: whoever answers gives the same
//! answer again. A message starts with the version of the wire form; others are refused by number.

mod aggregation;
mod cohort;
mod contribution;
mod dao;
mod federation_end;
mod group;
mod noise;
mod offer;
mod order;
mod personal;
mod prepared;
mod receipt;
mod refusal;
mod scalar_opening;
mod sealing;
mod terms;
mod training;
mod version;

pub use aggregation::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Evidence, ProbeOrder, SCALARS, ScalarShares,
    SetEcho, SumCommitment,
};
pub use cohort::{
    COMMIT_BYTES_MAX, CohortEpoch, CohortNews, CohortRequest, CohortTerms, KeyHandOver,
    NEWS_COMMITS_MAX, PACKAGE_BYTES_MAX, Roster, Welcome, checked_roster,
};
pub use contribution::{
    Acknowledgement, ContributorReply, ContributorRequest, FetchedReceipt, JoinRequest,
    ticket_from_reader, ticket_to_writer,
};
pub use dao::{DaoReply, DaoRequest, EVIDENCE_BYTES_MAX, RoundSum};
pub use federation_end::{EndReason, FederationEnd};
pub use group::{GroupProbes, GroupSum};
pub use noise::NoiseTerms;
pub use offer::{ModelOffer, ModelTrained};
pub use order::{RoundGrant, RoundId, RoundOrder};
pub use personal::{DriftTerms, PersonalTerms};
pub use prepared::PreparedPart;
pub use receipt::{OpenedScalars, RoundAbort, RoundReceipt};
pub use refusal::Refusal;
pub use scalar_opening::{PartyScalars, ScalarOpening, ValueRecord};
pub use sealing::{Custodian, CustodyKey, CustodyTerms, SealingTerms};
pub use terms::{FederationTerms, SchemaTerms, TermsError};
pub use training::{LocalWork, TrainingTerms};
pub use version::{MESSAGE_BYTES_MAX, WIRE_VERSION, from_wire, to_wire};

#[cfg(test)]
mod tests;
