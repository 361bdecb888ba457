//! Bytes as hexadecimal text, without taking memory: keys and digests are most of what a ledger's entries say.

use std::fmt;

/// Longest value that is shown: a signature.
const BYTES_MAX: usize = 64;

/// Writes `bytes`, at most 64, in lower-case hexadecimal digits.
pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [0; 2 * BYTES_MAX];
    let digits = digits.get_mut(..2 * bytes.len()).ok_or(fmt::Error)?;
    hex::encode_to_slice(bytes, digits).map_err(|_source| fmt::Error)?;
    f.write_str(std::str::from_utf8(digits).map_err(|_source| fmt::Error)?)
}
