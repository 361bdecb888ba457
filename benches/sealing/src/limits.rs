//! What the machine could do with the same bytes.

use std::hint::black_box;

use aes::Aes256;
use chacha20::ChaCha20;
use ctr::cipher::{KeyIvInit as _, StreamCipher};

use crate::{
    row::{Limits, Row},
    stopwatch::least,
};

/// Keystreams are drawn in blocks that stay in the first-level cache: nothing else is as fast.
const BLOCK_BYTES: usize = 16 << 10;

/// Plain vectors of `dimension` coordinates.
pub(crate) fn of_plain(dimension: u32) -> anyhow::Result<Limits> {
    let len = dimension as usize;
    let (mut sum, update) = (vec![0.0_f32; len], vec![1.0_f32; len]);
    let (f32_add_ms, ()) = least(|| {
        for (sum, value) in sum.iter_mut().zip(black_box(&update)) {
            *sum += value;
        }
        black_box(&mut sum);
        Ok(())
    })?;
    let (copy_ms, ()) = least(|| {
        sum.copy_from_slice(black_box(&update));
        black_box(&mut sum);
        Ok(())
    })?;
    Ok(Limits { dimension, f32_add_ms, copy_ms, aes_of_words_ms: aes_ms(4 * len)? })
}

/// Fills in the keystreams of the bytes that a row sends.
pub(crate) fn of_bytes(row: &mut Row) -> anyhow::Result<()> {
    let bytes = usize::try_from(row.bytes)?;
    row.aes_ms = Some(aes_ms(bytes)?);
    row.chacha_ms = Some(keystream_ms(bytes, || ChaCha20::new(&[1; 32].into(), &[0; 12].into()))?);
    Ok(())
}

fn aes_ms(bytes: usize) -> anyhow::Result<f64> {
    keystream_ms(bytes, || ctr::Ctr128BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into()))
}

fn keystream_ms<C: StreamCipher>(bytes: usize, cipher: impl Fn() -> C) -> anyhow::Result<f64> {
    let mut block = vec![0_u8; BLOCK_BYTES];
    let (ms, ()) = least(|| {
        let (mut cipher, mut left) = (cipher(), bytes);
        while left > 0 {
            let now = left.min(BLOCK_BYTES);
            cipher.write_keystream(&mut block[..now]);
            black_box(&mut block);
            left -= now;
        }
        Ok(())
    })?;
    Ok(ms)
}
