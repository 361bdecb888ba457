//! A party that shifts a scalar, and a coordinator that writes another one.

use aggregator_protocol::{AggregatorReply, RoundReceipt, SCALARS, SealingTerms};
use aggregator_round::{Dispute, ShareDisclosure, ValueFault, Verdict};
use privacy_identity::{Decode as _, Encode as _, Signed, Tag};

use crate::{
    MEMBERS, ROUND, Settled, VISIBLE, modes, submitted,
    world::{World, dao::Logged},
};

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
