//! Inner products of single updates with a public probe, read from ciphertexts.
//!
//! ```text
//! b = a·s + ε + Δ·Σ v_l·2^(w·l)      P = Σ p_l·2^(w·(lanes−1−l))      per coefficient, lanes·w + shift = 64
//!
//! aggregator   T = Σ_j Σ_k P_jk · b_jk                 one pass over the body
//! everybody    A = Σ_j P_j(X) · a_j(X^−1)              public, once a round;  A' = ⌊A / 2^g⌉, g = 58 − w
//! custodians   ⟨A', s⟩                                 a linear form of their shares, interpolated
//! opened       (T − 2^g·⟨A', s⟩) / 2^(64−w) = ⟨v, p⟩   centred modulo 2^w, up to `error_max`
//! ```
//!
//! Modulo 2^64 only what is at or below the top lane survives of the products of multipliers and messages:
//! Δ·(… + 2^(w·(lanes−1))·⟨v, p⟩), for lanes above would start at bit 64. Lower lanes hold inner products of parts of v and p, each
//! below 2^(w−1) by Cauchy–Schwarz, so they change the reading by at most ½.
//!
//! **What is revealed.** Beside the values, three exact linear forms of a key of 4096 coefficients. An exact
//! hint takes one dimension from the lattice (Dachman-Soled et al. 2020, "LWE with side information",
//! perfect hints): the estimate was made for 4094 instead of 4096 and loses 0.1 bits; a third hint is a third dimension. Together they lose less than one bit of over 220.
//! This is an estimate: the reduction for opened sums does not cover it. The reading itself is as
//! private as the noise in v makes it.
//!
//! **Threat.** A probe that is zero but for one coordinate reads that coordinate. Custodians compute
//! [`ProbeForm`] themselves from a probe that they recomputed or saw co-signed; never from A' as sent.

use privacy_identity::{Decode, DecodeError, Digest, DigestBuilder, Encode, Reader, Tag, Writer};
use thiserror::Error;

use crate::{
    CONTRIBUTORS_MAX, Ciphertext, CiphertextError, Custody, DEGREE, FheParameters, KeyShare,
    NttEngine, RoundMask, ShareError, field, interpolate, ntt::NttSums, packing,
};

/// Largest magnitude of a probe's coordinate.
pub const PROBE_COORDINATE_MAX: u32 = 1 << 15;

/// Forms that one order may ask for: the value, innovation and contrast probes of a round.
pub const FORMS_MAX: usize = 3;

/// Fewest bits by which A is switched down. Coefficients of A' are then at most 2^42, those of a key at
/// most 58 < 2^5.86: ⟨A', s⟩ < 2^(42 + 12 + 5.86) < 2^60, half of the field, always.
const SWITCHED_BITS_MIN: u8 = 21;

/// g: bits by which A is switched down.
///
/// Threat: at full precision the difference T − ⟨A, s⟩ would show, below the inner product, what lower lanes hold:
/// more linear forms of the update. What switching drops, ⟨A − 2^g·A', s⟩, stays unknown with the key and has a
/// standard deviation of 2^g·√(4096/12)·6.36 = 2^(g + 6.9): at g = 58 − w that is 1.8 units of the reading, where
/// lower lanes are at most ½ unit (mutual information below ½·log2(1 + (0.5/1.8)²) = 0.06 bits).
fn switched_bits(parameters: &FheParameters) -> u8 {
    58_u8.saturating_sub(parameters.lane_bits()).max(SWITCHED_BITS_MIN)
}

/// Standard deviations that `error_max` allows for: exceeded with probability 2·exp(−9²/2) < 2^-57.
const DEVIATIONS: f64 = 9.0;

