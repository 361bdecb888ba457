//! From what the scalars of a round were opened: kept, so that others than the coordinator can open them again.

use privacy_identity::{
    Decode, DecodeError, Digest, Encode, Reader, Signed, Tag, Writer, list_from_reader,
    list_to_writer,
};
use privacy_secagg::AGGREGATORS_MAX;

use crate::{ProbeOrder, ScalarShares};

/// The answer of one party to a probe order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyScalars {
    /// Its place: 0 is the coordinator.
    pub place: u8,
    /// What it signed.
    pub shares: Signed<ScalarShares>,
}

impl Encode for PartyScalars {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.place);
        self.shares.encode(writer);
    }
}

impl Decode for PartyScalars {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { place: reader.u8()?, shares: Decode::decode(reader)? })
    }
}

/// The parties' signed shares of the scalars of a round, in increasing order of places, the coordinator's
/// first. The receipt names its digest.
///
/// It tells nothing that the opened scalars do not: each contributor's shares are uniform but for their
/// sum (MPC modes), or are on a random polynomial through it (FHE mode).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalarOpening(Vec<PartyScalars>);

impl ScalarOpening {
    /// The opening from these answers.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] if the coordinator's is not the first, or a place occurs twice or out of order.
    pub fn new(parties: Vec<PartyScalars>) -> Result<Self, DecodeError> {
        let first = parties.first().is_some_and(|party| party.place == 0);
        if first && parties.is_sorted_by(|a, b| a.place < b.place) {
            Ok(Self(parties))
        } else {
            Err(DecodeError::invalid("scalar opening", "places must increase from 0"))
        }
    }

    /// The answers.
    #[must_use]
    pub fn parties(&self) -> &[PartyScalars] {
        &self.0
    }

    /// The digest that the receipt names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_encoded(Tag::ScalarOpening, self)
    }
}

impl Encode for ScalarOpening {
    fn encode(&self, writer: &mut Writer) {
        list_to_writer(&self.0, writer);
    }
}

impl Decode for ScalarOpening {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // The coordinator and as many others.
        Self::new(list_from_reader(reader, "scalar opening", AGGREGATORS_MAX + 1)?)
    }
}

/// All that the values of a settled round follow from, beside its sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueRecord {
    /// The probes.
    pub probes: Signed<ProbeOrder>,
    /// From what the scalars were opened.
    pub opening: ScalarOpening,
}

impl Encode for ValueRecord {
    fn encode(&self, writer: &mut Writer) {
        self.probes.encode(writer);
        self.opening.encode(writer);
    }
}

impl Decode for ValueRecord {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { probes: Decode::decode(reader)?, opening: Decode::decode(reader)? })
    }
}
