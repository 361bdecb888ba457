//! Sampling that is secret until a member submits, and that everybody can check afterwards.
//!
//! ```text
//!   enrolment:  member registers its VRF key, signed with its identity
//!   later:      the round's beacon becomes known (the digest of the model that is trained from)
//!   member:     output = VRF(key, federation ‖ round ‖ beacon);  takes part iff output < q·2^64
//!   submission: ticket (proof) ──► whoever accepts checks it against the registered key
//! ```
//!
//! What it gives:
//! - *Secrecy*: until the ticket is shown, nobody but the member can tell whether it takes part. Afterwards
//!   whoever sees the submission knows: the aggregators do. Privacy amplification by sampling may be claimed
//!   against those who see models, sums and receipts without the list of participants, **not** against the
//!   aggregators, nor against anybody to whom a receipt shows who took part.
//! - *Verifiability*: anybody with the registered key, terms and beacon; nobody can take part in a round for
//!   which its ticket does not hold.
//! - *No choice*: a member has one output for a round, so it cannot try again; it can only stay away.
//!
//! What it needs: the key is registered before anybody knows the beacon, else a member tries keys until one
//! wins the rounds it wants; and the beacon cannot be chosen by one party. The model's digest depends on
//! every update before it; who decides last who is accepted could try a few, without knowing any other
//! member's output. A member that is many members (Sybils) has as many tickets: admission answers that.

use std::str::FromStr;

use privacy_identity::{Decode, DecodeError, Digest, Encode, Reader, SigningKey, Tag, Writer};
use sha2::{Digest as _, Sha512};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{VrfError, VrfOutput, VrfProof, VrfPublicKey, VrfSecretKey, vrf::digest_of};

/// Domain of the function's input. Part of the wire format: append, never change.
const INPUT_DOMAIN: &str = "sahakar/participation/v1";
/// Domain of the key's derivation.
const KEY_DOMAIN: &str = "sahakar/participation-key/v1";

/// Why a sampling rate or a ticket was refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ParticipationError {
    /// A rate outside its range.
    #[error("a sampling rate must be above 0 and at most 1, got {got}")]
    Rate {
        /// What was given.
        got: f64,
    },
    /// A ticket whose proof does not hold.
    #[error("the ticket does not hold for this member and round")]
    Proof(#[source] VrfError),
    /// A ticket that is true and says that the member was not drawn.
    #[error("the member was not drawn for this round")]
    NotDrawn,
}

/// The probability q with which each member takes part, independently (Poisson sampling): 0 < q ≤ 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct SamplingRate(f64);

impl SamplingRate {
    /// Everybody takes part.
    pub const ALL: Self = Self(1.0);

    /// Takes q.
    ///
    /// # Errors
    /// [`ParticipationError::Rate`].
    pub fn new(rate: f64) -> Result<Self, ParticipationError> {
        if rate > 0.0 && rate <= 1.0 {
            Ok(Self(rate))
        } else {
            Err(ParticipationError::Rate { got: rate })
        }
    }

    /// q.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Tells whether uniform 64 bits draw the member: with probability ⌊q·2⁶⁴⌋/2⁶⁴ ≤ q, so that what is
    /// accounted for q is never exceeded.
    #[must_use]
    pub fn draws(self, uniform: u64) -> bool {
        // 2^64 itself has no u64: q = 1 draws always.
        let threshold = self.0 * 18_446_744_073_709_551_616.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 < threshold < 2^64 where it is used; rounding down is what is wanted"
        )]
        let below = || uniform < threshold as u64;
        self.0 >= 1.0 || below()
    }
}

impl FromStr for SamplingRate {
    type Err = ParticipationError;

    fn from_str(text: &str) -> Result<Self, ParticipationError> {
        Self::new(text.parse().map_err(|_source| ParticipationError::Rate { got: f64::NAN })?)
    }
}

impl Encode for SamplingRate {
    fn encode(&self, writer: &mut Writer) {
        writer.f64(self.0);
    }
}

impl Decode for SamplingRate {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let rate = reader.f64("sampling rate")?;
        Self::new(rate).map_err(|e| DecodeError::invalid("sampling rate", e))
    }
}

/// Where a draw counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Digest of the federation's terms.
    pub federation: Digest,
    /// The round.
    pub round: u64,
    /// What nobody knew when keys were registered: the digest of the model that the round trains from.
    pub beacon: Digest,
}

impl Draw {
    /// What is drawn by in public: a cohort of the round ([`CohortRule`](super::CohortRule)), or its groups
    /// ([`draw_groups`](crate::draw_groups)).
    #[must_use]
    pub fn seed(&self) -> Digest {
        Digest::of(Tag::CohortDraw, &self.input())
    }

    fn input(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.text(INPUT_DOMAIN);
        self.federation.encode(&mut writer);
        writer.u64(self.round);
        self.beacon.encode(&mut writer);
        writer.into_bytes()
    }
}

/// The proof that a member was drawn for a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(VrfProof);

impl Ticket {
    /// The ticket of the owner of `key`, or nothing if it is not drawn.
    #[must_use]
    pub fn draw(key: &VrfSecretKey, draw: &Draw, rate: SamplingRate) -> Option<Self> {
        let (output, proof) = key.prove(&draw.input());
        rate.draws(uniform(&output)).then_some(Self(proof))
    }

