//! Domain-separation tags: one per use of a hash, a signature or an encryption.

/// What a digest, signature or ciphertext is for.
///
/// Threat: without separation, bytes signed as one kind of message could be presented as another
/// kind with the same encoding. Every digest, signature and HPKE context starts with one of these.
/// The strings are part of the wire format: append, never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tag {
    /// Digest of a model's architecture and parameters.
    Model,
    /// Digest of a table of examples (the commitment to a validation set).
    Dataset,
    /// Digest of a federation's terms.
    Terms,
    /// The order of a round, signed by the coordinator.
    RoundOrder,
    /// The grant of a round, signed by the DAO node.
    RoundGrant,
    /// A sealed update, signed by its contributor.
    SealedUpdate,
    /// An aggregator's acknowledgement of a sealed update.
    Acknowledgement,
    /// The accepted set of a round.
    AcceptedSet,
    /// An aggregator's summed share.
    SumShare,
    /// The packed share of a sum, as its commitment names it.
    PackedShare,
    /// The opened sum of a round, signed by the coordinator.
    RoundSum,
    /// The probes of a round, signed by the DAO node.
    Probe,
    /// An aggregator's shares of the opened scalars.
    ScalarShares,
    /// A round receipt, signed by each aggregator.
    RoundReceipt,
    /// A member's objection to what a round pays, signed by that member.
    Dispute,
    /// The HPKE context of one share of an update.
    ShareEnvelope,
    /// The key of the keystream that expands a seed into a share.
    SeedExpansion,
    /// A member's request to join a federation.
    Join,
    /// A ballot, signed by its voter.
    Ballot,
    /// A proposal, signed by its proposer.
    Proposal,
    /// A proof of possession by which a member authenticates a request.
    MemberRequest,
    /// A receipt of a prediction.
    PredictionReceipt,
    /// The hash under which an API key is stored.
    ApiKey,
    /// Derivation of a transfer's id from what caused it.
    TransferId,
    /// Derivation of an account's id from its owner and purpose.
    AccountId,
    /// Digest of the input of a prediction.
    PredictionInput,
    /// Derivation of a libp2p or sealing key from a process's seed.
    KeyDerivation,
    /// The request that carries an update's delivery between aggregators.
    Delivery,
    /// A member's key for shares of keys, signed by the member.
    CustodyKey,
    /// A custodian's word on the accepted set of a round.
    SetEcho,
    /// What seeds the checks of norm proofs in one round.
    Challenge,
    /// What a proof of an update's norm is bound to.
    NormProof,
    /// The transcript from which the public mask of a round is expanded.
    RoundMask,
    /// Whom the DAO admitted to a federation, signed by its node.
    Roster,
    /// A member's hand-over of the cohort's key of models to the DAO node.
    KeyHandOver,
    /// The HPKE context of that key.
    ModelKeyEnvelope,
    /// The HPKE context of what admits a member.
    Admission,
    /// The seed by which a round's cohort, or its groups, are drawn in public.
    CohortDraw,
    /// The signed shares from which a round's scalars were opened.
    ScalarOpening,
    /// Work that an aggregator shares among its processes, signed by itself.
    SharedWork,
    /// What came of a batch of it, signed by itself.
    WorkedBatch,
    /// The HPKE context of what came of a batch.
    WorkedBatchEnvelope,
    /// What a sealed ballot commits to.
    BallotCommitment,
    /// A ballot whose choice is not told yet, signed by its voter.
    SealedBallot,
    /// A member's words for a vote, which only their digest reaches the log.
    BallotReason,
    /// The id of a prediction whose request has a name of its own.
    PredictionName,
    /// Digest of a document that members were shown before they took credits away.
    Evidence,
    /// Digest of the name of the rules by which a log is read.
    Rules,
    /// That a federation runs no more rounds, signed by the DAO node.
    FederationEnd,
    /// That a round was given up, signed by the coordinator.
    RoundAbort,
    /// Digest of a common control variate, as a grant names it.
    ControlVariate,
    /// Commitments to shares of a key, and the proof that they belong together.
    KeyDealing,
    /// A model to train from at one's own pace, signed by the DAO node.
    ModelOffer,
    /// A contributor's word that it trained from such a model.
    ModelTrained,
}