/// Why a probe was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// Another length than the update's.
    #[error("probe has {got} coordinates, expected {expected}")]
    Dimension {
        /// Of the parameters.
        expected: usize,
        /// Of the probe.
        got: usize,
    },
    /// A coordinate is too large.
    #[error("a coordinate of the probe exceeds the magnitude {PROBE_COORDINATE_MAX}")]
    Coordinate,
    /// The inner product could leave its lane.
    #[error(
        "inner products up to {product_max} with errors up to {error_max} do not fit lanes of {lane_bits} bits"
    )]
    TooLarge {
        /// ‖v‖ · ‖p‖.
        product_max: f64,
        /// Largest error of a reading.
        error_max: f64,
        /// Bits of a lane.
        lane_bits: u8,
    },
    /// No forms, or too many.
    #[error("a probe's order asks for 1..={FORMS_MAX} forms, got {got}")]
    Forms {
        /// How many.
        got: usize,
    },
    /// The ciphertext was made under other parameters.
    #[error(transparent)]
    Ciphertext(#[from] CiphertextError),
    /// A custodian answered another order.
    #[error("custodian {custodian} answered order {got}, expected {expected}")]
    Order {
        /// Which custodian.
        custodian: u8,
        /// The order.
        expected: Digest,
        /// The order answered.
        got: Digest,
    },
    /// A custodian answered for another number of contributors or forms.
    #[error("custodian {custodian} answered {got} forms, expected {expected}")]
    ReplyLength {
        /// Which custodian.
        custodian: u8,
        /// Contributors times forms.
        expected: usize,
        /// Elements of the reply.
        got: usize,
    },
    /// A custodian answered with what is no element of the field.
    #[error("custodian {custodian} answered with element {index} above the field")]
    Element {
        /// Which custodian.
        custodian: u8,
        /// Which element.
        index: usize,
    },
    /// The replies do not determine the forms.
    #[error(transparent)]
    Share(#[from] ShareError),
}

/// A public probe of integers whose inner product with any admissible update fits a lane.
///
/// For lanes of 26 bits: ‖v‖ · ‖p‖ + error < 2^25. Updates of 8 bits with an L2 norm below 2^15 (a
/// million coordinates of root mean square 32) admit probes of norm below 2^10; 16-bit updates of norm
/// 2^23 only probes of norm below 4.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearProbe {
    parameters: FheParameters,
    values: Vec<i32>,
    error_max: f64,
}

impl LinearProbe {
    /// Checks that readings of updates with an L2 norm of at most `update_norm_max` stay in their lane.
    ///
    /// * `values` — \[dimension\], magnitude at most [`PROBE_COORDINATE_MAX`].
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn checked(
        parameters: FheParameters,
        values: Vec<i32>,
        update_norm_max: f64,
    ) -> Result<Self, ProbeError> {
        let expected = parameters.requirements().dimension as usize;
        if values.len() != expected {
            return Err(ProbeError::Dimension { expected, got: values.len() });
        }
        if values.iter().any(|value| value.unsigned_abs() > PROBE_COORDINATE_MAX) {
            return Err(ProbeError::Coordinate);
        }
        let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let error_max = error_max(&parameters, norm);
        let product_max = norm * update_norm_max;
        let half_lane = f64::from(parameters.lane_bits() - 1).exp2();
        // Written so that NaN is refused, too.
        if product_max + error_max < half_lane {
            return Ok(Self { parameters, values, error_max });
        }
        Err(ProbeError::TooLarge { product_max, error_max, lane_bits: parameters.lane_bits() })
    }

    /// The largest difference between a reading and the exact inner product, but with probability
    /// 2^-56.
    #[must_use]
    pub const fn error_max(&self) -> f64 {
        self.error_max
    }

    /// The aggregator's part: Σ P · b over the whole body, modulo 2^64.
    ///
    /// # Errors
    /// [`ProbeError::Ciphertext`].
    pub fn body_product(&self, ciphertext: &Ciphertext) -> Result<BodyProduct, ProbeError> {
        ciphertext.check(&self.parameters)?;
        let bits = self.parameters.coefficient_bits();
        let lanes = usize::from(self.parameters.lanes());
        let blocks = ciphertext.packed().chunks(packing::packed_len(packing::BLOCK, bits));
        let mut sum = 0_u64;
        for (block, values) in blocks.zip(self.values.chunks(lanes * packing::BLOCK)) {
            let mut words = [0; packing::BLOCK];
            packing::add_packed(&mut words, bits, block);
            for (word, values) in words.iter().zip(values.chunks(lanes)) {
                sum = sum.wrapping_add(word.wrapping_mul(self.multiplier(values)));
            }
        }
        Ok(BodyProduct(sum << self.parameters.dropped_bits()))
    }

