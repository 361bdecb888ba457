//! Shares of a key: Shamir, t of c, one polynomial over the field of 2^61 − 1 for each coefficient.

use privacy_identity::{Decode, DecodeError, Digest, DigestBuilder, Encode, Reader, Tag, Writer};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    DEGREE,
    dealing::{self, CHECKS, Dealing, DealingError, Opened},
    encrypt::SecretKey,
    field, packing,
    stream::Keystream,
};

/// Most custodians of a round: finding liars tries at most C(16, 8) = 12 870 subsets.
pub const CUSTODIANS_MAX: u8 = 16;

/// Elements drawn at a time from a seed.
const DRAWN: usize = 512;

/// Custody of the keys of a round that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "threshold must be 2..=custodians and custodians at most {CUSTODIANS_MAX}, got {threshold} of {custodians}"
)]
pub struct CustodyTermsError {
    /// The threshold asked for.
    pub threshold: u8,
    /// The custodians asked for.
    pub custodians: u8,
}

/// How keys are shared: any `threshold` of `custodians` open a sum, fewer learn nothing.
///
/// Who must collude to read one update: the aggregator (which has the ciphertexts) and `threshold`
/// custodians.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Custody {
    threshold: u8,
    custodians: u8,
}

impl Custody {
    /// `threshold` of `custodians`.
    ///
    /// # Errors
    /// [`CustodyTermsError`]: at a threshold of 1 each custodian would hold every key.
    pub const fn new(threshold: u8, custodians: u8) -> Result<Self, CustodyTermsError> {
        if threshold < 2 || threshold > custodians || custodians > CUSTODIANS_MAX {
            return Err(CustodyTermsError { threshold, custodians });
        }
        Ok(Self { threshold, custodians })
    }

    /// Custodians needed to open.
    #[must_use]
    pub const fn threshold(self) -> u8 {
        self.threshold
    }

    /// Custodians that hold shares, numbered 1..=custodians.
    #[must_use]
    pub const fn custodians(self) -> u8 {
        self.custodians
    }
}

/// One custodian's share of one key, with the proof that it fits the others'. Zeroised on drop, never printed.
///
/// The shares of custodians 1..threshold are drawn first, so each travels as the 32-byte seed that it
/// is expanded from; they and the key determine the others. That is Shamir's distribution (a uniform
/// polynomial of degree t − 1 through the key at 0), as far as the generator is one, and costs
/// (c − t + 1) · 31 KB instead of c · 31 KB.
pub struct KeyShare {
    form: Form,
    dealing: Dealing,
}

enum Form {
    Seed(Zeroizing<[u8; 32]>),
    Explicit {
        elements: Box<Zeroizing<[u64; DEGREE]>>,
        /// Of the masks of the proof.
        masks: Zeroizing<[u64; CHECKS]>,
        /// So that the commitment to it hides it.
        nonce: Zeroizing<[u8; 32]>,
    },
}

impl KeyShare {
    /// The [`DEGREE`] field elements that it stands for.
    pub(crate) fn elements(&self) -> Box<Zeroizing<[u64; DEGREE]>> {
        self.form.elements()
    }

    /// Checks that it is the share of `custodian` of a key that was dealt properly, so far as one custodian can: if all who hold
    /// shares of the key were shown the same proof, theirs lie on polynomials of degree t − 1.
    ///
    /// Returns the proof's digest, for custodians to see that it is the same.
    ///
    /// # Errors
    /// [`DealingError`].
    pub fn verify(&self, custody: Custody, custodian: u8) -> Result<Digest, DealingError> {
        let Self { form, dealing } = self;
        dealing.verify(custody, custodian, (form.commitment(custodian), &form.opened()))?;
        Ok(dealing.digest())
    }
}

impl Form {
    fn elements(&self) -> Box<Zeroizing<[u64; DEGREE]>> {
        match self {
            Self::Seed(seed) => expand(seed),
            Self::Explicit { elements, .. } => elements.clone(),
        }
    }

    fn opened(&self) -> Opened {
        let masks = match self {
            Self::Seed(seed) => expand_masks(seed),
            Self::Explicit { masks, .. } => masks.clone(),
        };
        Opened { elements: self.elements(), masks }
    }

