//! What the DAO node keeps of a settled round, so that others can recompute its values.

use aggregator_protocol::{RoundReceipt, RoundSum, ValueRecord};
use privacy_identity::{Decode, DecodeError, Encode, Reader, Signed, Writer};

/// The record of a settled round: about 5 bytes per parameter. It tells nothing that the cohort was not
/// told; with the model before and the validation table everything that was paid for follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct SettledRecord {
    /// The coordinator's receipt, which the ledger names.
    pub receipt: Signed<RoundReceipt>,
    /// The opened sum.
    pub sum: Signed<RoundSum>,
    /// The probes, and the parties' answers.
    pub values: ValueRecord,
}

impl Encode for SettledRecord {
    fn encode(&self, writer: &mut Writer) {
        self.receipt.encode(writer);
        self.sum.encode(writer);
        self.values.encode(writer);
    }
}

impl Decode for SettledRecord {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            receipt: Decode::decode(reader)?,
            sum: Decode::decode(reader)?,
            values: Decode::decode(reader)?,
        })
    }
}
