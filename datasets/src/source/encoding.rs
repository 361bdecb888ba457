//! Text in other encodings than UTF-8, as UTF-8.

use std::{
    fmt,
    io::{self, Read},
};

/// How text is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8.
    Utf8,
    /// UTF-16, the low byte first: what Excel calls "Unicode text".
    Utf16Le,
    /// UTF-16, the high byte first.
    Utf16Be,
    /// Windows-1252, a byte a character: older western European spreadsheets.
    Windows1252,
}

/// Characters of the bytes 0x80 to 0x9f; the five that Windows leaves undefined are themselves, as in the WHATWG
/// Encoding Standard, index windows-1252.
#[rustfmt::skip]
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// How much is decoded at once.
const CHUNK_BYTES: usize = 16 << 10;

impl TextEncoding {
    /// Guesses from the beginning of a text; `None` if it is no text.
    ///
    /// * `head` — the first bytes; may end within a character.
    /// * `whole` — whether that is all there is.
    pub(crate) fn of(head: &[u8], whole: bool) -> Option<Self> {
        if head.starts_with(&[0xff, 0xfe]) {
            return Some(Self::Utf16Le);
        }
        if head.starts_with(&[0xfe, 0xff]) {
            return Some(Self::Utf16Be);
        }
        let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|b| **b == 0).count();
        let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
        if even + odd > 0 {
            // Latin text in UTF-16: nearly every other byte is zero, and no byte between them.
            return match (even * 10, odd * 10) {
                (0, n) if n >= half * 9 => Some(Self::Utf16Le),
                (n, 0) if n >= half * 9 => Some(Self::Utf16Be),
                _ => None,
            };
        }
        match std::str::from_utf8(head) {
            Ok(_) => Some(Self::Utf8),
            Err(error) if error.error_len().is_none() && !whole => Some(Self::Utf8),
            Err(_) => {
                let control = |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r' | 0x0c);
                let undefined = |b: &u8| matches!(*b, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d | 0x7f);
                let odd = head.iter().any(|b| control(b) || undefined(b));
                (!odd).then_some(Self::Windows1252)
            }
        }
    }
}

impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 (low byte first)",
            Self::Utf16Be => "UTF-16 (high byte first)",
            Self::Windows1252 => "Windows-1252",
        })
    }
}

/// A text as UTF-8. What is UTF-8 already is passed on unseen; whoever reads it checks it.
pub(crate) struct Utf8<R> {
    source: R,
    encoding: TextEncoding,
    decoded: Vec<u8>,
    given: usize,
    /// A byte of half a unit, and the first half of a pair.
    odd: Option<u8>,
    high: Option<u16>,
    ended: bool,
}

impl<R: Read> Utf8<R> {
    pub(crate) const fn new(source: R, encoding: TextEncoding) -> Self {
        let decoded = Vec::new();
        Self { source, encoding, decoded, given: 0, odd: None, high: None, ended: false }
    }

    fn push(&mut self, character: char) {
        let mut buffer = [0; 4];
        self.decoded.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
    }

    fn push_unit(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                return self.push(character);
            }
            // A half without its other half: the character that stands for "none".
            self.push(char::REPLACEMENT_CHARACTER);
        }
        match char::from_u32(u32::from(unit)) {
            Some(character) => self.push(character),
            None if unit < 0xdc00 => self.high = Some(unit),
            None => self.push(char::REPLACEMENT_CHARACTER),
        }
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut chunk = [0; CHUNK_BYTES];
        let read = self.source.read(&mut chunk)?;
        (self.given, self.ended) = (0, read == 0);
        self.decoded.clear();
        match self.encoding {
            TextEncoding::Windows1252 => {
                for byte in &chunk[..read] {
                    let at = usize::from(byte.wrapping_sub(0x80));
                    self.push(WINDOWS_1252.get(at).copied().unwrap_or(char::from(*byte)));
                }
            }
            _ => {
                for byte in &chunk[..read] {
                    match self.odd.take() {
                        None => self.odd = Some(*byte),
                        Some(first) if self.encoding == TextEncoding::Utf16Be => {
                            self.push_unit(u16::from_be_bytes([first, *byte]));
                        }
                        Some(first) => self.push_unit(u16::from_le_bytes([first, *byte])),
                    }
                }
                if self.ended && (self.odd.take().is_some() || self.high.take().is_some()) {
                    self.push(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.encoding == TextEncoding::Utf8 {
            return self.source.read(buffer);
        }
        while self.given == self.decoded.len() && !self.ended {
            self.refill()?;
        }
        let rest = &self.decoded[self.given..];
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        self.given += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(bytes: &[u8], encoding: TextEncoding) -> String {
        let mut text = String::new();
        Utf8::new(bytes, encoding).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_encoding_is_told_by_content() {
        let check = |bytes: &[u8], expected| {
            assert_eq!(TextEncoding::of(bytes, true), expected, "{bytes:?}");
        };
        check("größe,ja\n".as_bytes(), Some(TextEncoding::Utf8));
        check(b"gr\xf6\xdfe,ja\n", Some(TextEncoding::Windows1252));
        check(b"a\0,\0b\0\n\0", Some(TextEncoding::Utf16Le));
        check(b"\0a\0,\0b\0\n", Some(TextEncoding::Utf16Be));
        check(b"\xff\xfea\0", Some(TextEncoding::Utf16Le));
        check(b"a\0\0\0\x01", None);
        check(b"\xf6\x01\x02", None);
        assert_eq!(TextEncoding::of(b"gr\xc3", false), Some(TextEncoding::Utf8), "cut within ö");
        assert_eq!(TextEncoding::of(b"gr\xc3", true), Some(TextEncoding::Windows1252));
    }

    #[test]
    fn windows_1252_is_decoded() {
        assert_eq!(decoded(b"5 \x80, gr\xf6\xdfe", TextEncoding::Windows1252), "5 €, größe");
    }

    proptest! {
        #[test]
        fn utf_16_comes_back(text in ".{0,200}") {
            let units: Vec<u16> = text.encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            prop_assert_eq!(decoded(&little, TextEncoding::Utf16Le), text.clone());
            prop_assert_eq!(decoded(&big, TextEncoding::Utf16Be), text);
        }

        #[test]
        fn any_bytes_make_some_text(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for encoding in [TextEncoding::Utf16Le, TextEncoding::Utf16Be, TextEncoding::Windows1252] {
                decoded(&bytes, encoding);
            }
        }
    }
}
