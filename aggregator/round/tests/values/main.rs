//! Parties that shift a scalar: who finds it, who is named, and what nobody finds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

#[path = "../world/mod.rs"]
mod world;

mod own_shares;
mod records;
mod shifts;

use aggregator_protocol::{
    CustodyTerms, FetchedReceipt, RoundId, RoundReceipt, SCALARS, ScalarOpening, SealingTerms,
    ValueRecord,
};
use aggregator_round::{SumProducts, ValueFault, check_values, opened_values};
use privacy_identity::{Signed, SigningKey, Tag, VerifyingKey};

use crate::world::{Contribution, World, dishonest::MODULUS, federation::Federation};

const MEMBERS: usize = 4;
const ROUND: RoundId = RoundId(0);

fn modes() -> [(SealingTerms, usize); 4] {
    let fhe = SealingTerms::Fhe(CustodyTerms::new(3, 2).unwrap());
    [(SealingTerms::Mpc, 2), (SealingTerms::Mpc, 3), (SealingTerms::MpcVerified, 2), (fhe, 1)]
}

/// A settled first round to which all members contributed.
struct Settled {
    federation: Federation,
    contributions: Vec<Contribution>,
    receipt: RoundReceipt,
    record: ValueRecord,
    products: SumProducts,
}

fn submitted(sealing: SealingTerms, aggregators: usize) -> (Federation, Vec<Contribution>) {
    let mut federation = Federation::of(World::with_cohort(sealing, 4, aggregators, MEMBERS));
    federation.grant_through_dao();
    let contributions = federation.submit(&[0, 1, 2, 3]);
    (federation, contributions)
}

impl Settled {
    fn new((sealing, aggregators): (SealingTerms, usize)) -> Self {
        let (mut federation, contributions) = submitted(sealing, aggregators);
        while federation.dao.log.is_empty() {
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        let member = federation.world.member(0);
        let machine = &federation.coordinator.machine;
        let fetched = machine.receipt_for(ROUND, &member);
        let FetchedReceipt::Settled { receipt, .. } = &fetched else { panic!("{fetched:?}") };
        let receipt = receipt.unverified_body().clone();
        let sum = machine.sum_for(ROUND, &member).unwrap();
        let record = *machine.values_for(ROUND, &member).unwrap();
        let order = record.probes.unverified_body();
        let grant = receipt.grant.unverified_body();
        let terms = &federation.world.terms;
        let products = SumProducts::of(terms, grant, sum.unverified_body(), order).unwrap();
        Self { federation, contributions, receipt, record, products }
    }

    const fn world(&self) -> &World {
        &self.federation.world
    }

    fn fhe(&self) -> bool {
        self.world().terms.sealing.custody().is_some()
    }

    /// Under which the party at `place` signs.
    fn party_key(&self, place: usize) -> SigningKey {
        if place == 0 || !self.fhe() {
            return self.world().aggregator_key(place);
        }
        let grant = self.receipt.grant.unverified_body();
        let member = grant.custodians[place - 1].member;
        let index = (0..MEMBERS).find(|&index| self.world().member(index) == member).unwrap();
        SigningKey::from_seed(&self.world().members[index].seed())
    }

    /// The record in which the party at `place` signed other shares, and the receipt that a coordinator
    /// makes of it: true to that record if the record can be opened at all.
    fn forged(
        &self,
        place: usize,
        alter: impl FnOnce(&mut Vec<[u64; SCALARS]>),
    ) -> (RoundReceipt, ValueRecord) {
        let mut parties = self.record.opening.parties().to_vec();
        let party = parties.iter_mut().find(|party| usize::from(party.place) == place).unwrap();
        let mut body = party.shares.unverified_body().clone();
        alter(&mut body.shares);
        party.shares = Signed::new(body, Tag::ScalarShares, &self.party_key(place));
        self.with_opening(ScalarOpening::new(parties).unwrap())
    }

    fn with_opening(&self, opening: ScalarOpening) -> (RoundReceipt, ValueRecord) {
        let record = ValueRecord { opening, ..self.record.clone() };
        let mut receipt = self.receipt.clone();
        receipt.opening = record.opening.digest();
        let (terms, grant) = (&self.world().terms, receipt.grant.unverified_body());
        let opened = opened_values(terms, grant, &receipt.accepted, &record, &self.products);
        if let Ok(scalars) = opened {
            receipt.scalars = scalars;
        }
        (receipt, record)
    }

    fn check(&self, (receipt, record): &(RoundReceipt, ValueRecord)) -> Result<(), ValueFault> {
        check_values(&self.world().terms, receipt, record, &self.products)
    }

    /// What member `index` finds in its own scalars.
    fn own(
        &self,
        index: usize,
        (receipt, record): &(RoundReceipt, ValueRecord),
    ) -> Result<(), ValueFault> {
        self.contributions[index].own.check(&self.world().terms, receipt, record)
    }

    fn honest(&self) -> (RoundReceipt, ValueRecord) {
        (self.receipt.clone(), self.record.clone())
    }

    fn all_parties(&self) -> Vec<VerifyingKey> {
        let terms = self.world().terms.aggregators.iter().map(|keys| keys.verifying);
        let grant = self.receipt.grant.unverified_body();
        terms.chain(grant.custodians.iter().map(|custodian| custodian.member)).collect()
    }

    /// A share that opens to `amount` more: in FHE mode of the aggregator's product, where the reading is in the
    /// uppermost bits.
    fn plus(&self, share: u64, amount: i64) -> u64 {
        let terms = &self.world().terms;
        match terms.sealing {
            SealingTerms::Mpc => {
                let bits = terms.encoding.ring().bits();
                share.wrapping_add_signed(amount) & ((1 << bits) - 1)
            }
            SealingTerms::MpcVerified => {
                let sum = i128::from(share) + i128::from(amount);
                u64::try_from(sum.rem_euclid(i128::from(MODULUS))).unwrap()
            }
            SealingTerms::Fhe(_) => share.wrapping_add_signed(amount << (64 - FHE_LANE_BITS)),
        }
    }
}

/// Bits of a lane under the terms of this world: inner products of 25 bits and a sign.
const FHE_LANE_BITS: u32 = 26;

/// A shift that is beyond four errors of readings (FHE mode), and small beside any value that is paid.
const VISIBLE: i64 = 4 * 400;
