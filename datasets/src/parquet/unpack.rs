//! Pages as they were before they were compressed.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::ParquetError;

/// The largest page, packed or not: writers cut at a mebibyte unless told otherwise.
pub(super) const PAGE_BYTES_MAX: usize = 64 << 20;

/// Unpacks `packed`, which must give exactly `size` bytes.
pub(super) fn unpack(codec: i64, packed: &[u8], size: usize) -> Result<Vec<u8>, ParquetError> {
    let damaged = ParquetError::Damaged("a page cannot be unpacked");
    if size > PAGE_BYTES_MAX {
        return Err(ParquetError::Unsupported(format!(
            "a page takes more than {PAGE_BYTES_MAX} bytes"
        )));
    }
    let unpacked = match codec {
        0 => packed.to_vec(),
        1 => {
            // The length stands in front; it is looked at before memory is taken.
            if snap::raw::decompress_len(packed).ok() != Some(size) {
                return Err(damaged);
            }
            snap::raw::Decoder::new()
                .decompress_vec(packed)
                .map_err(|_why| ParquetError::Damaged("a page cannot be unpacked"))?
        }
        2 => {
            let mut bytes = Vec::new();
            MultiGzDecoder::new(packed)
                .take(size as u64 + 1)
                .read_to_end(&mut bytes)
                .map_err(|_why| ParquetError::Damaged("a page cannot be unpacked"))?;
            bytes
        }
        7 => lz4_block(packed, size).ok_or(ParquetError::Damaged("a page cannot be unpacked"))?,
        other => {
            let name = match other {
                3 => "LZO",
                4 => "Brotli",
                5 => "LZ4 in Hadoop's frame",
                6 => "zstd",
                _ => "something unknown",
            };
            return Err(ParquetError::Unsupported(format!("it is packed with {name}")));
        }
    };
    if unpacked.len() == size { Ok(unpacked) } else { Err(damaged) }
}

/// Unpacks a block of LZ4 ("LZ4 Block Format Description"): sequences of literals and of copies from behind.
fn lz4_block(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size.min(packed.len().saturating_mul(255)));
    let mut source = packed.iter().copied();
    let length = |nibble: u8, source: &mut dyn Iterator<Item = u8>| {
        let mut length = usize::from(nibble);
        if nibble == 15 {
            loop {
                let more = source.next()?;
                length = length.checked_add(usize::from(more))?;
                if more < 255 {
                    break;
                }
            }
        }
        Some(length)
    };
    while let Some(token) = source.next() {
        let literals = length(token >> 4, &mut source)?;
        if bytes.len() + literals > size || source.len() < literals {
            return None;
        }
        bytes.extend(source.by_ref().take(literals));
        let Some(low) = source.next() else { break };
        let distance = usize::from(u16::from_le_bytes([low, source.next()?]));
        let copied = length(token & 15, &mut source)?.checked_add(4)?;
        let start = bytes.len().checked_sub(distance).filter(|_| distance > 0)?;
        if copied > size - bytes.len() {
            return None;
        }
        for at in start..start + copied {
            bytes.push(bytes[at]);
        }
    }
    Some(bytes)
}
