//! The protocol's element types, and how each becomes what a model computes with.
//!
//! | type | how |
//! |---|---|
//! | BOOL, UINT8–64, INT8–64, FP16, FP32 | exactly, or the value is refused |
//! | FP64 | rounded to the nearest FP32: no model here has more digits |
//! | BYTES | texts, for models of text alone: each character becomes its index |

use half::f16;
use serde_json::Value;

use crate::api_error::ApiError;

/// An element type of a request's tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Fp32,
    Fp64,
    Bytes,
}

impl Datatype {
    const ALL: [(&'static str, Self); 13] = [
        ("BOOL", Self::Bool),
        ("UINT8", Self::Uint8),
        ("UINT16", Self::Uint16),
        ("UINT32", Self::Uint32),
        ("UINT64", Self::Uint64),
        ("INT8", Self::Int8),
        ("INT16", Self::Int16),
        ("INT32", Self::Int32),
        ("INT64", Self::Int64),
        ("FP16", Self::Fp16),
        ("FP32", Self::Fp32),
        ("FP64", Self::Fp64),
        ("BYTES", Self::Bytes),
    ];

    /// The type that the protocol spells `name`.
    pub(super) fn parse(name: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.iter().find(|(spelling, _)| *spelling == name);
        found.map(|(_, datatype)| *datatype).ok_or_else(|| {
            let known = Self::ALL.map(|(spelling, _)| spelling).join(", ");
            ApiError::Malformed(format!("{name:?} is no datatype; known are {known}"))
        })
    }

    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, datatype)| *datatype == self);
        found.map_or("", |(spelling, _)| spelling)
    }

    /// Bytes of one element; none for BYTES, whose elements differ.
    pub(super) const fn element_bytes(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 | Self::Fp16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }

    /// The smallest and the largest integer of the type.
    fn integers(self) -> Option<(i128, i128)> {
        match self {
            Self::Uint8 => Some((0, i128::from(u8::MAX))),
            Self::Uint16 => Some((0, i128::from(u16::MAX))),
            Self::Uint32 => Some((0, i128::from(u32::MAX))),
            Self::Uint64 => Some((0, i128::from(u64::MAX))),
            Self::Int8 => Some((i128::from(i8::MIN), i128::from(i8::MAX))),
            Self::Int16 => Some((i128::from(i16::MIN), i128::from(i16::MAX))),
            Self::Int32 => Some((i128::from(i32::MIN), i128::from(i32::MAX))),
            Self::Int64 => Some((i128::from(i64::MIN), i128::from(i64::MAX))),
            Self::Bool | Self::Fp16 | Self::Fp32 | Self::Fp64 | Self::Bytes => None,
        }
    }

    /// A JSON value of this type as a model's input; none if it is not of the type, or has no FP32.
    pub(super) fn number_from_json(self, value: &Value) -> Option<f32> {
        match self {
            Self::Bool => value.as_bool().map(|bit| f32::from(u8::from(bit))),
            Self::Fp16 => finite(f16::from_f64(value.as_f64()?).to_f32()),
            Self::Fp32 | Self::Fp64 => finite(f32_from_f64(value.as_f64()?)),
            Self::Bytes => None,
            integers => {
                let (least, most) = integers.integers()?;
                let value = match value.as_i64() {
                    Some(value) => Some(i128::from(value)),
                    None => value.as_u64().map(i128::from),
                };
                exact(value.filter(|value| (least..=most).contains(value))?)
            }
        }
    }

    /// One element's bytes, little-endian and as many as [`Self::element_bytes`], as a model's input.
    pub(super) fn number_from_bytes(self, bytes: &[u8]) -> Option<f32> {
        match self {
            Self::Bool => match bytes {
                [0] => Some(0.0),
                [1] => Some(1.0),
                _ => None,
            },
            Self::Uint8 => Some(f32::from(u8::from_le_bytes(bytes.try_into().ok()?))),
            Self::Uint16 => Some(f32::from(u16::from_le_bytes(bytes.try_into().ok()?))),
            Self::Uint32 => exact(u32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::Uint64 => exact(u64::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::Int8 => Some(f32::from(i8::from_le_bytes(bytes.try_into().ok()?))),
            Self::Int16 => Some(f32::from(i16::from_le_bytes(bytes.try_into().ok()?))),
            Self::Int32 => exact(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::Int64 => exact(i64::from_le_bytes(bytes.try_into().ok()?).into()),
            Self::Fp16 => finite(f16::from_le_bytes(bytes.try_into().ok()?).to_f32()),
            Self::Fp32 => finite(f32::from_le_bytes(bytes.try_into().ok()?)),
            Self::Fp64 => finite(f32_from_f64(f64::from_le_bytes(bytes.try_into().ok()?))),
            Self::Bytes => None,
        }
    }
}

fn finite(value: f32) -> Option<f32> {
    value.is_finite().then_some(value)
}

/// The integer as FP32, if there is one that is the same.
#[expect(clippy::cast_possible_truncation, reason = "what was truncated is not the same")]
fn exact(value: i128) -> Option<f32> {
    let float = value as f32;
    (float as i128 == value).then_some(float)
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is wanted; infinity is refused")]
const fn f32_from_f64(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_type_is_found_by_its_name_and_no_other_is() {
        for (name, datatype) in Datatype::ALL {
            assert_eq!(Datatype::parse(name).unwrap(), datatype);
            assert_eq!(datatype.name(), name);
        }
        for other in ["", "fp32", "FP8", "BF16", "STRING"] {
            assert!(Datatype::parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let json = |datatype: Datatype, value| datatype.number_from_json(&value);
        assert_eq!(json(Datatype::Int64, json!(16_777_216)), Some(16_777_216.0));
        assert_eq!(json(Datatype::Int64, json!(16_777_217)), None);
        assert_eq!(json(Datatype::Uint64, json!(1_u64 << 63)), Some(9.223_372e18));
        assert_eq!(json(Datatype::Uint64, json!(u64::MAX)), None);
        assert_eq!(json(Datatype::Uint8, json!(255)), Some(255.0));
        for (datatype, value) in [
            (Datatype::Uint8, json!(256)),
            (Datatype::Uint8, json!(-1)),
            (Datatype::Int8, json!(128)),
            (Datatype::Int32, json!(1.5)),
            (Datatype::Int32, json!(true)),
            (Datatype::Bool, json!(1)),
            (Datatype::Fp16, json!(1e5)),
            (Datatype::Fp32, json!(1e300)),
            (Datatype::Fp64, json!("1")),
            (Datatype::Bytes, json!("1")),
        ] {
            assert_eq!(datatype.number_from_json(&value), None, "{datatype:?} {value}");
        }
    }

    #[test]
    fn bytes_that_are_no_number_are_refused() {
        assert_eq!(Datatype::Bool.number_from_bytes(&[2]), None);
        assert_eq!(Datatype::Fp32.number_from_bytes(&f32::NAN.to_le_bytes()), None);
        assert_eq!(Datatype::Fp64.number_from_bytes(&1e300_f64.to_le_bytes()), None);
        assert_eq!(Datatype::Fp16.number_from_bytes(&0x7c00_u16.to_le_bytes()), None, "infinity");
        assert_eq!(Datatype::Fp16.number_from_bytes(&0x3c01_u16.to_le_bytes()), Some(1.000_976_6));
        assert_eq!(Datatype::Int32.number_from_bytes(&[1, 2]), None);
    }

    proptest! {
        #[test]
        fn json_and_bytes_of_an_integer_are_the_same_input(value: i64, small in -40_000_i64..40_000) {
            for value in [value, small] {
                let bytes = Datatype::Int64.number_from_bytes(&value.to_le_bytes());
                prop_assert_eq!(Datatype::Int64.number_from_json(&json!(value)), bytes);
                let same = Datatype::Int16.number_from_json(&json!(value));
                let short = i16::try_from(value).ok();
                prop_assert_eq!(same, short.and_then(|v| Datatype::Int16.number_from_bytes(&v.to_le_bytes())));
            }
        }

        #[test]
        fn any_bytes_give_a_finite_number_or_nothing(bytes: [u8; 8]) {
            for (_, datatype) in Datatype::ALL {
                let length = datatype.element_bytes().unwrap_or(8);
                if let Some(value) = datatype.number_from_bytes(&bytes[..length]) {
                    prop_assert!(value.is_finite());
                }
            }
        }
    }
}
