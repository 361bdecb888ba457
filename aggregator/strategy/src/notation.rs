//! How settings are written on a command line: `name` or `name:key=value,key=value`.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use thiserror::Error;

use crate::{Fraction, NumberError, Positive};

/// Why a written setting was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum NotationError {
    /// No setting of that name.
    #[error("{got:?} is none of: {expected}")]
    Name {
        /// What was written.
        got: String,
        /// What could have been.
        expected: &'static str,
    },
    /// A part that is not `key=value`.
    #[error("{got:?} is not of the form key=value")]
    Pair {
        /// What was written.
        got: String,
    },
    /// A key that is unknown, or written twice.
    #[error("{name} takes no {key:?}, or takes it once")]
    Key {
        /// The setting.
        name: String,
        /// The key.
        key: String,
    },
    /// A key that has no default.
    #[error("{name} needs {key}=VALUE")]
    Missing {
        /// The setting.
        name: String,
        /// The key.
        key: &'static str,
    },
    /// A value that cannot be read.
    #[error("{key}={got} cannot be read: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was written.
        got: String,
        /// Why not.
        reason: String,
    },
    /// A number that is out of range.
    #[error(transparent)]
    Number(#[from] NumberError),
}

/// A setting taken apart.
pub(crate) struct Notation<'a> {
    pub(crate) name: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Notation<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, NotationError> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let mut values = BTreeMap::new();
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| NotationError::Pair { got: pair.to_owned() })?;
            if values.insert(key, value).is_some() {
                return Err(NotationError::Key { name: name.to_owned(), key: key.to_owned() });
            }
        }
        Ok(Self { name, values })
    }

    /// Takes the value of `key`, if it is written.
    pub(crate) fn take<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<Option<T>, NotationError> {
        let Some(got) = self.values.remove(key) else { return Ok(None) };
        let refused =
            |e: T::Err| NotationError::Value { key, got: got.to_owned(), reason: e.to_string() };
        got.parse().map(Some).map_err(refused)
    }

    /// Takes the value of `key`, if it is written, as a positive number.
    pub(crate) fn positive(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Positive>, NotationError> {
        Ok(self.take(key)?.map(|value| Positive::new(key, value)).transpose()?)
    }

    /// Takes the value of `key`, if it is written, as a number in 0..1.
    pub(crate) fn fraction(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Fraction>, NotationError> {
        Ok(self.take(key)?.map(|value| Fraction::new(key, value)).transpose()?)
    }

    /// Takes the value of `key`, which has no default, as a positive number.
    pub(crate) fn need_positive(&mut self, key: &'static str) -> Result<Positive, NotationError> {
        Ok(Positive::new(key, self.need(key)?)?)
    }

    /// Takes the value of `key`, which has no default.
    pub(crate) fn need<T: FromStr<Err: Display>>(
        &mut self,
        key: &'static str,
    ) -> Result<T, NotationError> {
        let missing = NotationError::Missing { name: self.name.to_owned(), key };
        self.take(key)?.ok_or(missing)
    }

    /// Refuses what nobody took, then returns `value`.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, NotationError> {
        match self.values.keys().next() {
            None => Ok(value),
            Some(key) => {
                Err(NotationError::Key { name: self.name.to_owned(), key: (*key).to_owned() })
            }
        }
    }

    pub(crate) fn unknown(&self, expected: &'static str) -> NotationError {
        NotationError::Name { got: self.name.to_owned(), expected }
    }
}
