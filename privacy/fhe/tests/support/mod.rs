//! A round in one process: contributors, an aggregator and custodians.

#![expect(
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test helpers"
)]

use privacy_fhe::{
    AcceptedUpdate, Ciphertext, CiphertextSum, Custodian, CustodianError, CustodianInput,
    CustodianOutput, CustodianTerms, Custody, FheParameters, FheRequirements, FormReply, KeyShare,
    KeyShareSum, MemberId, NttEngine, Opening, ProbeOrder, RoundMask, encrypt,
};
use privacy_identity::{Decode as _, Digest, Encode as _, Tag};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;

pub fn parameters(dimension: u32, coordinate_max: u32, contributors_max: u32) -> FheParameters {
    FheParameters::checked(FheRequirements {
        dimension,
        coordinate_max,
        contributors_max,
        inner_product_bits: 0,
    })
    .unwrap()
}

pub fn mask() -> RoundMask {
    RoundMask::from_transcript(Digest::of(Tag::RoundOrder, b"dao, federation, round 7, model"))
}

pub fn random_update(parameters: &FheParameters, rng: &mut ChaCha20Rng) -> Vec<i32> {
    let bound = parameters.requirements().coordinate_max.cast_signed();
    let width = 2 * bound.cast_unsigned() + 1;
    (0..parameters.requirements().dimension)
        .map(|_| (rng.next_u32() % width) as i32 - bound)
        .collect()
}

pub fn member(index: usize) -> MemberId {
    MemberId(Digest::of(Tag::Join, &(index as u64).to_be_bytes()).0)
}

/// One contributor's part of a round.
pub struct Contribution {
    pub member: MemberId,
    pub values: Vec<i32>,
    pub ciphertext: Ciphertext,
    pub update: Digest,
    shares: Vec<Vec<u8>>,
}

impl Contribution {
    /// The share of custodian 1..=custodians.
    pub fn share(&self, custodian: u8) -> KeyShare {
        KeyShare::from_bytes(&self.shares[usize::from(custodian) - 1]).unwrap()
    }

    pub fn swap_shares(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.shares, &mut other.shares);
    }

    pub fn replace_share(&mut self, custodian: u8, other: &Self) {
        let index = usize::from(custodian) - 1;
        self.shares[index].clone_from(&other.shares[index]);
    }
}

pub struct Round {
    pub parameters: FheParameters,
    pub custody: Custody,
    pub mask: RoundMask,
    pub contributions: Vec<Contribution>,
    pub rng: ChaCha20Rng,
}

impl Round {
    pub fn new(parameters: FheParameters, threshold: u8, custodians: u8, count: usize) -> Self {
        let mut rng = ChaCha20Rng::from_seed([count as u8; 32]);
        let custody = Custody::new(threshold, custodians).unwrap();
        let mask = mask();
        let mut contributions: Vec<_> = (0..count)
            .map(|index| {
                let values = random_update(&parameters, &mut rng);
                contribution(member(index), values, &parameters, custody, &mask, &mut rng)
            })
            .collect();
        contributions.sort_by_key(|contribution| contribution.member);
        Self { parameters, custody, mask, contributions, rng }
    }

    pub fn opening(&self) -> Opening {
        self.opening_of(&(0..self.contributions.len()).collect::<Vec<_>>())
    }

    pub fn opening_of(&self, indices: &[usize]) -> Opening {
        let accepted = |index: &usize| {
            let Contribution { member, update, .. } = self.contributions[*index];
            AcceptedUpdate { member, update }
        };
        Opening::new(self.mask.transcript(), indices.iter().map(accepted).collect()).unwrap()
    }

    pub fn sum(&self) -> CiphertextSum {
        let mut sum = CiphertextSum::new(self.parameters);
        for contribution in &self.contributions {
            sum.add(&contribution.ciphertext).unwrap();
        }
        sum
    }

    pub fn plain_sum(&self) -> Vec<i64> {
        let mut sum = vec![0; self.parameters.requirements().dimension as usize];
        for contribution in &self.contributions {
            for (sum, value) in sum.iter_mut().zip(&contribution.values) {
                *sum += i64::from(*value);
            }
        }
        sum
    }

    pub fn terms(&self, custodian: u8) -> CustodianTerms {
        CustodianTerms {
            transcript: self.mask.transcript(),
            custody: self.custody,
            custodian,
            contributors_min: 2,
            contributors_max: self.parameters.requirements().contributors_max.max(2),
        }
    }

    /// A custodian that holds its share of every contribution.
    pub fn custodian(&self, custodian: u8) -> Custodian {
        let mut state = Custodian::new(self.terms(custodian)).unwrap();
        for contribution in &self.contributions {
            let (next, output) = state.handle(CustodianInput::Deposit {
                member: contribution.member,
                update: contribution.update,
                share: contribution.share(custodian),
            });
            assert_eq!(output, Ok(CustodianOutput::Deposited));
            state = next;
        }
        state
    }

    pub fn replies(&self) -> Vec<KeyShareSum> {
        (1..=self.custody.custodians())
            .map(|custodian| open(self.custodian(custodian), &self.opening()).1.unwrap())
            .collect()
    }
}

pub fn contribution(
    member: MemberId,
    values: Vec<i32>,
    parameters: &FheParameters,
    custody: Custody,
    mask: &RoundMask,
    rng: &mut ChaCha20Rng,
) -> Contribution {
    let encryption = encrypt(&values, parameters, mask, custody, &NttEngine::new(), rng).unwrap();
    let bytes = encryption.ciphertext.to_bytes();
    let ciphertext = Ciphertext::from_bytes(&bytes).unwrap();
    let update = Digest::of(Tag::SealedUpdate, &bytes);
    let shares = encryption.shares.iter().map(|share| share.to_bytes()).collect();
    Contribution { member, values, ciphertext, update, shares }
}

pub fn open(
    custodian: Custodian,
    opening: &Opening,
) -> (Custodian, Result<KeyShareSum, CustodianError>) {
    let (custodian, output) = custodian.handle(CustodianInput::Open(opening.clone()));
    let reply = output.map(|output| match output {
        CustodianOutput::Opened(reply) => KeyShareSum::from_bytes(&reply.to_bytes()).unwrap(),
        other => panic!("unexpected {other:?}"),
    });
    (custodian, reply)
}

pub fn probe(
    custodian: Custodian,
    order: &ProbeOrder,
) -> (Custodian, Result<FormReply, CustodianError>) {
    let (custodian, output) = custodian.handle(CustodianInput::Probe(order.clone()));
    let reply = output.map(|output| match output {
        CustodianOutput::Probed(reply) => FormReply::from_bytes(&reply.to_bytes()).unwrap(),
        other => panic!("unexpected {other:?}"),
    });
    (custodian, reply)
}

/// The bytes of `value` with the 61-bit element `index` changed, decoded again: a lie.
pub fn lie(reply: &KeyShareSum, index: usize) -> KeyShareSum {
    let mut bytes = reply.to_bytes();
    // Custodian, set, then the elements: the low bits of element `index` of a block.
    let offset = 1 + 32 + index / 64 * 488 + index % 64 * 4;
    bytes[offset] ^= 1;
    KeyShareSum::from_bytes(&bytes).unwrap()
}
