//! A round whose contributors are dealt into groups: a sum for each, and no smaller one.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::collections::BTreeSet;

use aggregator_protocol::{
    AcceptedSet, AggregatorRequest, Evidence, FetchedReceipt, Refusal, RoundId, RoundReceipt,
    RoundSum, SealingTerms, ValueRecord,
};
use aggregator_round::{
    Finding, Grouping, OpenedGroups, SumProducts, ValueFault, check_sum, check_values, step_of,
};
use aggregator_strategy::{RobustRule, Updates};
use privacy_identity::{Decode as _, Digest, Encode as _, Signed, Tag};
use privacy_secagg::{QuantizedProbe, TagError, decode_mean};
use proptest::prelude::*;

use crate::world::{
    Contribution, World,
    dao::Logged,
    federation::{Federation, asks_score, asks_sum},
    value_in_the_clear,
};

const GROUPS: usize = 3;
const MEMBERS: usize = 10;
const ROUND: RoundId = RoundId(0);

/// Ten members in three groups of at least three.
fn world(sealing: SealingTerms) -> World {
    World::with_cohort(sealing, 4, 2, MEMBERS).in_groups(3, "median")
}

struct Settled {
    federation: Federation,
    contributions: Vec<Contribution>,
    receipt: RoundReceipt,
    sum: RoundSum,
    record: ValueRecord,
}

impl Settled {
    fn new(sealing: SealingTerms) -> Self {
        let mut federation = Federation::of(world(sealing));
        let contributions = federation.open_to_all();
        while federation.dao.log.is_empty() {
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        let member = federation.world.member(0);
        let machine = &federation.coordinator.machine;
        let fetched = machine.receipt_for(ROUND, &member);
        let FetchedReceipt::Settled { receipt, .. } = &fetched else { panic!("{fetched:?}") };
        let receipt = receipt.unverified_body().clone();
        let sum = machine.sum_for(ROUND, &member).unwrap().unverified_body().clone();
        let record = *machine.values_for(ROUND, &member).unwrap();
        Self { federation, contributions, receipt, sum, record }
    }

    const fn world(&self) -> &World {
        &self.federation.world
    }

    fn grouping(&self) -> Grouping {
        let grant = self.receipt.grant.unverified_body();
        Grouping::of(&self.world().terms, grant, &self.receipt.accepted).unwrap()
    }

    /// The integers of the members of a group, added in the clear.
    fn exact(&self, group: usize) -> Vec<i64> {
        let grouping = self.grouping();
        let own = grouping.places().iter().zip(&self.contributions);
        let own: Vec<_> = own.filter(|(place, _)| **place == group).map(|(_, c)| c).collect();
        let length = self.world().terms.encoding.vector_len();
        (0..length).map(|j| own.iter().map(|c| c.values[j]).sum()).collect()
    }

    /// What a member makes of a sum that the coordinator shows, with a receipt that names it.
    fn check(&self, body: &RoundSum) -> Result<Vec<f32>, Finding> {
        let world = self.world();
        let mut receipt = self.receipt.clone();
        receipt.sum = Digest::of_encoded(Tag::RoundSum, body);
        let sum = Signed::new(body.clone(), Tag::RoundSum, &world.aggregator_key(0));
        let secret = world.secret.as_ref();
        let checked = check_sum(&world.terms, &world.member(2), &receipt, Some(&sum), secret);
        checked.map(|checked| checked.mean).map_err(|dispute| dispute.finding)
    }
}

fn modes() -> [SealingTerms; 2] {
    [SealingTerms::Mpc, SealingTerms::MpcVerified]
}

#[test]
fn each_group_has_the_sum_of_its_members_and_everybody_is_in_one() {
    for sealing in modes() {
        let settled = Settled::new(sealing);
        let grouping = settled.grouping();
        let sizes: Vec<_> = grouping.sets().iter().map(|set| set.contributions().len()).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<usize>()), (GROUPS, MEMBERS));
        assert!(sizes.iter().all(|size| *size >= settled.world().terms.minimum_cohort as usize));
        let all: BTreeSet<_> =
            grouping.sets().iter().flat_map(|set| set.contributions().to_vec()).collect();
        assert_eq!(all, settled.receipt.accepted.contributions().iter().copied().collect());
        let sums: Vec<_> = settled.sum.sums().map(|(sum, _)| sum.to_vec()).collect();
        assert_eq!(sums, (0..GROUPS).map(|group| settled.exact(group)).collect::<Vec<_>>());
        // Dealt by round and model: not in the order of the keys, and otherwise in another round.
        assert!(!grouping.places().is_sorted(), "{grouping:?}");
        let mut grant = settled.receipt.grant.unverified_body().clone();
        grant.round = RoundId(1);
        let terms = &settled.world().terms;
        let next = Grouping::of(terms, &grant, &settled.receipt.accepted).unwrap();
        assert_ne!(next.places(), grouping.places());
    }
}

