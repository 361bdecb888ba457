//! The chunks of a PNG file that its pixels come from.
//!
//! ```text
//! signature │ length, "IHDR", width, height …, checksum │ length, kind, bytes, checksum │ … │ "IEND"
//! ```
//!
//! Source: RFC 2083, sections 3.2 and 4.

/// Bytes before the first chunk.
const SIGNATURE: usize = 8;

/// A chunk beside its bytes: length, kind and checksum.
const FRAME: usize = 12;

/// What pixels come from; everything else is text, colour profiles, times and animations.
const NEEDED: [&[u8; 4]; 5] = [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"];

/// Width and height, by the first chunk.
pub(super) fn png_size(png: &[u8]) -> Option<(usize, usize)> {
    let Some((b"IHDR", header)) = chunk(png, SIGNATURE).map(|(kind, chunk)| (kind, &chunk[8..]))
    else {
        return None;
    };
    let side =
        |at: usize| header.get(at..)?.first_chunk().map(|side| u32::from_be_bytes(*side) as usize);
    Some((side(0)?, side(4)?))
}

/// The file with the chunks of [`NEEDED`] alone, as they are.
///
/// Threat: a decoder unpacks texts and profiles before anyone asked for the size of the picture, each up to a gibibyte, and a
/// file of some kilobytes may have many. So it never sees them. What remains it bounds by the size of the picture.
///
/// # Errors
/// A sentence if the file is cut off, or has a chunk without which it cannot be shown and that is not known.
pub(super) fn needed_chunks(png: &[u8]) -> Result<Vec<u8>, String> {
    let mut needed = png[..SIGNATURE.min(png.len())].to_vec();
    let mut at = SIGNATURE;
    loop {
        let (kind, chunk) = chunk(png, at).ok_or("the picture is cut off")?;
        if NEEDED.contains(&kind) {
            needed.extend_from_slice(chunk);
        } else if kind[0].is_ascii_uppercase() {
            // Section 3.3: a capital says that it cannot be left out.
            return Err(format!(
                "a PNG with a part that is not known, {:?}",
                kind.escape_ascii().to_string()
            ));
        }
        if kind == b"IEND" {
            return Ok(needed);
        }
        at += chunk.len();
    }
}

/// Kind and bytes, frame included, of the chunk at `at`.
fn chunk(png: &[u8], at: usize) -> Option<(&[u8; 4], &[u8])> {
    let rest = png.get(at..)?;
    let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    let chunk = rest.get(..length.checked_add(FRAME)?)?;
    Some((chunk[4..].first_chunk()?, chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(kinds: &[&[u8; 4]]) -> Vec<u8> {
        let chunk =
            |kind: &&[u8; 4]| [&[0, 0, 0, 8], &kind[..], b"\0\0\0\x03\0\0\0\x05", b"crc "].concat();
        [&b"\x89PNG\r\n\x1a\n"[..], &kinds.iter().flat_map(chunk).collect::<Vec<_>>()].concat()
    }

    #[test]
    fn texts_and_profiles_are_left_out_and_what_pixels_need_stays() {
        let file =
            png(&[b"IHDR", b"iCCP", b"PLTE", b"zTXt", b"tRNS", b"IDAT", b"acTL", b"IDAT", b"IEND"]);
        let needed = png(&[b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IDAT", b"IEND"]);
        assert_eq!(png_size(&file), Some((3, 5)));
        assert_eq!(needed_chunks(&file), Ok(needed));
    }

    #[test]
    fn a_file_that_is_cut_off_or_needs_more_than_is_known_is_refused() {
        let file = png(&[b"IHDR", b"IDAT", b"IEND"]);
        for end in 0..file.len() {
            assert_eq!(needed_chunks(&file[..end]), Err("the picture is cut off".to_owned()));
        }
        let other = needed_chunks(&png(&[b"IHDR", b"NEED", b"IEND"])).unwrap_err();
        assert!(other.contains("NEED"), "{other}");
        assert_eq!(png_size(&png(&[b"IDAT"])), None);
    }
}
