//! What becomes of a group in which some are refused.

use data_dao_governance::CharterParameters;
use data_dao_journal::{BoundsKind, Genesis, KeyIssued, KeyRevoked, NamesKind};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey};
use tempfile::TempDir;

use super::*;

const ORIGIN: &str = "sahakar.test/group";

fn genesis(node_key: &SigningKey) -> Body {
    Body::Genesis(Genesis {
        names: NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Groups".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters::DEMONSTRATION,
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator: node_key.verifying_key(),
        dao_node: node_key.verifying_key(),
        aggregators: vec![],
    })
}

fn key_id(number: u8) -> Name {
    Name::new(format!("k-{number}")).unwrap()
}

fn issued(number: u8) -> Body {
    let (key_id, key_hash) = (key_id(number), Digest([number; 32]));
    KeyIssued { key_id, key_hash, buyer: format!("Till {number}") }.into()
}

fn revoked(number: u8) -> Body {
    Body::KeyRevoked(KeyRevoked { key_id: key_id(number) })
}

async fn founded() -> (TempDir, Appender) {
    let (dir, key) = (TempDir::new().unwrap(), SigningKey::from_seed(&[9; 32]));
    let store = Store::open(dir.path(), &key, ORIGIN).await.unwrap();
    store.append(1, vec![genesis(&key)]).await.unwrap();
    (dir, Appender::new(store, Clock::new(|| 2), Arc::default()))
}

/// What each of a group's requests is told, all of them having come together.
async fn told(appender: &Appender, group: Vec<Vec<Body>>) -> Vec<Result<u64, AppendError>> {
    let with_reply = |bodies| {
        let (reply, answer) = oneshot::channel();
        (Waiting { bodies, reply }, answer)
    };
    let (group, answers): (Vec<_>, Vec<_>) = group.into_iter().map(with_reply).unzip();
    appender.0.append(group).await;
    let mut told = Vec::new();
    for answer in answers {
        told.push(answer.await.unwrap().map(|appended| appended.index));
    }
    told
}

fn is_refused(told: &Result<u64, AppendError>) -> bool {
    matches!(told, Err(AppendError::Refused { .. }))
}

#[tokio::test]
async fn who_is_refused_undoes_nothing_of_who_shares_its_commit() {
    let (_dir, appender) = founded().await;
    let group = vec![
        vec![issued(1)],
        vec![revoked(99)],
        vec![issued(2), issued(3)],
        vec![issued(4), revoked(98)],
        vec![issued(5)],
    ];
    let told = told(&appender, group).await;
    let indices = [&told[0], &told[2], &told[4]].map(|told| *told.as_ref().unwrap());
    assert_eq!(indices, [1, 2, 4], "each has its own place, in the order of their coming");
    assert!(is_refused(&told[1]) && is_refused(&told[3]), "{told:?}");
    assert_eq!(appender.0.store.size(), 5);
    let keys = appender.0.store.view(|state| state.keys().len());
    assert_eq!(keys, 4, "what came with a refused entry did not happen either");
}

#[tokio::test]
async fn who_is_refused_for_what_comes_after_it_may_still_happen() {
    let (_dir, appender) = founded().await;
    let told = told(&appender, vec![vec![revoked(1)], vec![issued(1)]]).await;
    assert_eq!(told.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn more_refused_than_are_set_aside_keep_nobody_from_their_own() {
    let (_dir, appender) = founded().await;
    let mut group: Vec<_> = (0..20).map(|number| vec![revoked(100 + number)]).collect();
    group.push(vec![issued(1)]);
    let told = told(&appender, group).await;
    assert!(told[..20].iter().all(is_refused), "{told:?}");
    assert_eq!(*told[20].as_ref().unwrap(), 1);
}