    /// `P = Σ p_l · 2^(w·(lanes−1−l))` modulo 2^64; lanes that the last coefficient lacks count as zero.
    fn multiplier(&self, values: &[i32]) -> u64 {
        let lanes = usize::from(self.parameters.lanes());
        let present = values.iter().copied().chain(std::iter::repeat(0)).take(lanes);
        present.fold(0_u64, |multiplier, value| {
            #[expect(clippy::cast_sign_loss, reason = "two's complement is the representative")]
            let value = i64::from(value) as u64;
            (multiplier << self.parameters.lane_bits()).wrapping_add(value)
        })
    }

    /// The public linear forms of keys that belong to these probes in the round of `mask`.
    ///
    /// Each mask is transformed once for all probes and lanes: at 10^6 parameters and three probes a quarter of the time
    /// of one product after the other.
    #[must_use]
    pub fn forms(probes: &[Self], mask: &RoundMask, engine: &NttEngine) -> Vec<ProbeForm> {
        let Some(parameters) = probes.first().map(|probe| probe.parameters) else {
            return Vec::new();
        };
        let lanes = usize::from(parameters.lanes());
        let mut sums = NttSums::new(engine, lanes * probes.len());
        let mut smalls = vec![[0; DEGREE]; lanes * probes.len()];
        let (mut masks, mut mask) = (mask.polynomials(), [0; DEGREE]);
        for index in 0..parameters.polynomials() {
            masks.next_into(&mut mask);
            for (probe, smalls) in probes.iter().zip(smalls.chunks_mut(lanes)) {
                let values = probe.values.chunks(lanes * DEGREE).nth(index).unwrap_or_default();
                for (lane, small) in smalls.iter_mut().enumerate() {
                    small.fill(0);
                    let of_lane = values.iter().skip(lane).step_by(lanes);
                    small.iter_mut().zip(of_lane).for_each(|(small, value)| *small = *value);
                }
            }
            sums.add(&adjoint(&mask), &smalls);
        }
        let sums = sums.finish();
        sums.chunks(lanes).map(|lanes| ProbeForm::of_lanes(lanes, &parameters)).collect()
    }

    /// The inner product of the update whose body gave `product`, from the opened form of its key.
    ///
    /// Off by at most [`LinearProbe::error_max`].
    #[must_use]
    pub fn reading(&self, product: BodyProduct, form: OpenedForm) -> i64 {
        #[expect(clippy::cast_sign_loss, reason = "two's complement is the representative")]
        let masked = (form.0 as u64) << switched_bits(&self.parameters);
        let below = 64 - self.parameters.lane_bits();
        let rounded = product.0.wrapping_sub(masked).wrapping_add(1 << (below - 1));
        #[expect(clippy::cast_possible_wrap, reason = "centred modulo 2^lane_bits")]
        let centred = rounded as i64;
        centred >> below
    }
}

/// In units of the reading: ½ from lower lanes, ½ from rounding to an integer, the noise of the body
/// times the probe, and what switching A leaves.
fn error_max(parameters: &FheParameters, norm: f64) -> f64 {
    let unit = f64::from(64 - parameters.lane_bits()).exp2();
    let top = f64::from(parameters.lane_bits() * (parameters.lanes() - 1)).exp2();
    // Each lane below the top one weighs 2^-lane_bits of the one above it, in P and in the message.
    let lower = 1.0 / (1.0 - f64::from(-i16::from(parameters.lane_bits())).exp2());
    let body = parameters.noise_variance(1).sqrt() * norm * top * lower;
    let sigma = (f64::from(crate::GAUSSIAN_VARIANCE_DOUBLED) / 2.0).sqrt();
    let switching = sigma * f64::from(switched_bits(parameters) - 1).exp2() * 64.0;
    0.5 + 0.5 * lower + DEVIATIONS * (body + switching) / unit
}