    fn commitment(&self, custodian: u8) -> Digest {
        let mut writer = Writer::default();
        self.encode(&mut writer);
        let bytes = Zeroizing::new(writer.into_bytes());
        DigestBuilder::new(Tag::KeyDealing)
            .chain(b"share")
            .chain(&[custodian])
            .chain(&bytes)
            .finish()
    }
}

/// Shares `key` among the custodians, in their order.
pub(crate) fn deal(key: &SecretKey, custody: Custody, rng: &mut impl CryptoRng) -> Vec<KeyShare> {
    let forms = forms(key, custody, rng);
    let commitments = (1..).zip(&forms).map(|(custodian, form)| form.commitment(custodian));
    let first: Vec<Opened> =
        forms.iter().take(custody.threshold.into()).map(Form::opened).collect();
    let dealing = Dealing::new(commitments.collect(), &first);
    let share = |form| KeyShare { form, dealing: dealing.clone() };
    forms.into_iter().map(share).collect()
}

fn forms(key: &SecretKey, custody: Custody, rng: &mut impl CryptoRng) -> Vec<Form> {
    let mut forms = Vec::with_capacity(custody.custodians.into());
    let mut drawn = Vec::with_capacity(custody.threshold.into());
    let secret = key.0.iter().map(|coefficient| field::element(i64::from(*coefficient)));
    let mut known = Box::new(Zeroizing::new([0; DEGREE]));
    known.iter_mut().zip(secret).for_each(|(known, secret)| *known = secret);
    drawn.push(known);
    let mut seed = || {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        seed
    };
    for _ in 1..custody.threshold {
        let seed = seed();
        drawn.push(expand(&seed));
        forms.push(Form::Seed(seed));
    }
    let mut drawn_masks = vec![expand_masks(&seed())];
    drawn_masks.extend(forms.iter().map(|form| form.opened().masks));
    let nodes: Vec<u64> = (0..u64::from(custody.threshold)).collect();
    for custodian in custody.threshold..=custody.custodians {
        let weights = field::lagrange_weights(&nodes, custodian.into());
        let (elements, masks) = (combine(&weights, &drawn), combine_masks(&weights, &drawn_masks));
        forms.push(Form::Explicit { elements, masks, nonce: seed() });
    }
    forms
}

fn combine_masks(weights: &[u64], masks: &[Zeroizing<[u64; CHECKS]>]) -> Zeroizing<[u64; CHECKS]> {
    let mut sum = Zeroizing::new([0; CHECKS]);
    for (weight, masks) in weights.iter().zip(masks) {
        for (sum, mask) in sum.iter_mut().zip(masks.iter()) {
            *sum = field::add(*sum, field::multiply(*weight, *mask));
        }
    }
    sum
}

/// The sum of weights times vectors, coefficient by coefficient.
fn combine(
    weights: &[u64],
    vectors: &[Box<Zeroizing<[u64; DEGREE]>>],
) -> Box<Zeroizing<[u64; DEGREE]>> {
    let mut sum = Box::new(Zeroizing::new([0; DEGREE]));
    for (weight, vector) in weights.iter().zip(vectors) {
        for (sum, element) in sum.iter_mut().zip(vector.iter()) {
            *sum = field::add(*sum, field::multiply(*weight, *element));
        }
    }
    sum
}

/// Uniform elements from a seed.
fn expand(seed: &[u8; 32]) -> Box<Zeroizing<[u64; DEGREE]>> {
    let mut elements = Box::new(Zeroizing::new([0; DEGREE]));
    fill_elements(&mut Keystream::new("key-share/v1", seed), &mut elements[..]);
    elements
}

fn expand_masks(seed: &[u8; 32]) -> Zeroizing<[u64; CHECKS]> {
    let mut masks = Zeroizing::new([0; CHECKS]);
    fill_elements(&mut Keystream::new("key-share-masks/v1", seed), &mut masks[..]);
    masks
}

/// Uniform elements: 61 bits of each word; the one value that is the prime is skipped.
pub(crate) fn fill_elements(stream: &mut Keystream, elements: &mut [u64]) {
    let mut words = Zeroizing::new([0; DRAWN]);
    let mut filled = 0;
    while filled < elements.len() {
        stream.fill(&mut *words);
        let drawn = words.iter().map(|word| word >> 3).filter(|word| *word < field::PRIME);
        for (element, word) in elements[filled..].iter_mut().zip(drawn) {
            *element = word;
            filled += 1;
        }
    }
}

