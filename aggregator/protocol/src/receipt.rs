//! What remains of a round.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::{AGGREGATORS_MAX, EncodingParameters};

use crate::{AcceptedSet, Refusal, RoundGrant, RoundId, SumCommitment};

/// The scalars that are opened of one contribution, in units of
/// [`EncodingParameters::value_unit`], divided by the number of contributions (towards zero).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedScalars {
    /// φ: what the contribution did to the validation loss; positive is better.
    pub value: i64,
    /// The same along the part of the probe that past updates do not explain.
    pub innovation: i64,
    /// The same along a contrast of the validation set's shards: zero in expectation, as wide as the value's error.
    pub contrast: i64,
}

/// The record of a settled round, signed by the coordinator; the other aggregators' commitments are
/// inside. Its digest is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundReceipt {
    /// The DAO node's grant: who was invited, and in FHE mode who kept the keys.
    pub grant: Signed<RoundGrant>,
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Digest of the model before.
    pub model_before: Digest,
    /// Digest of the model after.
    pub model_after: Digest,
    /// Digest of the opened sum.
    pub sum: Digest,
    /// Digest of the signed probe order.
    pub probe: Digest,
    /// Digest of the signed shares from which the scalars were opened ([`crate::ScalarOpening`]).
    pub opening: Digest,
    /// The accepted set.
    pub accepted: AcceptedSet,
    /// The scalars, in the order of the accepted set.
    pub scalars: Vec<OpenedScalars>,
    /// Members of the cohort that sent nothing in time.
    pub dropped: Vec<VerifyingKey>,
    /// Refused messages by reason.
    pub refused: Vec<(Refusal, u64)>,
    /// The other aggregators' commitments to the same set.
    pub commitments: Vec<Signed<SumCommitment>>,
}

/// That a round was given up, signed by the coordinator.
///
/// Threat: whoever carries messages and tells a contributor that nothing will be paid for its update. Signed it is
/// evidence: of a round that the ledger settled, it convicts the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundAbort {
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Why.
    pub reason: String,
}

impl RoundAbort {
    /// Longest reason, in bytes.
    pub const REASON_BYTES_MAX: usize = 512;
}

impl Encode for RoundAbort {
    fn encode(&self, writer: &mut Writer) {
        self.federation.encode(writer);
        self.round.encode(writer);
        writer.text(&self.reason);
    }
}

impl Decode for RoundAbort {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            federation: Decode::decode(reader)?,
            round: Decode::decode(reader)?,
            reason: reader.text("reason", Self::REASON_BYTES_MAX)?,
        })
    }
}

const CONTRIBUTORS_MAX: usize = EncodingParameters::CONTRIBUTORS_MAX as usize;
/// Reasons there are at most.
const REFUSALS_MAX: usize = 256;

impl Encode for RoundReceipt {
    fn encode(&self, writer: &mut Writer) {
        self.grant.encode(writer);
        self.federation.encode(writer);
        self.round.encode(writer);
        for digest in [&self.model_before, &self.model_after] {
            digest.encode(writer);
        }
        for digest in [&self.sum, &self.probe, &self.opening] {
            digest.encode(writer);
        }
        self.accepted.encode(writer);
        writer.u32(u32::try_from(self.scalars.len()).expect("at most CONTRIBUTORS_MAX"));
        for OpenedScalars { value, innovation, contrast } in &self.scalars {
            writer.i64(*value);
            writer.i64(*innovation);
            writer.i64(*contrast);
        }
        list_to_writer(&self.dropped, writer);
        writer.u32(u32::try_from(self.refused.len()).expect("fewer than 256 reasons"));
        for (refusal, count) in &self.refused {
            refusal.encode(writer);
            writer.u64(*count);
        }
        list_to_writer(&self.commitments, writer);
    }
}

impl Decode for RoundReceipt {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let grant = Decode::decode(reader)?;
        let (federation, round) = (Decode::decode(reader)?, Decode::decode(reader)?);
        let (model_before, model_after) = (Decode::decode(reader)?, Decode::decode(reader)?);
        let (sum, probe) = (Decode::decode(reader)?, Decode::decode(reader)?);
        let opening = Decode::decode(reader)?;
        let accepted: AcceptedSet = Decode::decode(reader)?;
        let length = reader.length("scalars", CONTRIBUTORS_MAX)?;
        if length != accepted.contributions().len() {
            return Err(DecodeError::invalid("scalars", "those of each contribution are needed"));
        }
        let mut opened = || {
            let (value, innovation) = (reader.i64()?, reader.i64()?);
            Ok(OpenedScalars { value, innovation, contrast: reader.i64()? })
        };
        let scalars = (0..length).map(|_| opened()).collect::<Result<_, DecodeError>>()?;
        let dropped = list_from_reader(reader, "dropped", CONTRIBUTORS_MAX)?;
        let length = reader.length("refused", REFUSALS_MAX)?;
        let mut count = || Ok((Decode::decode(reader)?, reader.u64()?));
        let refused = (0..length).map(|_| count()).collect::<Result<_, DecodeError>>()?;
        let commitments = list_from_reader(reader, "commitments", AGGREGATORS_MAX)?;
        Ok(Self {
            grant,
            federation,
            round,
            model_before,
            model_after,
            sum,
            probe,
            opening,
            accepted,
            scalars,
            dropped,
            refused,
            commitments,
        })
    }
}