    /// Checks that the owner of `key` was drawn.
    ///
    /// # Errors
    /// [`ParticipationError::Proof`] or [`ParticipationError::NotDrawn`].
    pub fn verify(
        &self,
        key: &VrfPublicKey,
        draw: &Draw,
        rate: SamplingRate,
    ) -> Result<(), ParticipationError> {
        let output = key.verify(&draw.input(), &self.0).map_err(ParticipationError::Proof)?;
        if rate.draws(uniform(&output)) { Ok(()) } else { Err(ParticipationError::NotDrawn) }
    }
}

impl Encode for Ticket {
    fn encode(&self, writer: &mut Writer) {
        self.0.encode(writer);
    }
}

impl Decode for Ticket {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(VrfProof::decode(reader)?))
    }
}

/// A member's key for draws, derived from its identity so that there is nothing more to keep. One-way: it
/// tells nothing about the identity's key.
#[must_use]
pub fn participation_key(identity: &SigningKey) -> VrfSecretKey {
    let hash = Sha512::new_with_prefix(KEY_DOMAIN).chain_update(identity.seed());
    let expanded = digest_of(hash);
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(&expanded[..32]);
    VrfSecretKey::from_seed(&seed)
}

fn uniform(output: &VrfOutput) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = output.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draw(round: u64) -> Draw {
        let (federation, beacon) = (Digest::of(Tag::Terms, b"f"), Digest::of(Tag::Model, b"m"));
        Draw { federation, round, beacon }
    }

    fn key(seed: u8) -> VrfSecretKey {
        participation_key(&SigningKey::from_seed(&[seed; 32]))
    }

    /// 4000 draws with q = 0.3: 1200 expected, standard deviation 29; off by more than 5 of them with a
    /// probability below 10⁻⁶, and the seed is fixed.
    #[test]
    fn members_are_drawn_at_the_rate() {
        let rate = SamplingRate::new(0.3).unwrap();
        let drawn = |seed: u8| {
            let key = key(seed);
            (0..400).filter(|round| Ticket::draw(&key, &draw(*round), rate).is_some()).count()
        };
        let drawn: usize = (0..10).map(drawn).sum();
        assert!(drawn.abs_diff(1200) <= 145, "{drawn}");
    }

    #[test]
    fn a_ticket_holds_for_its_member_round_and_beacon_only() {
        let (mine, rate) = (key(1), SamplingRate::ALL);
        let ticket = Ticket::draw(&mine, &draw(4), rate).unwrap();
        let public = mine.public_key();
        assert_eq!(ticket.verify(&public, &draw(4), rate), Ok(()));
        let mismatch = Err(ParticipationError::Proof(VrfError::Mismatch));
        assert_eq!(ticket.verify(&public, &draw(5), rate), mismatch);
        assert_eq!(ticket.verify(&key(2).public_key(), &draw(4), rate), mismatch);
        let beacon = Digest::of(Tag::Model, b"another");
        assert_eq!(ticket.verify(&public, &Draw { beacon, ..draw(4) }, rate), mismatch);
    }

    #[test]
    fn a_member_that_was_not_drawn_cannot_show_a_ticket() {
        let (mine, rate) = (key(1), SamplingRate::new(0.2).unwrap());
        let round = (0..).find(|r| Ticket::draw(&mine, &draw(*r), rate).is_none()).unwrap();
        let true_proof = Ticket::draw(&mine, &draw(round), SamplingRate::ALL).unwrap();
        let refused = true_proof.verify(&mine.public_key(), &draw(round), rate);
        assert_eq!(refused, Err(ParticipationError::NotDrawn));
    }

    #[test]
    fn rates_that_are_no_probabilities_are_refused() {
        for got in [0.0, -0.1, 1.1, f64::NAN] {
            assert!(SamplingRate::new(got).is_err());
        }
        assert!(SamplingRate::ALL.draws(u64::MAX));
        assert!(!SamplingRate::new(f64::MIN_POSITIVE).unwrap().draws(0));
        assert!(SamplingRate::new(0.5).unwrap().draws((1 << 63) - 1));
        assert!(!SamplingRate::new(0.5).unwrap().draws(1 << 63));
    }

    /// A changed byte draws other members.
    #[test]
    fn the_input_is_pinned() {
        let bytes = draw(7).input();
        assert_eq!(&bytes[..28], b"\0\0\0\x18sahakar/participation/v1");
        assert_eq!(&bytes[28..60], &draw(7).federation.0);
        assert_eq!(&bytes[60..68], &7_u64.to_be_bytes());
        assert_eq!(&bytes[68..], &draw(7).beacon.0);
    }

    proptest! {
        #[test]
        fn tickets_and_rates_are_read_back(rate in 1e-9_f64..=1.0, seed: u8) {
            let rate = SamplingRate::new(rate).unwrap();
            prop_assert_eq!(SamplingRate::from_bytes(&rate.to_bytes()).unwrap(), rate);
            let ticket = Ticket::draw(&key(seed), &draw(0), SamplingRate::ALL).unwrap();
            prop_assert_eq!(Ticket::from_bytes(&ticket.to_bytes()).unwrap(), ticket);
        }
    }
}
