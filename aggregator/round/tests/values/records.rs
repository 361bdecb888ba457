//! Records that are not the round's, and what no record shows.

use aggregator_protocol::{PartyScalars, ProbeOrder, RoundId, ScalarOpening};
use aggregator_round::ValueFault;
use privacy_identity::{Digest, Signed, Tag};

use crate::{ROUND, Settled, modes};

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
fn a_stranger_does_not_get_what_the_values_follow_from() {
    let settled = Settled::new(modes()[0]);
    let machine = &settled.federation.coordinator.machine;
    let stranger = settled.world().aggregator_key(1).verifying_key();
    assert_eq!(machine.values_for(ROUND, &stranger), None);
    assert_eq!(machine.values_for(RoundId(7), &settled.world().member(0)), None);
}
