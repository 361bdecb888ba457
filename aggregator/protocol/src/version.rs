//! The frame of every message: a version byte, then the message.

use privacy_identity::{Decode, DecodeError, Encode};

/// The version of the wire form that this build speaks. 2: sealing modes, custodians, cohorts.
/// 3: parts in batches, answers that name their round. 4: cohorts that are drawn, tickets, schedules of learning
/// rates, receipts that name the shares of their scalars. 5: probes as Rice codes, a contrast beside value and innovation,
/// early stopping, personal models and control variates in the terms, ends and aborts that are signed. 6: rounds with a
/// buffer, models to train from and the word that they were trained from. 7: what admits a member is sealed to the DAO node.
pub const WIRE_VERSION: u8 = 7;

/// Largest message: an update of 20 million parameters with a proof of its norm takes 161 MB.
pub const MESSAGE_BYTES_MAX: usize = 192 << 20;

/// The wire form of `message`.
pub fn to_wire(message: &impl Encode) -> Vec<u8> {
    let mut writer = privacy_identity::Writer::default();
    writer.u8(WIRE_VERSION);
    message.encode(&mut writer);
    writer.into_bytes()
}

/// Reads a message from its wire form.
///
/// # Errors
/// [`DecodeError`]; another version is named in the error, so that its owner can be told to update.
pub fn from_wire<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    match bytes.split_first() {
        Some((&WIRE_VERSION, message)) => T::from_bytes(message),
        Some((version, _)) => Err(DecodeError::invalid(
            "version",
            format!("peer speaks wire version {version}, this build speaks {WIRE_VERSION}"),
        )),
        None => Err(DecodeError::Truncated { needed: 1, left: 0 }),
    }
}
