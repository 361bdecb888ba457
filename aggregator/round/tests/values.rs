//! Parties that shift a scalar: who finds it, who is named, and what nobody finds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AggregatorReply, CustodyTerms, FetchedReceipt, PartyScalars, ProbeOrder, RoundId, RoundReceipt,
    SCALARS, ScalarOpening, ScalarShares, SealingTerms, ValueRecord,
};
use aggregator_round::{
    Dispute, OwnShares, ShareDisclosure, SumProducts, ValueFault, Verdict, check_values,
    opened_values,
};
use privacy_identity::{Decode as _, Digest, Encode as _, Signed, SigningKey, Tag, VerifyingKey};
use proptest::prelude::*;

use crate::world::{Contribution, World, dao::Logged, dishonest::MODULUS, federation::Federation};

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

#[test]
fn the_values_of_an_honest_round_pass_every_check_in_every_mode() {
    for mode in modes() {
        let settled = Settled::new(mode);
        assert_eq!(settled.check(&settled.honest()), Ok(()));
        for index in 0..MEMBERS {
            assert_eq!(settled.own(index, &settled.honest()), Ok(()));
        }
    }
}

#[test]
fn a_scalar_that_one_aggregator_shifts_is_found_by_everybody() {
    for mode in modes() {
        let settled = Settled::new(mode);
        // In MPC modes by a single unit.
        let amounts = if settled.fhe() { [VISIBLE, -VISIBLE] } else { [1, -1] };
        for index in 0..MEMBERS {
            for which in 0..SCALARS {
                for amount in amounts {
                    let forged = settled.forged(0, |shares| {
                        shares[index][which] = settled.plus(shares[index][which], amount);
                    });
                    let fault = settled.check(&forged).unwrap_err();
                    let ValueFault::Sum { which: found, expected, got } = fault else {
                        panic!("{fault}")
                    };
                    assert_eq!(found, which);
                    assert!(got != i128::from(expected));
                    let terms = &settled.world().terms;
                    let dispute = Dispute::of_values(
                        terms,
                        &settled.receipt,
                        settled.world().member(3),
                        ValueFault::Sum { which, expected, got },
                    );
                    // Which of the parties, the sum does not tell.
                    assert_eq!(dispute.accused, settled.all_parties());
                }
            }
        }
    }
}

#[test]
fn a_shift_that_another_contributor_makes_up_for_is_found_by_both_and_its_author_named() {
    for mode in modes() {
        let settled = Settled::new(mode);
        let (terms, world) = (&settled.world().terms, settled.world());
        for which in 0..SCALARS {
            let forged = settled.forged(0, |shares| {
                shares[1][which] = settled.plus(shares[1][which], 5_000);
                shares[2][which] = settled.plus(shares[2][which], -5_000);
            });
            // The coordinator's own receipt and record agree, and everything adds up …
            assert_eq!(settled.check(&forged), Ok(()));
            let paid = |receipt: &RoundReceipt| match which {
                0 => receipt.scalars[1].value,
                1 => receipt.scalars[1].innovation,
                _ => receipt.scalars[1].contrast,
            };
            assert!(
                paid(&forged.0) > paid(&settled.receipt),
                "the shift pays, or blurs an interval"
            );
            // … but not for those whose scalars they are.
            for index in [1, 2] {
                let fault = settled.own(index, &forged).unwrap_err();
                let ValueFault::Share { member, place: 0, expected, got } = fault.clone() else {
                    panic!("{fault}")
                };
                assert_eq!(member, world.member(index));
                let coordinator = world.aggregator_key(0).verifying_key();
                let dispute = Dispute::of_values(terms, &forged.0, member, fault.clone());
                assert_eq!(dispute.accused, [coordinator]);
                assert!(dispute.to_string().contains("its part gives"), "{dispute}");
                // The judge is shown the liar's part alone.
                let contribution = &settled.contributions[index];
                let shown = contribution.own.disclose(contribution.sealed.update(), 0).unwrap();
                // As it is handed over.
                let bytes = shown.to_bytes();
                let shown = ShareDisclosure::from_bytes(&bytes).unwrap();
                assert!(ShareDisclosure::from_bytes(&bytes[1..]).is_err());
                let verdict = shown.judge(terms, &forged.0, &forged.1);
                let signed = got.unwrap();
                assert_eq!(verdict, Verdict::Lied { place: 0, expected, signed });
                // And finds the others truthful.
                let shown = contribution.own.disclose(contribution.sealed.update(), 1).unwrap();
                assert_eq!(shown.judge(terms, &forged.0, &forged.1), Verdict::Truthful);
            }
            for index in [0, 3] {
                assert_eq!(settled.own(index, &forged), Ok(()));
            }
        }
    }
}