#[test]
fn the_step_is_the_rule_over_the_means_and_a_shifted_group_is_found_by_its_tag() {
    for sealing in modes() {
        let settled = Settled::new(sealing);
        let terms = &settled.world().terms;
        let rotation = terms.encoding.rotation(&terms.id(), ROUND.0);
        let sets = settled.grouping();
        let means: Vec<Vec<f32>> = (sets.sets().iter().enumerate())
            .map(|(group, set)| {
                let count = set.contributions().len();
                decode_mean(&settled.exact(group), count, &rotation, &terms.encoding).unwrap()
            })
            .collect();
        let slices: Vec<_> = means.iter().map(Vec::as_slice).collect();
        let expected = RobustRule::Median.aggregate(&Updates::new(&slices).unwrap()).unwrap();
        assert_eq!(settled.check(&settled.sum), Ok(expected.clone()));
        let grant = settled.receipt.grant.unverified_body();
        assert_eq!(step_of(terms, grant, &settled.sum), Ok(expected));
        let groups = OpenedGroups::of(terms, grant, &settled.sum).unwrap().unwrap();
        assert_eq!(groups.means(), means);
        for group in 0..GROUPS {
            let mut body = settled.sum.clone();
            match group.checked_sub(1) {
                None => body.sum[1] += 1,
                Some(place) => body.others[place].sum[1] += 1,
            }
            assert_eq!(settled.check(&body), Err(Finding::Tags(TagError::Mismatch)));
        }
        // Two groups that change places, and a group less.
        let mut body = settled.sum.clone();
        body.others.swap(0, 1);
        assert_eq!(settled.check(&body), Err(Finding::Tags(TagError::Mismatch)));
        body.others.pop();
        assert!(matches!(settled.check(&body), Err(Finding::Step(_))));
    }
}

#[test]
fn scalars_are_read_by_the_probes_of_the_own_group_and_add_up_in_each() {
    for sealing in modes() {
        let settled = Settled::new(sealing);
        let (terms, grant) = (&settled.world().terms, settled.receipt.grant.unverified_body());
        let order = settled.record.probes.unverified_body();
        assert_eq!(order.groups(), GROUPS);
        let grouping = settled.grouping();
        for (index, contribution) in settled.contributions.iter().enumerate() {
            let group = grouping.places()[index];
            let count = grouping.sets()[group].contributions().len();
            let clear = |probe: &QuantizedProbe| {
                let values: Vec<i64> = probe.values().iter().map(|v| i64::from(*v)).collect();
                let (exponent, count) =
                    (i64::from(probe.exponent()), i64::try_from(count).unwrap());
                value_in_the_clear(&contribution.values, &values, exponent, count)
            };
            let [value, innovation, contrast] = order.probes_of(group).unwrap().map(clear);
            let scalars = &settled.receipt.scalars[index];
            let got = (scalars.value, scalars.innovation, scalars.contrast);
            assert_eq!(got, (value, innovation, contrast), "member {index} of group {group}");
            assert!(contribution.own.check(terms, &settled.receipt, &settled.record).is_ok());
        }
        let products = SumProducts::of(terms, grant, &settled.sum, order).unwrap();
        assert_eq!(check_values(terms, &settled.receipt, &settled.record, &products), Ok(()));
        // A sum of another group's is no sum of this one's scalars.
        let mut swapped = settled.sum.clone();
        swapped.others.swap(0, 1);
        let products = SumProducts::of(terms, grant, &swapped, order).unwrap();
        let fault = check_values(terms, &settled.receipt, &settled.record, &products).unwrap_err();
        assert!(matches!(fault, ValueFault::Sum { which: 0, .. }), "{fault}");
        swapped.others.pop();
        assert_eq!(SumProducts::of(terms, grant, &swapped, order), Err(Refusal::BadSet));
    }
}

#[test]
fn fewer_than_the_minimum_cohort_in_each_group_open_nothing() {
    for sealing in modes() {
        // Eight come of ten who are invited; nine are needed.
        let mut federation = Federation::of(world(sealing));
        federation.grant(0);
        federation.submit(&[0, 1, 2, 3, 4, 5, 6, 7]);
        federation.pass_deadline();
        let asked = federation.outstanding();
        assert!(!asked.iter().any(asks_sum), "{asked:?}");
        let given_up = asked.iter().map(|ask| federation.answer(ask)).collect::<Vec<_>>();
        assert_eq!(given_up.len(), 1);
        // Nobody else sums fewer either, whoever asks.
        let mut federation = Federation::of(world(sealing));
        federation.open_to_all();
        federation.run_until(asks_sum);
        let AggregatorRequest::Sum { round, set, evidence } = federation.asked_of_peer() else {
            panic!("asked to sum");
        };
        let few = AcceptedSet::new(set.contributions()[..8].to_vec()).unwrap();
        let evidence = match evidence {
            Evidence::Verifiers(members) => Evidence::Verifiers(members[..8].to_vec()),
            other => other,
        };
        let request = AggregatorRequest::Sum { round, set: few, evidence };
        let refused = federation.party(1).request(&request, true).unwrap_err();
        assert_eq!(refused, Refusal::BadSet);
    }
}

