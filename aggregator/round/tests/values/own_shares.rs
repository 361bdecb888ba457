//! What a member keeps of its own update: as evidence, and read back.

use aggregator_protocol::{SCALARS, ScalarOpening, ScalarShares};
use aggregator_round::{Dispute, OwnShares, ValueFault, Verdict};
use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;

use crate::{MEMBERS, Settled, modes, world::Contribution};

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
