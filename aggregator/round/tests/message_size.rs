//! Whether what terms with groups allow fits the messages of their links.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{DaoRequest, MESSAGE_BYTES_MAX, SealingTerms, to_wire};
use aggregator_round::{Ask, message_bytes_max};
use privacy_dp::ClipNorm;
use privacy_secagg::EncodingParameters;

use crate::world::{
    World,
    federation::{Federation, asks_measure, asks_score, asks_sum},
};

/// A federation of so many groups, each of three members, and a model of so many parameters; not checked.
fn unchecked(sealing: SealingTerms, groups: u32, dimension: u32) -> World {
    let members = 3 * groups;
    let mut world = World::with_cohort(sealing, 7, 2, members as usize);
    let options = *world.terms.encoding.options();
    let clip = ClipNorm::new(2.0).unwrap();
    let encoding = EncodingParameters::standard(clip, dimension, members).unwrap();
    world.terms.encoding = encoding.with_options(options).unwrap();
    let rule = aggregator_strategy::GroupRule::new(groups, "median".parse().unwrap()).unwrap();
    world.terms.groups = Some(rule);
    world
}

fn world(sealing: SealingTerms, groups: u32, dimension: u32) -> World {
    let mut world = unchecked(sealing, groups, dimension);
    world.terms = world.terms.checked().unwrap();
    world
}

/// A round that settles: bytes of a party's part of the sums, of the opened sums, and of the probes.
fn settled(world: World) -> [usize; 3] {
    let mut federation = Federation::of(world);
    federation.open_to_all();
    federation.run_until(asks_sum);
    let request = federation.asked_of_peer();
    let part = to_wire(&federation.party(1).request(&request, true).unwrap()).len();
    federation.run_until(asks_measure);
    let measures = |ask: &Ask| match ask {
        Ask::Dao(request) if matches!(**request, DaoRequest::Measure(_)) => {
            Some(to_wire(request.as_ref()).len())
        }
        _ => None,
    };
    let sums = federation.outstanding().iter().find_map(measures).unwrap();
    federation.run_until(asks_score);
    let probes = to_wire(&federation.asked_of_peer()).len();
    while federation.dao.log.is_empty() {
        let input = federation.next_input().unwrap();
        federation.feed(&input).unwrap();
    }
    let logged = federation.dao.log.values().next().unwrap();
    assert!(matches!(logged, world::dao::Logged::Settled(_)), "{logged:?}");
    [part, sums, probes]
}

/// The largest model of so many groups that terms allow.
fn largest(sealing: SealingTerms, groups: u32) -> u32 {
    let allowed = |dimension| unchecked(sealing, groups, dimension).terms.checked().is_ok();
    let (mut allows, mut refuses) = (1, EncodingParameters::DIMENSION_MAX);
    assert!(allowed(allows) && !allowed(refuses));
    while refuses - allows > 1 {
        let middle = u32::midpoint(allows, refuses);
        if allowed(middle) { allows = middle } else { refuses = middle }
    }
    allows
}

/// Parts and sums are affine in the parameters, so that two small rounds give the bytes of any; a probe takes less than two
/// bytes of each parameter, and there are two for each group and one for all.
#[test]
fn the_sums_and_probes_of_the_largest_model_that_terms_allow_fit_a_message() {
    const SMALL: u32 = 8;
    const STEP: u32 = 800;
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified] {
        for groups in [3, 16] {
            let small = settled(world(sealing, groups, SMALL));
            let wider = settled(world(sealing, groups, SMALL + STEP));
            let dimension = largest(sealing, groups);
            let terms = world(sealing, groups, dimension).terms;
            let link = message_bytes_max(&terms);
            for kind in 0..2 {
                let more = (wider[kind] - small[kind]) * (dimension - SMALL) as usize;
                let bytes = small[kind] + more.div_ceil(STEP as usize);
                assert!(
                    bytes <= link && link <= MESSAGE_BYTES_MAX,
                    "{sealing:?}, {groups} groups of {dimension}: {bytes} of {link}"
                );
            }
            let probes = 2 * (2 * groups as usize + 1) * dimension as usize;
            assert!(probes + (1 << 20) <= link, "{probes} of {link}");
            let measured = 2 * (2 * groups as usize + 1) * STEP as usize;
            assert!(wider[2] - small[2] < measured, "{} of {measured}", wider[2] - small[2]);
        }
    }
}

/// As long as messages were reckoned without the number of groups, the sums did not fit the link.
#[test]
fn a_round_settles_whose_sums_are_longer_than_the_messages_of_one_sum() {
    for (sealing, groups, dimension) in
        [(SealingTerms::Mpc, 9, 1 << 16), (SealingTerms::MpcVerified, 5, 1 << 16)]
    {
        let world = world(sealing, groups, dimension);
        let link = message_bytes_max(&world.terms);
        let mut one = world.terms.clone();
        one.groups = None;
        let former = message_bytes_max(&one.checked().unwrap());
        let [part, sums, probes] = settled(world);
        let longest = part.max(sums).max(probes);
        assert!(former < longest && longest <= link, "{former} < {longest} <= {link}");
    }
}