/// a(X^−1): multiplying by it is the adjoint of multiplying by a.
fn adjoint(mask: &[u64; DEGREE]) -> [u64; DEGREE] {
    let mut adjoint = [0; DEGREE];
    adjoint[0] = mask[0];
    for (word, mask) in adjoint[1..].iter_mut().zip(mask[1..].iter().rev()) {
        *word = mask.wrapping_neg();
    }
    adjoint
}

/// The aggregator's inner product with a body: uniform to whoever does not have the form of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyProduct(pub u64);

/// A public linear form of keys: A', with coefficients of at most 43 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct ProbeForm(Box<[i64; DEGREE]>);

impl std::fmt::Debug for ProbeForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProbeForm(..)")
    }
}

impl ProbeForm {
    /// The sums of the lanes, each 2^w times the one behind it, switched down.
    fn of_lanes(sums: &[Box<[u64; DEGREE]>], parameters: &FheParameters) -> Self {
        let mut form = Box::new([0_u64; DEGREE]);
        for (above, sum) in sums.iter().rev().enumerate() {
            let shift = usize::from(parameters.lane_bits()) * above;
            for (form, sum) in form.iter_mut().zip(sum.iter()) {
                *form = form.wrapping_add(sum << shift);
            }
        }
        Self::switched(&form, switched_bits(parameters))
    }

    fn switched(form: &[u64; DEGREE], bits: u8) -> Self {
        let mut switched = Box::new([0; DEGREE]);
        for (switched, word) in switched.iter_mut().zip(form) {
            #[expect(clippy::cast_possible_wrap, reason = "centred modulo 2^64")]
            let rounded = *word as i64;
            // Rounded half up without overflow: floor, plus the bit below.
            *switched = (rounded >> bits) + ((rounded >> (bits - 1)) & 1);
        }
        Self(switched)
    }
}

/// The one order to open forms of the keys of an opened set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOrder {
    transcript: Digest,
    set: Digest,
    forms: Vec<ProbeForm>,
    digest: Digest,
}

impl ProbeOrder {
    /// The order to open `forms` for the round of `mask` and the opened set `set`.
    ///
    /// # Errors
    /// [`ProbeError::Forms`].
    pub fn new(mask: &RoundMask, set: Digest, forms: Vec<ProbeForm>) -> Result<Self, ProbeError> {
        if forms.is_empty() || forms.len() > FORMS_MAX {
            return Err(ProbeError::Forms { got: forms.len() });
        }
        let transcript = mask.transcript();
        let digest = DigestBuilder::new(Tag::Probe).chain(b"sahakar/fhe/probe-order/v1");
        let digest = digest.chain(&transcript.0).chain(&set.0);
        let coefficients = forms.iter().flat_map(|form| form.0.iter());
        let digest = coefficients
            .fold(digest, |digest, coefficient| digest.chain(&coefficient.to_be_bytes()))
            .finish();
        Ok(Self { transcript, set, forms, digest })
    }

    /// The round.
    #[must_use]
    pub const fn transcript(&self) -> Digest {
        self.transcript
    }

    /// The opened set.
    #[must_use]
    pub const fn set(&self) -> Digest {
        self.set
    }

    /// The digest of round, set and forms.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The forms of one share, as its owner knows them: what the custodian that holds it has to answer.
    #[must_use]
    pub fn forms_of(&self, share: &KeyShare) -> Vec<u64> {
        self.apply(&share.elements())
    }

    /// The forms of one share.
    pub(crate) fn apply(&self, share: &[u64; DEGREE]) -> Vec<u64> {
        let apply = |form: &ProbeForm| {
            form.0.iter().zip(share).fold(0, |sum, (coefficient, element)| {
                field::add(sum, field::multiply(field::element(*coefficient), *element))
            })
        };
        self.forms.iter().map(apply).collect()
    }

