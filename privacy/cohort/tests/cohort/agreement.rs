//! Members train only if they mean the same cohort.

use crate::federation::{Federation, deliver, key, list, public};
use privacy_cohort::{AllowList, Cohort, CohortIdentity, Disagreement};
use privacy_identity::VerifyingKey;

fn view(cohort: &Cohort) -> (Vec<VerifyingKey>, u64) {
    (cohort.roster().into_iter().collect(), cohort.epoch())
}

#[test]
fn members_of_one_cohort_agree() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(4);
    let (roster, epoch) = view(&cohort[3]);
    for member in &cohort {
        assert_eq!(member.agrees(&roster, epoch, cohort[3].authenticator()), Ok(()));
    }
}

#[test]
fn padding_omission_repetition_and_lag_are_named() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(3);
    let (roster, epoch) = view(&cohort[0]);
    let authenticator = cohort[0].authenticator();
    let check = |roster: &[VerifyingKey], epoch, expected: Disagreement| {
        assert_eq!(cohort[1].agrees(roster, epoch, authenticator), Err(expected));
    };
    let padded = [&roster[..], &[public(9)]].concat();
    check(&padded, epoch, Disagreement::NotInCohort { member: public(9) });
    check(&roster[1..], epoch, Disagreement::NotNamed { member: roster[0] });
    let repeated = [&roster[..], &roster[..1]].concat();
    check(&repeated, epoch, Disagreement::NamedTwice { member: roster[0] });
    check(&roster, epoch + 1, Disagreement::Epoch { ours: epoch, theirs: epoch + 1 });
}

#[test]
fn two_halves_that_a_coordinator_keeps_apart_disagree() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(4);
    let (here, there) = cohort.split_at_mut(2);
    let first = here[0].refresh(&mut federation.rng).unwrap();
    let second = there[0].refresh(&mut federation.rng).unwrap();
    deliver(here, &first.commit, &federation.listed);
    deliver(there, &second.commit, &federation.listed);
    let (roster, epoch) = view(&there[1]);
    assert_eq!(view(&here[1]), (roster.clone(), epoch), "the fork shows in the authenticator only");
    let refused = here[1].agrees(&roster, epoch, there[1].authenticator());
    assert!(matches!(refused, Err(Disagreement::Authenticator { .. })), "{refused:?}");
}

#[test]
fn a_fork_made_of_the_same_peoples_key_packages_disagrees() {
    let mut federation = Federation::new();
    let cohort = federation.cohort(3);
    // Person 0 founds a second group under the same federation and lures person 2 into it.
    let identity = CohortIdentity::new(&key(0));
    let mut fork =
        Cohort::found(identity, federation.digest, &federation.listed, &mut federation.rng)
            .unwrap();
    let (lured, bystander) = (federation.candidate(2), federation.candidate(1));
    let packages = [bystander.key_package().clone(), lured.key_package().clone()];
    let outgoing = federation.admit(&mut fork, &packages);
    let lured = federation.join(lured, &outgoing);
    let (roster, epoch) = view(&cohort[1]);
    assert_eq!(view(&lured), (roster.clone(), epoch));
    let refused = lured.agrees(&roster, epoch, cohort[1].authenticator());
    assert!(matches!(refused, Err(Disagreement::Authenticator { .. })), "{refused:?}");
}

#[test]
fn who_was_removed_agrees_with_nobody() {
    let mut federation = Federation::new();
    let mut cohort = federation.cohort(3);
    let still: AllowList = list(0..2);
    let gone = std::iter::once(public(2)).collect();
    let outgoing = cohort[0].remove(&gone, &still, &mut federation.rng).unwrap();
    deliver(&mut cohort, &outgoing.commit, &still);
    let (roster, epoch) = view(&cohort[0]);
    let refused = cohort[2].agrees(&roster, epoch, cohort[0].authenticator());
    assert!(matches!(refused, Err(Disagreement::Removed { .. })), "{refused:?}");
}
