//! The canonical binary encoding of everything that is hashed, signed or sent.
//!
//! Integers are big-endian and of fixed width; byte strings, texts and lists carry a `u32` length.
//! There is exactly one encoding of a value, and decoding consumes the input exactly, so that
//! equal values have equal digests and equal digests mean equal values.

use thiserror::Error;

/// Why bytes are not the encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends within a value.
    #[error("input ends early: {needed} more bytes needed, {left} left")]
    Truncated {
        /// Bytes that the value still needs.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes follow the value.
    #[error("{count} bytes follow the end of the value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A length is above the bound of its field.
    #[error("length {got} of {field} exceeds its bound {bound}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// The length found.
        got: usize,
        /// The largest length allowed.
        bound: usize,
    },
    /// A value is outside its range or not in canonical form.
    #[error("invalid {field}: {reason}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl DecodeError {
    /// A value of `field` that its type refuses.
    pub fn invalid(field: &'static str, reason: impl ToString) -> Self {
        Self::Invalid { field, reason: reason.to_string() }
    }
}

/// A type with a canonical encoding.
pub trait Encode {
    /// Appends the encoding of `self`.
    fn encode(&self, writer: &mut Writer);

    /// The encoding of `self` alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.encode(&mut writer);
        writer.into_bytes()
    }
}

/// A type that can be read back from its canonical encoding.
pub trait Decode: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// [`DecodeError`] if the input is not the canonical encoding of a value.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads one value that takes up all of `bytes`.
    ///
    /// # Errors
    /// As [`Decode::decode`], and [`DecodeError::TrailingBytes`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Builds an encoding.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A writer that has taken memory for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// The bytes written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Writes a big-endian `u32`.
    pub fn u32(&mut self, value: u32) {
        self.array(&value.to_be_bytes());
    }

    /// Writes a big-endian `u64`.
    pub fn u64(&mut self, value: u64) {
        self.array(&value.to_be_bytes());
    }

    /// Writes a big-endian `i64` in two's complement.
    pub fn i64(&mut self, value: i64) {
        self.array(&value.to_be_bytes());
    }

    /// Writes the IEEE-754 bits of an `f64`, big-endian.
    pub fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    /// Writes bytes whose count the reader knows.
    pub fn array(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes a length and the bytes.
    ///
    /// # Panics
    /// If `bytes` is longer than `u32::MAX`; every field has a far smaller bound.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("fields are bounded far below 4 GiB"));
        self.array(bytes);
    }

    /// Writes a text as its UTF-8 bytes.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// Takes an encoding apart.
#[derive(Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether `bytes` come next. Nothing is read.
    #[must_use]
    pub fn starts_with(&self, bytes: &[u8]) -> bool {
        self.0.starts_with(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] if anything is left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes { count: self.0.len() })
        }
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self
            .0
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated { needed: count, left: self.0.len() })?;
        self.0 = tail;
        Ok(head)
    }

    /// Reads an array of fixed length.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    ///
    /// # Panics
    /// Never: what was taken has the asked length.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("take returns exactly N bytes"))
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Reads a big-endian `u32`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a big-endian `u64`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a big-endian `i64`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads a finite `f64`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::Invalid`] for NaN and infinity.
    pub fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        let value = f64::from_bits(self.u64()?);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(DecodeError::invalid(field, "not a finite number"))
        }
    }

    /// Reads a length of at most `bound`.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] before anything is allocated.
    pub fn length(&mut self, field: &'static str, bound: usize) -> Result<usize, DecodeError> {
        let got = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if got > bound { Err(DecodeError::TooLong { field, got, bound }) } else { Ok(got) }
    }

    /// Reads a byte string of at most `bound` bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] or [`DecodeError::Truncated`].
    pub fn bytes(&mut self, field: &'static str, bound: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.length(field, bound)?;
        self.take(length)
    }

    /// Reads a UTF-8 text of at most `bound` bytes.
    ///
    /// # Errors
    /// As [`Reader::bytes`], or [`DecodeError::Invalid`] if it is not UTF-8.
    pub fn text(&mut self, field: &'static str, bound: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(field, bound)?;
        let text = std::str::from_utf8(bytes).map_err(|e| DecodeError::invalid(field, e))?;
        Ok(text.to_owned())
    }
}

/// Writes a list: its length, then each item.
///
/// # Panics
/// If the list is longer than `u32::MAX`; every list has a far smaller bound.
pub fn list_to_writer<T: Encode>(items: &[T], writer: &mut Writer) {
    writer.u32(u32::try_from(items.len()).expect("lists are bounded far below 2^32"));
    for item in items {
        item.encode(writer);
    }
}

/// Reads a list of at most `bound` items.
///
/// # Errors
/// [`DecodeError::TooLong`] before anything is allocated, or what an item refuses.
pub fn list_from_reader<T: Decode>(
    reader: &mut Reader<'_>,
    field: &'static str,
    bound: usize,
) -> Result<Vec<T>, DecodeError> {
    let length = reader.length(field, bound)?;
    // Grown item by item: a hostile length must not reserve memory that the input cannot fill.
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(T::decode(reader)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_above_the_bound_are_refused_before_reading() {
        let mut writer = Writer::default();
        writer.u32(1_000_000);
        let bytes = writer.into_bytes();
        let error = Reader::new(&bytes).bytes("body", 10).unwrap_err();
        assert_eq!(error, DecodeError::TooLong { field: "body", got: 1_000_000, bound: 10 });
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let reader = Reader::new(&[1, 2]);
        assert_eq!(reader.finish(), Err(DecodeError::TrailingBytes { count: 2 }));
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let mut writer = Writer::default();
        writer.f64(f64::NAN);
        assert!(Reader::new(&writer.into_bytes()).f64("loss").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u8, b: u32, c: u64, d: i64, text in ".{0,40}") {
            let mut writer = Writer::default();
            writer.u8(a);
            writer.u32(b);
            writer.u64(c);
            writer.i64(d);
            writer.text(&text);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.u8().unwrap(), a);
            prop_assert_eq!(reader.u32().unwrap(), b);
            prop_assert_eq!(reader.u64().unwrap(), c);
            prop_assert_eq!(reader.i64().unwrap(), d);
            prop_assert_eq!(reader.text("text", 200).unwrap(), text);
            prop_assert!(reader.finish().is_ok());
        }
    }
}
