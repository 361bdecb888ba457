//! Digests, keys and amounts in JSON are texts: exact in every language, readable by people.

/// `#[serde(with = "text")]`: a value as its `Display` text, read with `FromStr`.
pub mod text {
    use std::{
        fmt::{self, Display},
        marker::PhantomData,
        str::FromStr,
    };

    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };

    /// Writes `value` as text.
    ///
    /// # Errors
    /// What the serializer refuses.
    pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    /// Reads a value from its text.
    ///
    /// # Errors
    /// If it is no text or the type refuses the text.
    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        from.deserialize_str(Text(PhantomData))
    }

    /// Parses a text where it stands: most of an entry is texts.
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
}

/// `#[serde(with = "texts")]`: a list of values as their texts.
pub mod texts {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes each of `values` as text.
    ///
    /// # Errors
    /// What the serializer refuses.
    pub fn serialize<T: Display, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    /// Reads values from their texts.
    ///
    /// # Errors
    /// If it is no list of texts or the type refuses one.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// `#[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]`: a value as its text, or no
/// member at all: one form for each value.
pub mod optional_text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    /// Writes the value as text.
    ///
    /// # Errors
    /// What the serializer refuses.
    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads a value from its text.
    ///
    /// # Errors
    /// If it is no text or the type refuses the text.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
    }
}
