//! One value as the bytes of its type, and what it means.

use crate::Cell;

use super::{
    ParquetError,
    footer::{Column, Meaning, Physical},
};

/// Days from the beginning of the Julian calendar's count to 1970.
const JULIAN_DAY_1970: i64 = 2_440_588;

/// Nanoseconds of a day.
const DAY_NANOS: i64 = 86_400_000_000_000;

/// The cell that `bytes` are: of a fixed width, or those of a text.
pub(super) fn cell<'a>(column: &Column, bytes: &'a [u8]) -> Result<Cell<'a>, ParquetError> {
    let short = || ParquetError::Short;
    Ok(match column.physical {
        Physical::Boolean => Cell::Boolean(*bytes.first().ok_or_else(short)? != 0),
        Physical::Int32 => {
            let value = i32::from_le_bytes(*bytes.first_chunk().ok_or_else(short)?);
            match column.meaning {
                Meaning::Unsigned => Cell::Number(f64::from(value.cast_unsigned())),
                _ => integer(column.meaning, i64::from(value)),
            }
        }
        Physical::Int64 => {
            let value = i64::from_le_bytes(*bytes.first_chunk().ok_or_else(short)?);
            match column.meaning {
                Meaning::Unsigned => Cell::Number(value.cast_unsigned() as f64),
                _ => integer(column.meaning, value),
            }
        }
        Physical::Int96 => {
            let nanos = i64::from_le_bytes(*bytes.first_chunk().ok_or_else(short)?);
            let day = i32::from_le_bytes(*bytes.last_chunk().ok_or_else(short)?);
            let since =
                (i64::from(day) - JULIAN_DAY_1970).wrapping_mul(DAY_NANOS).wrapping_add(nanos);
            integer(Meaning::Timestamp(1_000_000_000), since)
        }
        Physical::Float => {
            Cell::Number(f64::from(f32::from_le_bytes(*bytes.first_chunk().ok_or_else(short)?)))
        }
        Physical::Double => {
            Cell::Number(f64::from_le_bytes(*bytes.first_chunk().ok_or_else(short)?))
        }
        Physical::Bytes | Physical::Fixed(_) => match column.meaning {
            Meaning::Decimal(scale) => Cell::Number(decimal(big_endian(bytes)?, scale)),
            Meaning::Half => {
                Cell::Number(half(u16::from_le_bytes(*bytes.first_chunk().ok_or_else(short)?)))
            }
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => Cell::Text(text.trim().into()),
                Err(_) => {
                    let what = format!("the column {:?} holds bytes that are no text", column.name);
                    return Err(ParquetError::Unsupported(what));
                }
            },
        },
    })
}

fn integer(meaning: Meaning, value: i64) -> Cell<'static> {
    match meaning {
        Meaning::Decimal(scale) => Cell::Number(decimal(value as f64, scale)),
        Meaning::Date => Cell::Text(date(value).into()),
        Meaning::Timestamp(ticks) => {
            let day = ticks * 86_400;
            let seconds = value.rem_euclid(day) / ticks;
            let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
            Cell::Text(
                format!("{} {hour:02}:{minute:02}:{second:02}", date(value.div_euclid(day))).into(),
            )
        }
        _ => Cell::Number(value as f64),
    }
}

/// The day of the Gregorian calendar, so many days after 1970 began.
///
/// Source: Hinnant 2013, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(days: i64) -> String {
    let shifted = i128::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn decimal(value: f64, scale: i32) -> f64 {
    value / libm::pow(10.0, f64::from(scale))
}

/// A whole number in two's complement, the high byte first, of at most sixteen bytes.
fn big_endian(bytes: &[u8]) -> Result<f64, ParquetError> {
    if bytes.len() > 16 {
        return Err(ParquetError::Unsupported("a decimal of more than 38 digits".to_owned()));
    }
    let start = if bytes.first().is_some_and(|byte| *byte >= 0x80) { -1_i128 } else { 0 };
    Ok(bytes.iter().fold(start, |sum, byte| (sum << 8) | i128::from(*byte)) as f64)
}

/// IEEE 754, 16 bits.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff) / 1_024.0;
    let size = match bits >> 10 & 31 {
        0 => libm::ldexp(fraction, -14),
        31 if bits & 0x3ff == 0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => libm::ldexp(1.0 + fraction, i32::from(exponent) - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, expected) in
            [(0, "1970-01-01"), (-1, "1969-12-31"), (11_016, "2000-02-29"), (20_780, "2026-11-23")]
        {
            assert_eq!(date(days), expected);
        }
        date(i64::MAX);
        date(i64::MIN);
    }

    #[test]
    fn halves_and_decimals_are_numbers() {
        for (bits, expected) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_953_125), (1, 2_f64.powi(-24))]
        {
            assert!((half(bits) - expected).abs() < 1e-15, "{bits:x}");
        }
        assert!(half(0x7c00).is_infinite() && half(0x7e00).is_nan());
        assert!((decimal(big_endian(&[0xff, 0x38]).unwrap(), 2) + 2.0).abs() < 1e-12);
    }
}