impl Tag {
    /// The tag's bytes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "sahakar/model/v1",
            Self::Dataset => "sahakar/dataset/v1",
            Self::Terms => "sahakar/terms/v1",
            Self::RoundOrder => "sahakar/round-order/v1",
            Self::RoundGrant => "sahakar/round-grant/v1",
            Self::SealedUpdate => "sahakar/sealed-update/v1",
            Self::Acknowledgement => "sahakar/acknowledgement/v1",
            Self::AcceptedSet => "sahakar/accepted-set/v1",
            Self::SumShare => "sahakar/sum-share/v1",
            Self::PackedShare => "sahakar/packed-share/v1",
            Self::RoundSum => "sahakar/round-sum/v1",
            Self::Probe => "sahakar/probe/v1",
            Self::ScalarShares => "sahakar/scalar-shares/v1",
            Self::RoundReceipt => "sahakar/round-receipt/v1",
            Self::Dispute => "sahakar/dispute/v1",
            Self::ShareEnvelope => "sahakar/share-envelope/v1",
            Self::SeedExpansion => "sahakar/seed-expansion/v1",
            Self::Join => "sahakar/join/v1",
            Self::Ballot => "sahakar/ballot/v2",
            Self::Proposal => "sahakar/proposal/v2",
            Self::MemberRequest => "sahakar/member-request/v1",
            Self::PredictionReceipt => "sahakar/prediction-receipt/v1",
            Self::ApiKey => "sahakar/api-key/v1",
            Self::TransferId => "sahakar/transfer-id/v1",
            Self::AccountId => "sahakar/account-id/v1",
            Self::PredictionInput => "sahakar/prediction-input/v1",
            Self::KeyDerivation => "sahakar/key-derivation/v1",
            Self::Delivery => "sahakar/delivery/v1",
            Self::CustodyKey => "sahakar/custody-key/v1",
            Self::SetEcho => "sahakar/set-echo/v1",
            Self::Challenge => "sahakar/challenge/v1",
            Self::NormProof => "sahakar/norm-proof/v1",
            Self::RoundMask => "sahakar/round-mask/v1",
            Self::Roster => "sahakar/roster/v1",
            Self::KeyHandOver => "sahakar/key-hand-over/v1",
            Self::ModelKeyEnvelope => "sahakar/model-key-envelope/v1",
            Self::Admission => "sahakar/admission/v1",
            Self::CohortDraw => "sahakar/cohort-draw/v1",
            Self::ScalarOpening => "sahakar/scalar-opening/v1",
            Self::SharedWork => "sahakar/shared-work/v1",
            Self::WorkedBatch => "sahakar/worked-batch/v1",
            Self::WorkedBatchEnvelope => "sahakar/worked-batch-envelope/v1",
            Self::BallotCommitment => "sahakar/ballot-commitment/v1",
            Self::SealedBallot => "sahakar/sealed-ballot/v1",
            Self::BallotReason => "sahakar/ballot-reason/v1",
            Self::PredictionName => "sahakar/prediction-name/v1",
            Self::Evidence => "sahakar/evidence/v1",
            Self::Rules => "sahakar/rules-name/v1",
            Self::FederationEnd => "sahakar/federation-end/v1",
            Self::RoundAbort => "sahakar/round-abort/v1",
            Self::ControlVariate => "sahakar/control-variate/v1",
            Self::KeyDealing => "sahakar/key-dealing/v1",
            Self::ModelOffer => "sahakar/model-offer/v1",
            Self::ModelTrained => "sahakar/model-trained/v1",
        }
    }
}