    /// Opens the forms of every contributor's key.
    ///
    /// * `replies` — from distinct custodians, at least the threshold.
    /// * `contributors` — of the opened set.
    ///
    /// Threat: with exactly `threshold` replies a custodian can shift a reading undetected. With one more a
    /// lie is detected; with two more for each liar it is attributed and the forms are right all the
    /// same ([`OpenedForms::deviating`]).
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn open(
        &self,
        custody: Custody,
        contributors: usize,
        replies: &[FormReply],
    ) -> Result<OpenedForms, ProbeError> {
        let expected = contributors * self.forms.len();
        for FormReply { custodian, order, elements } in replies {
            let (custodian, got) = (*custodian, elements.len());
            if *order != self.digest {
                return Err(ProbeError::Order { custodian, expected: self.digest, got: *order });
            }
            if got != expected {
                return Err(ProbeError::ReplyLength { custodian, expected, got });
            }
        }
        let points: Vec<_> =
            replies.iter().map(|reply| (reply.custodian, &reply.elements[..])).collect();
        let spare_replies = replies.len().saturating_sub(custody.threshold().into());
        let in_range = |values: &[i64]| values.iter().all(|value| value.unsigned_abs() < 1 << 60);
        let found = interpolate::search(custody, &points, in_range, |candidate| {
            2 * candidate.deviating.len() <= spare_replies
        })?;
        let forms = found.values.into_iter().map(OpenedForm).collect::<Vec<_>>();
        let by_contributor = forms.chunks(self.forms.len()).map(<[OpenedForm]>::to_vec).collect();
        Ok(OpenedForms { by_contributor, deviating: found.deviating, spare_replies })
    }
}

/// A custodian's forms of its shares of each contributor's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormReply {
    /// Which custodian, 1..=custodians.
    pub custodian: u8,
    /// The order that it answers.
    pub order: Digest,
    /// By contributor in the order of the opening, then by form.
    pub(crate) elements: Vec<u64>,
}

impl FormReply {
    /// What a custodian answered, from its parts.
    ///
    /// * `elements` — by contributor in the order of the opening, then by form; each below 2^61 − 1.
    ///
    /// # Errors
    /// [`ProbeError::Element`].
    pub fn new(custodian: u8, order: Digest, elements: Vec<u64>) -> Result<Self, ProbeError> {
        match elements.iter().position(|element| *element >= field::PRIME) {
            Some(index) => Err(ProbeError::Element { custodian, index }),
            None => Ok(Self { custodian, order, elements }),
        }
    }

    /// The field elements, by contributor in the order of the opening, then by form.
    #[must_use]
    pub fn elements(&self) -> &[u64] {
        &self.elements
    }
}

impl Encode for FormReply {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.custodian);
        self.order.encode(writer);
        writer.u32(u32::try_from(self.elements.len()).expect("contributors times forms"));
        self.elements.iter().for_each(|element| writer.u64(*element));
    }
}

impl Decode for FormReply {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let custodian = reader.u8()?;
        let order = Decode::decode(reader)?;
        let length = reader.length("forms", CONTRIBUTORS_MAX as usize * FORMS_MAX)?;
        let (words, _) = reader.take(8 * length)?.as_chunks::<8>();
        let elements: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
        if elements.iter().any(|element| *element >= field::PRIME) {
            return Err(DecodeError::invalid("field element", "not below 2^61 - 1"));
        }
        Ok(Self { custodian, order, elements })
    }
}

/// A linear form of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedForm(i64);

/// The forms of every contributor's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedForms {
    /// By contributor in the order of the opening, then by form.
    pub by_contributor: Vec<Vec<OpenedForm>>,
    /// Custodians whose replies are not on the polynomial of the others.
    pub deviating: Vec<u8>,
    /// Replies beyond the threshold: at zero, a lie would not have been seen.
    pub spare_replies: usize,
}
