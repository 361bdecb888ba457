//! What starts a round: the DAO's grant and the coordinator's order.

use std::fmt;

use aggregator_strategy::{Draw, VrfPublicKey};
use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, VerifyingKey, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::{AGGREGATORS_MAX, Binding, EncodingParameters};

use crate::{CohortEpoch, Custodian};

/// A round's number within its federation, 0-based. Never used twice, not even after an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RoundId(pub u64);

impl RoundId {
    /// The highest number of a round: what databases count in.
    pub const MAX: Self = Self(i64::MAX as u64);
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for RoundId {
    fn encode(&self, writer: &mut Writer) {
        writer.u64(self.0);
    }
}

impl Decode for RoundId {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u64()? {
            round if round <= Self::MAX.0 => Ok(Self(round)),
            beyond => Err(DecodeError::invalid("round", beyond)),
        }
    }
}

/// The DAO node's leave to run one round: signed and logged. It names the cohort, so that an
/// aggregator cannot pad it with its own puppets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundGrant {
    /// Digest of the DAO's genesis entry.
    pub dao: Digest,
    /// The federation's id.
    pub federation: Digest,
    /// The round.
    pub round: RoundId,
    /// Digest of the model from which the cohort trains.
    pub model: Digest,
    /// Who may contribute, in increasing order.
    pub cohort: Vec<VerifyingKey>,
    /// The keys by which they draw, in their order, where members draw in secret; else none. Each member sees to it
    /// that its own is the one that it registered.
    pub draw_keys: Vec<VrfPublicKey>,
    /// Who holds the shares of the round's keys, in FHE mode: members of the cohort, in the order in
    /// which updates are sealed to them.
    pub custodians: Vec<Custodian>,
    /// The state of the cohort to which the model is sealed, in a federation that has one.
    pub cohort_epoch: Option<CohortEpoch>,
    /// Digest of the common control variate that comes with the model, where the terms ask for one.
    pub control: Option<Digest>,
}

impl RoundGrant {
    /// What a contribution of `member` to this round is bound to.
    #[must_use]
    pub const fn binding(&self, member: VerifyingKey) -> Binding {
        Binding {
            dao: self.dao,
            federation: self.federation,
            round: self.round.0,
            model: self.model,
            member,
        }
    }

    /// What is drawn for in this round.
    #[must_use]
    pub const fn draw(&self) -> Draw {
        Draw { federation: self.federation, round: self.round.0, beacon: self.model }
    }

    /// The key by which `member` draws; none if it is not in the cohort, or nobody draws.
    #[must_use]
    pub fn draw_key(&self, member: &VerifyingKey) -> Option<&VrfPublicKey> {
        self.draw_keys.get(self.cohort.binary_search(member).ok()?)
    }
}

impl Encode for RoundGrant {
    fn encode(&self, writer: &mut Writer) {
        self.dao.encode(writer);
        self.federation.encode(writer);
        self.round.encode(writer);
        self.model.encode(writer);
        list_to_writer(&self.cohort, writer);
        list_to_writer(&self.draw_keys, writer);
        list_to_writer(&self.custodians, writer);
        writer.u8(u8::from(self.cohort_epoch.is_some()));
        if let Some(epoch) = &self.cohort_epoch {
            epoch.encode(writer);
        }
        writer.u8(u8::from(self.control.is_some()));
        if let Some(control) = &self.control {
            control.encode(writer);
        }
    }
}

impl Decode for RoundGrant {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let grant = Self {
            dao: Decode::decode(reader)?,
            federation: Decode::decode(reader)?,
            round: Decode::decode(reader)?,
            model: Decode::decode(reader)?,
            cohort: list_from_reader(
                reader,
                "cohort",
                EncodingParameters::CONTRIBUTORS_MAX as usize,
            )?,
            draw_keys: list_from_reader(
                reader,
                "draw keys",
                EncodingParameters::CONTRIBUTORS_MAX as usize,
            )?,
            custodians: list_from_reader(reader, "custodians", AGGREGATORS_MAX)?,
            cohort_epoch: match reader.u8()? {
                0 => None,
                1 => Some(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("epoch of the cohort", other)),
            },
            control: match reader.u8()? {
                0 => None,
                1 => Some(Decode::decode(reader)?),
                other => return Err(DecodeError::invalid("control variate", other)),
            },
        };
        let (members, keys) = (grant.cohort.len(), grant.draw_keys.len());
        if keys != 0 && keys != members {
            return Err(DecodeError::invalid("draw keys", format!("{keys} for {members} members")));
        }
        if grant.cohort.is_sorted_by(|a, b| a < b) {
            Ok(grant)
        } else {
            Err(DecodeError::invalid("cohort", "not in strictly increasing order"))
        }
    }
}

/// The coordinator's order to the cohort: train from this model, submit before the deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundOrder {
    /// The DAO node's grant.
    pub grant: Signed<RoundGrant>,
    /// When the coordinator stops waiting, in milliseconds since the Unix epoch.
    pub deadline_ms: u64,
}

impl Encode for RoundOrder {
    fn encode(&self, writer: &mut Writer) {
        self.grant.encode(writer);
        writer.u64(self.deadline_ms);
    }
}

impl Decode for RoundOrder {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { grant: Decode::decode(reader)?, deadline_ms: reader.u64()? })
    }
}
