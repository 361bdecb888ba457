//! Files of a tar archive, one after the other.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format".

use std::io::{self, Read};

/// Headers and contents are padded to so many bytes.
const BLOCK_BYTES: usize = 512;

/// Gives each plain file of `archive` to `take`: the last part of its name, and what it holds.
pub(crate) fn for_each_file<E: From<io::Error>>(
    mut archive: impl Read,
    mut take: impl FnMut(&str, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut header = [0; BLOCK_BYTES];
    loop {
        archive.read_exact(&mut header)?;
        // Two blocks of zeros end an archive; one is enough to know.
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let size =
            octal(&header[124..136]).ok_or(io::ErrorKind::InvalidData).map_err(io::Error::from)?;
        let mut content = archive.by_ref().take(size);
        if matches!(header[156], b'0' | 0) {
            let name = header[..100].split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            take(name.rsplit('/').next().unwrap_or_default(), &mut content)?;
        }
        let mut rest = content.chain(io::empty());
        io::copy(&mut rest, &mut io::sink())?;
        let padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
        io::copy(&mut archive.by_ref().take(padding), &mut io::sink())?;
    }
}

/// A number in octal digits, with blanks or a zero behind it; of a plausible size.
fn octal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let number = u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()?;
    (number < 1 << 40).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, content: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK_BYTES];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        block[156] = b'0';
        block.extend_from_slice(content);
        block.resize(block.len().next_multiple_of(BLOCK_BYTES), 0);
        block
    }

    #[test]
    fn members_come_with_their_names_and_contents_read_or_not() {
        let archive = [member("a/one", b"1"), member("a/two", &[2; 600]), vec![0; 1024]].concat();
        let mut seen = Vec::new();
        for_each_file(&*archive, |name, content| {
            let mut bytes = Vec::new();
            if name == "two" {
                content.read_to_end(&mut bytes)?;
            }
            seen.push((name.to_owned(), bytes.len()));
            Ok::<_, io::Error>(())
        })
        .unwrap();
        assert_eq!(seen, [("one".to_owned(), 0), ("two".to_owned(), 600)]);
        let cut = for_each_file(&archive[..700], |_, _| Ok::<_, io::Error>(()));
        assert!(cut.is_err());
    }
}