#[test]
fn in_fhe_mode_a_shift_below_the_error_of_readings_adds_up_and_its_victim_finds_it_all_the_same() {
    let settled = Settled::new(modes()[3]);
    let forged = settled.forged(0, |shares| shares[1][0] = settled.plus(shares[1][0], 1));
    assert_eq!(settled.check(&forged), Ok(()));
    assert!(matches!(settled.own(1, &forged), Err(ValueFault::Share { place: 0, .. })));
}

/// What a party other than the coordinator answers, shifted at these contributors and signed again.
fn shifted_reply(
    world: &World,
    reply: AggregatorReply,
    shifts: &[(usize, u64)],
) -> AggregatorReply {
    let AggregatorReply::Scalars(scalars) = reply else { return reply };
    let mut body = scalars.unverified_body().clone();
    for (index, shift) in shifts {
        body.shares[*index][0] = (body.shares[*index][0] + shift) % (1 << 26);
    }
    let signed = Signed::new(body, Tag::ScalarShares, &world.aggregator_key(1));
    AggregatorReply::Scalars(Box::new(signed))
}

#[test]
fn an_honest_coordinator_settles_no_round_in_which_another_aggregator_shifted_a_scalar() {
    for (sealing, aggregators) in [modes()[0], modes()[2]] {
        let (mut federation, _) = submitted(sealing, aggregators);
        let ended =
            federation.end_round(|world, _, _, reply| Some(shifted_reply(world, reply, &[(2, 1)])));
        let Logged::Aborted(reason) = ended else { panic!("it was settled") };
        assert!(reason.contains("a party shifted one"), "{reason}");
    }
}

#[test]
fn another_aggregator_that_moves_value_between_two_contributors_is_named_by_both() {
    let (mut federation, contributions) = submitted(SealingTerms::Mpc, 2);
    let shifts = [(1, 70_000), (2, (1 << 26) - 70_000)];
    let ended =
        federation.end_round(|world, _, _, reply| Some(shifted_reply(world, reply, &shifts)));
    let Logged::Settled(receipt) = ended else { panic!("{ended:?}") };
    let terms = &federation.world.terms;
    let machine = &federation.coordinator.machine;
    let record = machine.values_for(ROUND, &federation.world.member(0)).unwrap();
    for (index, contribution) in contributions.iter().enumerate() {
        let found = contribution.own.check(terms, receipt.unverified_body(), &record);
        if [1, 2].contains(&index) {
            assert!(matches!(found, Err(ValueFault::Share { place: 1, .. })), "{found:?}");
        } else {
            assert_eq!(found, Ok(()));
        }
    }
}

#[test]
fn a_receipt_with_other_scalars_than_were_opened_accuses_the_coordinator() {
    for mode in modes() {
        let settled = Settled::new(mode);
        for index in 0..MEMBERS {
            let (mut receipt, record) = settled.honest();
            receipt.scalars[index].value += 1;
            let fault = settled.check(&(receipt.clone(), record)).unwrap_err();
            assert!(
                matches!(&fault, ValueFault::Scalar { member, .. } if *member == settled.world().member(index))
            );
            let coordinator = settled.world().aggregator_key(0).verifying_key();
            let dispute = Dispute::of_values(
                &settled.world().terms,
                &receipt,
                settled.world().member(0),
                fault,
            );
            assert_eq!(dispute.accused, [coordinator]);
        }
    }
}