const SEED_FORM: u8 = 0;
const EXPLICIT_FORM: u8 = 1;

impl Encode for Form {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Seed(seed) => {
                writer.u8(SEED_FORM);
                writer.array(&**seed);
            }
            Self::Explicit { elements, masks, nonce } => {
                writer.u8(EXPLICIT_FORM);
                elements_to_writer(elements, writer);
                masks.iter().for_each(|mask| writer.u64(*mask));
                writer.array(&**nonce);
            }
        }
    }
}

impl Decode for Form {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            SEED_FORM => Ok(Self::Seed(Zeroizing::new(reader.array()?))),
            EXPLICIT_FORM => Ok(Self::Explicit {
                elements: elements_from_reader(reader)?,
                masks: Zeroizing::new(dealing::elements_from_reader(reader)?),
                nonce: Zeroizing::new(reader.array()?),
            }),
            _ => Err(DecodeError::invalid("key share", "unknown form")),
        }
    }
}

impl Encode for KeyShare {
    fn encode(&self, writer: &mut Writer) {
        self.form.encode(writer);
        self.dealing.encode(writer);
    }
}

impl Decode for KeyShare {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { form: Decode::decode(reader)?, dealing: Decode::decode(reader)? })
    }
}

/// Writes field elements, 61 bits each.
pub(crate) fn elements_to_writer(elements: &[u64; DEGREE], writer: &mut Writer) {
    let packed = Zeroizing::new(packing::pack(elements, field::ELEMENT_BITS));
    writer.array(&packed);
}

