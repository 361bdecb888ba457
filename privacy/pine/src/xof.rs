//! The extendable-output functions that seeds, shares and randomness are derived with.
//!
//! The draft's version 01 builds on VDAF draft 11, whose `XofTurboShake128` has 16-byte seeds and
//! one length byte; prio 0.18 implements draft 18 (32-byte seeds, other lengths). So that one is
//! framed here, on the `turboshake` crate. `XofHmacSha256Aes128` is not of VDAF but of Prio's
//! deployment, and prio's fits the draft's as it is.

use std::convert::Infallible;

use prio::vdaf::xof::{self, SeedStreamAes128};
use rand::{Rng, TryRng};
use turboshake::{
    CTurboShake128, TurboShake128Reader,
    digest::{ExtendableOutput as _, Update as _, XofReader as _},
};
use zeroize::Zeroizing;

use crate::{
    field::PineField,
    secret::{SEED_BYTES_MAX, Seed},
};

/// The domain-separation byte of `TurboSHAKE128` in VDAF (draft 11, section 6.2.1).
const TURBO_SHAKE_DOMAIN: u8 = 1;

/// Field elements that are drawn at a time.
const BUFFER_ELEMENTS: usize = 512;

/// An extendable-output function (VDAF draft 11, section 6.2).
pub trait Xof: Sized {
    /// Bytes of a seed.
    const SEED_BYTES: usize;

    /// The output.
    type Stream: Rng;

    /// Absorbs the seed and the domain-separation tag, of at most 255 bytes.
    fn new(seed: &Seed, tag: &[u8]) -> Self;

    /// Absorbs a part of the binder.
    fn update(&mut self, binder: &[u8]);

    /// Ends the input.
    fn into_stream(self) -> Self::Stream;

    /// Derives a seed of the same length.
    fn into_seed(self) -> Seed {
        let mut bytes = Zeroizing::new([0; SEED_BYTES_MAX]);
        let slice = &mut bytes[..Self::SEED_BYTES];
        self.into_stream().fill_bytes(slice);
        Seed::new(slice)
    }

    /// Derives `count` uniform field elements, by rejection (VDAF draft 11, `next_vec`).
    fn into_vector<F: PineField>(self, count: usize) -> Vec<F> {
        let mut stream = self.into_stream();
        let mut buffer = Zeroizing::new(vec![0; BUFFER_ELEMENTS * F::ENCODED_SIZE]);
        // Reserved once: growing would leave copies of a share behind.
        let mut vector = Vec::with_capacity(count);
        while vector.len() < count {
            let missing = BUFFER_ELEMENTS.min(count - vector.len());
            let bytes = &mut buffer[..missing * F::ENCODED_SIZE];
            stream.fill_bytes(bytes);
            // The moduli take up whole bytes, so that no bits are masked before the comparison.
            vector.extend(bytes.chunks_exact(F::ENCODED_SIZE).filter_map(|b| F::try_from(b).ok()));
        }
        vector
    }
}

/// `TurboSHAKE128` with 16-byte seeds: the draft's `Pine64` and `Pine128`.
pub struct XofTurboShake128(CTurboShake128<TURBO_SHAKE_DOMAIN>);

impl Xof for XofTurboShake128 {
    const SEED_BYTES: usize = 16;

    type Stream = TurboShakeStream;

    fn new(seed: &Seed, tag: &[u8]) -> Self {
        let mut state = CTurboShake128::default();
        state.update(&[length_byte(tag)]);
        state.update(tag);
        state.update(seed.as_bytes());
        Self(state)
    }

    fn update(&mut self, binder: &[u8]) {
        self.0.update(binder);
    }

    fn into_stream(self) -> Self::Stream {
        TurboShakeStream(self.0.finalize_xof())
    }
}

/// The output of [`XofTurboShake128`].
pub struct TurboShakeStream(TurboShake128Reader);

impl TryRng for TurboShakeStream {
    type Error = Infallible;

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.0.read(target);
        Ok(())
    }

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.read(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.read(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }
}

/// HMAC-SHA256 to a key and counter, then AES-128 in counter mode, with 32-byte seeds: the draft's
/// `Pine64HmacSha256Aes128` and `Pine32HmacSha256Aes128`.
pub struct XofHmacSha256Aes128(xof::XofHmacSha256Aes128);

impl Xof for XofHmacSha256Aes128 {
    const SEED_BYTES: usize = 32;

    type Stream = SeedStreamAes128;

    fn new(seed: &Seed, tag: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; SEED_BYTES_MAX]);
        bytes[..seed.as_bytes().len()].copy_from_slice(seed.as_bytes());
        Self(xof::Xof::init(&bytes, &[tag]))
    }

    fn update(&mut self, binder: &[u8]) {
        xof::Xof::update(&mut self.0, binder);
    }

    fn into_stream(self) -> Self::Stream {
        xof::Xof::into_seed_stream(self.0)
    }
}

/// The length of a domain-separation tag. Tags are 7 bytes and a context whose length
/// [`crate::Parameters`] bounds.
fn length_byte(tag: &[u8]) -> u8 {
    u8::try_from(tag.len()).expect("the context's length is bounded with the parameters")
}