#[test]
fn a_record_that_is_not_the_parties_own_is_refused_by_name() {
    for mode in modes() {
        let settled = Settled::new(mode);
        let parties = settled.record.opening.parties();
        // Shares of another party, put in and signed by the coordinator.
        let mut altered = parties.to_vec();
        let mut body = altered[1].shares.unverified_body().clone();
        body.shares[0][0] ^= 1;
        altered[1].shares = Signed::new(body, Tag::ScalarShares, &settled.party_key(0));
        let forged = settled.with_opening(ScalarOpening::new(altered).unwrap());
        let place = usize::from(parties[1].place);
        assert_eq!(settled.check(&forged), Err(ValueFault::Answer { place }));
        // Only the coordinator's.
        let alone = ScalarOpening::new(parties[..1].to_vec()).unwrap();
        let fault = settled.check(&settled.with_opening(alone)).unwrap_err();
        assert!(matches!(fault, ValueFault::Parties { .. }), "{fault}");
        // A party that there is not.
        let extra = PartyScalars { place: 15, shares: parties[0].shares.clone() };
        let with_extra = [parties, &[extra]].concat();
        let forged = settled.with_opening(ScalarOpening::new(with_extra).unwrap());
        assert_eq!(settled.check(&forged), Err(ValueFault::Parties { place: 15 }));
        // For fewer contributors.
        let fewer = settled.forged(0, |shares| {
            shares.pop();
        });
        assert_eq!(settled.check(&fewer), Err(ValueFault::Answer { place: 0 }));
    }
}

#[test]
fn another_record_or_other_probes_than_the_receipt_names_are_found() {
    let settled = Settled::new(modes()[0]);
    let (mut receipt, record) = settled.honest();
    receipt.opening = Digest([7; 32]);
    let what = "the parties' answers";
    assert_eq!(settled.check(&(receipt, record)), Err(ValueFault::OtherRecord { what }));
    // A second order of the DAO node for the same round.
    let (receipt, mut record) = settled.honest();
    let mut body: ProbeOrder = record.probes.unverified_body().clone();
    std::mem::swap(&mut body.value, &mut body.innovation);
    record.probes = Signed::new(body, Tag::Probe, &settled.world().dao_key);
    assert_eq!(
        settled.check(&(receipt, record)),
        Err(ValueFault::OtherRecord { what: "the probe order" })
    );
    // Probes that the DAO node did not sign.
    let (receipt, mut record) = settled.honest();
    let body = record.probes.unverified_body().clone();
    record.probes = Signed::new(body, Tag::Probe, &settled.world().aggregator_key(0));
    let fault = settled.check(&(receipt, record)).unwrap_err();
    assert!(matches!(fault, ValueFault::Probe { .. }), "{fault}");
}

/// What nobody finds: stated with the mechanism, and shown here so that a change that stops it is noticed.
#[test]
fn two_members_that_collude_with_the_coordinator_shift_value_between_them_up_to_the_bound_of_a_norm()
 {
    for mode in [modes()[0], modes()[3]] {
        let settled = Settled::new(mode);
        let encoding = &settled.world().terms.encoding;
        let probe = &settled.record.probes.unverified_body().value;
        let most = probe.reading_max(encoding);
        let half = 1_i64 << 24;
        for amount in [most, half] {
            let forged = settled.forged(0, |shares| {
                shares[0][0] = settled.plus(shares[0][0], amount);
                shares[1][0] = settled.plus(shares[1][0], -amount);
            });
            assert_eq!(settled.check(&forged), Ok(()));
            let bound = probe.value_from_opened(most) / 4;
            for scalars in &forged.0.scalars {
                assert!(scalars.value.abs() <= bound, "{} above {bound}", scalars.value);
            }
        }
    }
}