/// Reads field elements; each is below the prime.
pub(crate) fn elements_from_reader(
    reader: &mut Reader<'_>,
) -> Result<Box<Zeroizing<[u64; DEGREE]>>, DecodeError> {
    let packed = reader.take(packing::packed_len(DEGREE, field::ELEMENT_BITS))?;
    let mut elements = Box::new(Zeroizing::new([0; DEGREE]));
    packing::add_packed(&mut elements[..], field::ELEMENT_BITS, packed);
    if elements.iter().any(|element| *element >= field::PRIME) {
        return Err(DecodeError::invalid("field element", "not below 2^61 - 1"));
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    fn dealt(threshold: u8, custodians: u8) -> (SecretKey, Vec<KeyShare>) {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let mut key = SecretKey(Zeroizing::new([0; DEGREE]));
        for (k, coefficient) in key.0.iter_mut().enumerate() {
            *coefficient = i32::try_from(k % 117).unwrap() - 58;
        }
        let shares = deal(&key, Custody::new(threshold, custodians).unwrap(), &mut rng);
        (key, shares)
    }

    #[test]
    fn any_threshold_of_shares_gives_the_key() {
        let (key, shares) = dealt(3, 5);
        for subset in [[1, 2, 3], [1, 4, 5], [3, 4, 5], [2, 3, 5]] {
            let weights = field::lagrange_weights(&subset, 0);
            let vectors: Vec<_> = subset
                .iter()
                .map(|custodian| shares[usize::try_from(custodian - 1).unwrap()].elements())
                .collect();
            let opened = combine(&weights, &vectors);
            assert!(
                opened.iter().zip(&*key.0).all(|(o, s)| field::centred(*o) == i64::from(*s)),
                "{subset:?}"
            );
        }
    }

    #[test]
    fn fewer_shares_than_the_threshold_fit_every_key() {
        // For two shares of a threshold of three and any claimed key there is a polynomial through
        // them: the weights of the third point are never zero.
        let (_, shares) = dealt(3, 5);
        let (four, five) = (shares[3].elements(), shares[4].elements());
        for claimed in [0, 1, 57, field::PRIME - 58] {
            let weights = field::lagrange_weights(&[0, 4, 5], 1);
            assert!(weights.iter().all(|weight| *weight != 0));
            let first = field::add(
                field::multiply(weights[0], claimed),
                field::add(
                    field::multiply(weights[1], four[0]),
                    field::multiply(weights[2], five[0]),
                ),
            );
            let back = field::lagrange_weights(&[1, 4, 5], 0);
            let key = field::add(
                field::multiply(back[0], first),
                field::add(field::multiply(back[1], four[0]), field::multiply(back[2], five[0])),
            );
            assert_eq!(key, claimed);
        }
    }

    #[test]
    fn shares_travel_as_seeds_and_packed_elements() {
        let (_, shares) = dealt(3, 5);
        let lengths: Vec<usize> = shares.iter().map(|share| share.to_bytes().len()).collect();
        // The proof: two counts, five commitments, three pairs of values.
        let proof = 2 + 5 * 32 + 3 * 16;
        let explicit = 31_233 + 2 * 8 + 32 + proof;
        assert_eq!(lengths, [33 + proof, 33 + proof, explicit, explicit, explicit]);
        for share in &shares {
            let decoded = KeyShare::from_bytes(&share.to_bytes()).unwrap();
            assert!(*decoded.elements() == *share.elements());
        }
    }

    #[test]
    fn elements_that_are_not_below_the_prime_are_refused() {
        let mut bytes = vec![0xFF; 31_233];
        bytes[0] = EXPLICIT_FORM;
        assert!(KeyShare::from_bytes(&bytes).is_err());
        assert!(KeyShare::from_bytes(&[2; 33]).is_err());
        assert!(KeyShare::from_bytes(&[0; 32]).is_err());
    }

    #[test]
    fn shares_that_belong_together_are_proven_to_and_by_the_same_proof() {
        for (threshold, custodians) in [(2, 2), (2, 5), (3, 5), (5, 7)] {
            let (_, shares) = dealt(threshold, custodians);
            let custody = Custody::new(threshold, custodians).unwrap();
            let proofs: Vec<_> =
                (1..).zip(&shares).map(|(place, share)| share.verify(custody, place)).collect();
            assert!(proofs[0].is_ok() && proofs.iter().all(|proof| *proof == proofs[0]));
            // Another custodian's share, and another threshold.
            let exchanged = shares[0].verify(custody, 2);
            assert_eq!(exchanged, Err(DealingError::Commitment { custodian: 2 }));
            if let Ok(other) = Custody::new(threshold, custodians + 1) {
                assert!(matches!(shares[0].verify(other, 1), Err(DealingError::Shape { .. })));
            }
        }
    }

    #[test]
    fn a_share_that_does_not_fit_the_others_is_found_by_its_custodian_alone() {
        let custody = Custody::new(3, 5).unwrap();
        // A dealer that commits to what it deals, and proves as well as it can.
        let dealt_falsely = |spoil: fn(&mut Vec<Form>)| {
            let mut rng = ChaCha20Rng::from_seed([4; 32]);
            let mut forms = forms(&dealt(3, 5).0, custody, &mut rng);
            spoil(&mut forms);
            let commitments = (1..).zip(&forms).map(|(place, form)| form.commitment(place));
            let first: Vec<Opened> = forms.iter().take(3).map(Form::opened).collect();
            let dealing = Dealing::new(commitments.collect(), &first);
            let verified = (1..).zip(forms).map(|(place, form)| {
                KeyShare { form, dealing: dealing.clone() }.verify(custody, place).is_ok()
            });
            verified.collect::<Vec<_>>()
        };
        assert_eq!(dealt_falsely(|_| {}), [true; 5]);
        let bent = dealt_falsely(|forms| {
            let Form::Explicit { elements, .. } = &mut forms[4] else { panic!() };
            elements[7] = field::add(elements[7], 1);
        });
        assert_eq!(bent, [true, true, true, true, false]);
        // Where it proves by a false one, the honest ones seem false: nobody takes the key all the same.
        let blamed = dealt_falsely(|forms| {
            let Form::Explicit { masks, .. } = &mut forms[2] else { panic!() };
            masks[0] = field::add(masks[0], 1);
        });
        assert_eq!(blamed, [true, true, true, false, false]);
    }

    #[test]
    fn custody_that_one_custodian_could_break_is_refused() {
        for (threshold, custodians) in [(0, 3), (1, 3), (4, 3), (2, 17)] {
            assert!(Custody::new(threshold, custodians).is_err(), "{threshold} of {custodians}");
        }
    }
}
