//! A version is sold under the licence under which it was released, whatever is voted afterwards.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, Class, Licence, PricePolicy};
use data_dao_journal::{
    KeyIssued, LicenceBought, LicenceSet, ModelReleased, PricePolicySet, Refusal, audit,
};
use privacy_identity::Digest;
use world::{World, deposit, digest, model_of, name};

fn spdx(expression: &str) -> Licence {
    Licence::Spdx(expression.to_owned())
}

fn set(licence: Licence) -> LicenceSet {
    LicenceSet { federation: name("wine"), licence }
}

fn for_sale(world: &mut World) {
    let policy = PricePolicy { download: Some(300), ..PricePolicy::flat(100) };
    world.push(PricePolicySet { model: name("wine-quality"), policy });
    let (key_id, key_hash) = (name("k-1"), digest(9));
    world.push(KeyIssued { key_id, key_hash, buyer: "Shop".into() });
    world.push(deposit("d-1", 5_000));
}

fn bought(world: &World, version: u32, licence: Option<Licence>) -> LicenceBought {
    LicenceBought {
        key_id: name("k-1"),
        model: name("wine-quality"),
        version,
        price: 300,
        lines: world.state.revenue_lines(&name("wine-quality"), version, 300).unwrap(),
        licence,
        idempotency_key: format!("l-{version}"),
    }
}

#[test]
fn a_version_keeps_its_licence_and_a_vote_changes_that_of_the_next() {
    let mut world = World::after_one_round();
    assert!(matches!(world.refusal(set(spdx("MIT\nx"))), Refusal::Governance(_)));
    world.push(set(spdx("CC-BY-NC-4.0")));
    let again = world.refusal(set(spdx("MIT")));
    assert!(matches!(again, Refusal::LicenceNeedsVote { .. }), "{again}");
    world.push(world.release());
    for_sale(&mut world);

    let other = Licence::Other {
        name: "Cellar licence".into(),
        link: "https://dao.example/licence.txt".into(),
        sha256: Digest([5; 32]),
    };
    let action = Action::SetLicence { federation: "wine".into(), licence: other.clone() };
    assert_eq!(action.class(), Class::Critical);
    world.pass(vec![action]);
    assert_eq!(world.state.federation(&name("wine")).unwrap().licence(), Some(&other));

    world.open_round(2);
    let settlement = world.settlement(2, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
    world.push(settlement);
    let weights = world.state.release_weights(&name("wine")).unwrap();
    let second =
        ModelReleased { version: 2, digest: model_of(3), rounds: 2, weights, ..world.release() };
    world.push(second);
    let model = world.state.model(&name("wine-quality")).unwrap();
    assert_eq!(model.licence(1), Some(&spdx("CC-BY-NC-4.0")));
    assert_eq!(model.licence(2), Some(&other));
    assert_eq!(model.licence(3), None);

    // What the buyer agrees to is in the entry, and is that of the version.
    for wrong in [None, Some(other.clone()), Some(spdx("MIT"))] {
        let refused = bought(&world, 1, wrong);
        assert!(matches!(world.refusal(refused), Refusal::Differs { .. }));
    }
    let first = bought(&world, 1, Some(spdx("CC-BY-NC-4.0")));
    world.push(first);
    let second = bought(&world, 2, Some(other));
    world.push(second);
    audit(&world.leaves, None).unwrap();
}

#[test]
fn a_version_of_before_there_were_licences_is_sold_without() {
    let mut world = World::after_one_round();
    world.push(world.release());
    for_sale(&mut world);
    world.push(set(spdx("MIT")));
    assert_eq!(world.state.model(&name("wine-quality")).unwrap().licence(1), None);
    let claimed = bought(&world, 1, Some(spdx("MIT")));
    assert!(matches!(world.refusal(claimed), Refusal::Differs { .. }));
    let sold = bought(&world, 1, None);
    world.push(sold);
    let leaf = String::from_utf8(world.leaves.last().unwrap().clone()).unwrap();
    assert!(!leaf.contains("licence\":null"), "the leaf is what it was: {leaf}");
}

#[test]
fn a_vote_cannot_name_another_federation_or_a_broken_licence() {
    let mut world = World::after_one_round();
    let action =
        |federation: &str, licence| Action::SetLicence { federation: federation.into(), licence };
    let broken = world.content(0, vec![action("wine", spdx("a_b"))]);
    let signature = broken.sign(&world::members()[0]);
    let refused = world.refusal(data_dao_journal::ProposalMade { content: broken, signature });
    assert!(matches!(refused, Refusal::Governance(_)), "{refused}");
    let unknown = world.content(0, vec![action("cider", spdx("MIT"))]);
    let signature = unknown.sign(&world::members()[0]);
    let refused = world.refusal(data_dao_journal::ProposalMade { content: unknown, signature });
    assert!(matches!(refused, Refusal::Unknown { .. }), "{refused}");
}