#[test]
fn a_false_accusation_proves_nothing() {
    for mode in modes() {
        let settled = Settled::new(mode);
        let terms = &settled.world().terms;
        let (receipt, record) = settled.honest();
        let (first, second) = (&settled.contributions[0], &settled.contributions[1]);
        let unfounded = |own: &OwnShares, update: &Contribution, place| {
            let shown = own.disclose(update.sealed.update(), place).unwrap();
            matches!(shown.judge(terms, &receipt, &record), Verdict::Unfounded { .. })
        };
        // Parts of another update than the signed one.
        assert!(unfounded(&second.own, first, 0));
        assert!(unfounded(&second.own, first, 1));
        // An update that was sealed, but not accepted.
        let order = settled.world().order(0, &[0, 1, 2, 3]);
        let other = settled.world().contribution(0, &order, 5);
        assert!(unfounded(&other.own, &other, 0));
        // One part after another altered by a bit: what was sealed is what is judged.
        let bytes = first.own.to_bytes();
        for position in (0..bytes.len()).step_by(bytes.len() / 40) {
            let mut altered = bytes.clone();
            altered[position] ^= 1;
            let Ok(altered) = OwnShares::from_bytes(&altered) else { continue };
            for place in 0..2 {
                let Some(shown) = altered.disclose(first.sealed.update(), place) else { continue };
                let verdict = shown.judge(terms, &receipt, &record);
                assert!(!matches!(verdict, Verdict::Lied { .. }), "{verdict:?}");
            }
        }
    }
}

#[test]
fn what_is_kept_of_another_round_or_member_is_not_taken_for_evidence() {
    let settled = Settled::new(modes()[0]);
    let world = settled.world();
    let elsewhere = world.contribution(0, &world.order(1, &[0, 1, 2, 3]), 0);
    let found = elsewhere.own.check(&world.terms, &settled.receipt, &settled.record).unwrap_err();
    assert!(matches!(found, ValueFault::Own { .. }));
    assert_eq!(
        Dispute::of_values(&world.terms, &settled.receipt, world.member(0), found).accused,
        []
    );
}

#[test]
fn what_is_kept_is_read_back_and_checks_the_same() {
    for mode in modes() {
        let settled = Settled::new(mode);
        let bytes = settled.contributions[2].own.to_bytes();
        let kept = OwnShares::from_bytes(&bytes).unwrap();
        let (receipt, record) = settled.honest();
        assert_eq!(kept.check(&settled.world().terms, &receipt, &record), Ok(()));
        assert!(OwnShares::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    }
}

#[test]
fn a_stranger_does_not_get_what_the_values_follow_from() {
    let settled = Settled::new(modes()[0]);
    let machine = &settled.federation.coordinator.machine;
    let stranger = settled.world().aggregator_key(1).verifying_key();
    assert_eq!(machine.values_for(ROUND, &stranger), None);
    assert_eq!(machine.values_for(RoundId(7), &settled.world().member(0)), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_parts_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(own) = OwnShares::from_bytes(&bytes) {
            prop_assert_eq!(own.to_bytes(), bytes.clone());
        }
        if let Ok(opening) = ScalarOpening::from_bytes(&bytes) {
            prop_assert_eq!(opening.to_bytes(), bytes);
        }
    }

    #[test]
    fn any_other_answer_than_the_true_one_is_found_by_its_victim(share in any::<u64>(), at in 0..MEMBERS, which in 0..SCALARS) {
        thread_local! {
            static SETTLED: Settled = Settled::new(modes()[0]);
        }
        SETTLED.with(|settled| {
            let body: &ScalarShares = settled.record.opening.parties()[0].shares.unverified_body();
            let honest = body.shares[at][which];
            let forged = settled.forged(0, |shares| shares[at][which] = share);
            let found = settled.own(at, &forged);
            prop_assert_eq!(found.is_ok(), share == honest);
            Ok(())
        })?;
    }
}
