//! A vote of the others for terms that protect less, and a round under them with the two who consented.

use std::path::Path;

use data_dao_governance::PrivacyPolicy;
use sahakar::{
    demo::{
        children::{ChildEvent, ChildNews, End, Process, Spawner},
        cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
        wineries::Winery,
    },
    rest::Rest,
};
use tokio::sync::mpsc::Receiver;

use crate::{
    voting::{configured, start, vote_for},
    world,
};

/// The two who are enough for a sum under the new terms, beside each other: the person and one winery.
const ENOUGH: u32 = 2;

/// The wineries vote that [`ENOUGH`] are enough for a sum; the node and the aggregators begin anew with that, and the wineries'
/// devices stop. Then the first of them consents; its device is returned.
pub(crate) async fn are_voted_for(
    cooperative: &mut Cooperative,
    wineries: &[Winery],
    dir: &Path,
) -> (Process, Receiver<ChildEvent>) {
    for name in [COORDINATOR, AGGREGATOR] {
        cooperative.end(name, End::Orderly).await;
    }
    let federation = &mut cooperative.config_mut().federation;
    (federation.minimum_cohort, federation.start_members) = (ENOUGH, ENOUGH);
    let terms = configured(cooperative, &dir.join("weaker.toml"));
    let rest = Rest::new(cooperative.http());
    let key = |winery: &Winery| {
        let path = cooperative.trainer_dir(&winery.label).join("key");
        privacy_identity::SigningKey::from_seed(&aggregator_network::load_key(&path).unwrap())
    };
    let keys: Vec<_> = wineries.iter().map(key).collect();
    let voting = tokio::task::spawn_blocking(move || {
        let shown = rest.get("/v1/federations/wine").unwrap();
        let policy: PrivacyPolicy = serde_json::from_value(shown["policy"].clone()).unwrap();
        vote_for(&rest, &keys, PrivacyPolicy { terms, minimum_cohort: ENOUGH, ..policy });
    });
    voting.await.unwrap();
    begins_anew(cooperative, dir).await;
    let mut ended = 0;
    while ended < wineries.len() {
        let news = world::next(cooperative).await;
        let of_device = wineries.iter().any(|winery| winery.label == news.from);
        ended += usize::from(of_device && matches!(news.what, ChildNews::Ended(_)));
    }
    let program = env!("CARGO_BIN_EXE_sahakar").into();
    let (spawner, news) = Spawner::new(program, dir.join("consents")).unwrap();
    (start((cooperative, &spawner), &wineries[0], Some(terms)), news)
}

/// An aggregator is bound to its terms by its state: it gets another, with the same key.
async fn begins_anew(cooperative: &mut Cooperative, dir: &Path) {
    cooperative.end(DAO, End::Orderly).await;
    cooperative.start_dao_again().await.unwrap();
    for name in [AGGREGATOR, COORDINATOR] {
        for entry in std::fs::read_dir(dir.join(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.file_name().unwrap() != "key" {
                std::fs::remove_file(path).unwrap();
            }
        }
        cooperative.start_aggregator(name).await.unwrap();
    }
}