#[test]
fn a_grant_or_probes_that_do_not_fit_the_groups_are_refused() {
    let world = world(SealingTerms::Mpc);
    let few = world.grant(0, &[0, 1, 2, 3, 4, 5, 6, 7]);
    let mut federation = Federation::of(world);
    let (grant, model) = (Box::new(few), federation.world.model(0));
    let refused = federation.feed(&aggregator_round::Input::Granted { grant, model }).unwrap_err();
    assert_eq!(refused, Refusal::BadSet);
    federation.open_to_all();
    federation.run_until(asks_score);
    let probes = federation.dao.probes[&ROUND].clone();
    let mut body = probes.unverified_body().clone();
    body.others.pop();
    let probes = Signed::new(body, Tag::Probe, &federation.world.dao_key);
    let request = AggregatorRequest::Score(Box::new(probes));
    assert_eq!(federation.party(1).request(&request, true).unwrap_err(), Refusal::BadSet);
}

/// Whoever is killed at any step of the rounds: the same rounds, as the groups follow from grant and set.
#[test]
fn rounds_in_groups_end_the_same_with_machines_that_are_restored_from_what_they_kept() {
    for sealing in modes() {
        let mut straight = Federation::of(world(sealing));
        straight.run();
        let mut killed = Federation::of(world(sealing));
        let mut step = 0;
        while let Some(input) = killed.next_input() {
            killed.feed(&input).unwrap();
            if killed.coordinator.machine.finished() {
                break;
            }
            killed.coordinator.restart();
            killed.peers.iter_mut().for_each(|peer| peer.restart());
            step += 1;
        }
        assert!(step > 30, "{step}");
        assert_eq!(straight.dao.log, killed.dao.log);
        assert_eq!(straight.dao.sums, killed.dao.sums);
        let settled = straight.dao.log.values().filter(|l| matches!(l, Logged::Settled(_)));
        assert_eq!(settled.count(), 3);
    }
}

#[test]
fn a_round_of_one_sum_is_written_as_before_there_were_groups() {
    let mut federation = Federation::of(World::with_cohort(SealingTerms::Mpc, 4, 2, 4));
    federation.open_to_all();
    while federation.dao.log.is_empty() {
        let input = federation.next_input().unwrap();
        federation.feed(&input).unwrap();
    }
    let sum = federation.dao.sums[0].clone();
    let order = federation.dao.probes[&ROUND].unverified_body().clone();
    assert_eq!((sum.groups(), order.groups()), (1, 1));
    let (mut by_hand, mut writer) = (Vec::new(), privacy_identity::Writer::default());
    sum.accepted.encode(&mut writer);
    by_hand.extend([sum.federation.to_bytes(), sum.round.to_bytes(), writer.into_bytes()].concat());
    by_hand.extend(0_u32.to_be_bytes());
    by_hand.extend(u32::try_from(sum.sum.len()).unwrap().to_be_bytes());
    for value in &sum.sum {
        by_hand.extend(i32::try_from(*value).unwrap().to_be_bytes());
    }
    by_hand.push(1);
    sum.tag.unwrap().iter().for_each(|word| by_hand.extend(word.to_be_bytes()));
    by_hand.extend(u32::try_from(sum.commitments.len()).unwrap().to_be_bytes());
    sum.commitments.iter().for_each(|commitment| by_hand.extend(commitment.to_bytes()));
    assert_eq!(sum.to_bytes(), by_hand);
    let by_hand = [
        order.federation.to_bytes(),
        order.round.to_bytes(),
        order.set_root.to_bytes(),
        order.model_after.to_bytes(),
        order.value.to_bytes(),
        order.innovation.to_bytes(),
        order.contrast.to_bytes(),
    ];
    assert_eq!(order.to_bytes(), by_hand.concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sums_and_probes_of_groups_decode_to_themselves_alone(at in 0_usize..4000, bit in 0_u8..8) {
        static SETTLED: std::sync::LazyLock<(RoundSum, Vec<u8>, Vec<u8>)> =
            std::sync::LazyLock::new(|| {
                let settled = Settled::new(SealingTerms::Mpc);
                let order = settled.record.probes.unverified_body().to_bytes();
                (settled.sum.clone(), settled.sum.to_bytes(), order)
            });
        let (sum, bytes, order) = &*SETTLED;
        prop_assert_eq!(&RoundSum::from_bytes(bytes).unwrap(), sum);
        for bytes in [bytes, order] {
            let mut altered = bytes.clone();
            let length = altered.len();
            altered[at % length] ^= 1 << bit;
            if let Ok(sum) = RoundSum::from_bytes(&altered) {
                prop_assert_eq!(sum.to_bytes(), altered.clone());
            }
            if let Ok(order) = aggregator_protocol::ProbeOrder::from_bytes(&altered) {
                prop_assert_eq!(order.to_bytes(), altered);
            }
        }
    }
}
