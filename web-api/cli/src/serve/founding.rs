//! The first start: the DAO is founded, its federation opened.

use std::{collections::HashMap, path::Path};

use aggregator_network::load_key;
use aggregator_protocol::{CohortTerms, FederationTerms, SchemaTerms};
use aggregator_round::{privacy_loss, round_loss_micro};
use aggregator_strategy::EarlyStopping;
use anyhow::{Context as _, bail, ensure};
use data_dao_journal::{
    Body, BoundsKind, BufferSet, Entry, FederationOpened, Genesis, MembersFounded, SafeguardsSet,
    State,
};
use data_dao_ledger::Name;
use data_dao_store::{SaltedName, Store};
use datasets::{Schema, Standardiser, Table, read_csv};
use privacy_dp::{ClipNorm, epsilon_micro};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use privacy_secagg::{AggregatorKeys, EncodingOptions, EncodingParameters, Tagging};
use trainer_model::{Architecture, MlpShape};

use super::config::{DaoConfig, FederationConfig, FounderConfig, ServeConfig};

use crate::{
    commands::name::salted,
    process::now_ms,
    serve::vault::Vault,
    settlement::{epsilon_from_micro, terms_json},
};

/// File of the signed terms in the state directory.
const TERMS_FILE: &str = "terms.bin";
/// What to do about a node that was never started.
const NOT_FOUNDED: &str = "the DAO is not founded yet: start `sahakar serve` once";
/// Most parameters that are contributors' own: the DAO's travel with the model, and what links let through is reckoned from
/// what is shared and a mebibyte besides.
const OWN_PARAMETERS_MAX: usize = 200_000;
/// Most founders: their entry fits a leaf with room to spare.
const FOUNDERS_MAX: usize = 200;
/// Challenge window where none is configured: a day, in which members look at what was measured.
const STANDARD_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;
/// The same in a demonstration: long enough to be seen, short enough to wait for.
const DEMONSTRATION_WINDOW_MS: u64 = 500;

/// The DAO's own tables and what follows from them.
pub(crate) struct Tables {
    pub(crate) validation: Table,
    pub(crate) test: Table,
    pub(crate) standardiser: Standardiser,
}

impl Tables {
    /// Reads both tables against the configured schema.
    pub(crate) fn read(federation: &FederationConfig) -> anyhow::Result<Self> {
        let schema = schema(federation)?;
        let read = |path: &Path| {
            read_csv(path, &schema).with_context(|| format!("reading {}", path.display()))
        };
        let validation = read(&federation.validation)?;
        let test = read(&federation.test)?;
        // Public: fitted on the DAO's own rows, never on a contributor's.
        let standardiser = Standardiser::fit(&validation);
        Ok(Self { validation, test, standardiser })
    }
}

/// The columns of the federation's tables.
pub(crate) fn schema(federation: &FederationConfig) -> anyhow::Result<Schema> {
    let FederationConfig { features, label, classes, .. } = federation;
    Ok(Schema::new(features.clone(), label.clone(), classes.clone())?)
}

/// The model that the federation trains.
pub(crate) fn architecture(federation: &FederationConfig) -> anyhow::Result<Architecture> {
    if let Some(json) = &federation.architecture {
        let architecture = Architecture::from_json(json).context("federation.architecture")?;
        let (inputs, features) = (architecture.inputs(), federation.features.len());
        let (outputs, classes) = (architecture.classes(), federation.classes.len());
        if (inputs, outputs) != (features, classes) {
            bail!(
                "federation.architecture takes {inputs} values to {outputs} classes, the table has \
                 {features} features and {classes} classes"
            );
        }
        return Ok(architecture);
    }
    Ok(Architecture::mlp(MlpShape {
        inputs: federation.features.len(),
        hidden: federation.hidden.clone(),
        classes: federation.classes.len(),
    })?)
}

/// The signed terms: those of the ledger, or those of the configuration at the first start, when the
/// DAO is founded with them.
pub(crate) async fn terms(
    config: &ServeConfig,
    store: &Store,
    vault: &Vault,
    key: &SigningKey,
    tables: &Tables,
) -> anyhow::Result<Signed<FederationTerms>> {
    if store.view(|state| state.genesis().is_none()) {
        let founding = tried(config, tables, key)?;
        for name in &founding.names {
            store.keep_name(name).await?;
        }
        // In one transaction: founders can only be named by the second entry.
        store.append(now_ms(), founding.bodies).await?;
    }
    let name = Name::new(config.federation.name.clone())?;
    let dao = store.view(State::dao_id).context("the ledger has no genesis entry")?;
    let agreed = store.view(|state| state.federation(&name).map(|f| f.policy().terms));
    let Some(agreed) = agreed else {
        return open_federation(config, store, vault, key, (tables, dao)).await;
    };
    let terms: Signed<FederationTerms> =
        vault.record(TERMS_FILE)?.context("the federation's terms are missing on disk")?;
    let terms = terms.verify_by(Tag::Terms, &key.verifying_key())?;
    if terms.body().id() == agreed {
        return Ok(terms.into_signed());
    }
    // Members voted for other terms: those of the configuration, or nothing that this node has.
    let (former, voted) = voted_terms(config, store, vault, key, (tables, agreed))?;
    replace_terms(vault, &former, &voted)?;
    Ok(voted)
}

/// The terms on disk, and those that members agreed to, `agreed`, signed, if the configuration makes them. Nothing is written.
///
/// # Errors
/// A configuration that makes others, or none.
pub(crate) fn voted_terms(
    config: &ServeConfig,
    store: &Store,
    vault: &Vault,
    key: &SigningKey,
    (tables, agreed): (&Tables, Digest),
) -> anyhow::Result<(Signed<FederationTerms>, Signed<FederationTerms>)> {
    let name = Name::new(config.federation.name.clone())?;
    let terms: Signed<FederationTerms> =
        vault.record(TERMS_FILE)?.context("the federation's terms are missing on disk")?;
    let terms = terms.verify_by(Tag::Terms, &key.verifying_key())?;
    let next = make_terms(config, tables, terms.body().dao, key)?;
    if next.id() != agreed {
        let (kept, configured) = (terms.body().id(), next.id());
        bail!(
            "members agreed to the terms {agreed}; on disk are {kept}, and the configuration makes {configured}: \
             bring the configuration to what was voted for (`sahakar federation terms --config FILE`)"
        );
    }
    let ledger = store.view(|state| state.federation(&name).and_then(|f| f.stale_max()));
    let voted = next.buffer.map(|rule| rule.stale_max);
    if ledger != voted {
        bail!(
            "the ledger has rounds of models that are {ledger:?} versions old at most, the terms that members agreed to say \
             {voted:?}: that is settled before the first round (`federation.strategy`)"
        );
    }
    Ok((terms.into_signed(), Signed::new(next, Tag::Terms, key)))
}

/// Puts `voted` in the place of the `former` terms, which whoever checks a round of theirs later needs.
pub(crate) fn replace_terms(
    vault: &Vault,
    former: &Signed<FederationTerms>,
    voted: &Signed<FederationTerms>,
) -> anyhow::Result<()> {
    vault.keep(&former_terms_file(&former.unverified_body().id()), former)?;
    vault.keep(TERMS_FILE, voted)
}

/// File of terms that were in force once.
pub(crate) fn former_terms_file(terms: &Digest) -> String {
    format!("terms-{terms}.bin")
}

/// The terms that a configuration makes for a DAO that is founded: what members vote on before the node takes them.
///
/// # Errors
/// An unusable configuration, or a state directory without terms.
pub(crate) fn configured_terms(config: &ServeConfig) -> anyhow::Result<FederationTerms> {
    let tables = Tables::read(&config.federation)?;
    let vault = Vault::open(&config.state_dir, architecture(&config.federation)?)?;
    let terms: Option<Signed<FederationTerms>> = vault.record(TERMS_FILE)?;
    let terms = terms.context(NOT_FOUNDED)?;
    let seed = load_key(&config.state_dir.join("key"))?;
    let key = SigningKey::from_seed(&seed);
    make_terms(config, &tables, terms.unverified_body().dao, &key)
}

/// Checks that a node which was never started would be founded with the configuration at `path`.
///
/// # Errors
/// What it would refuse then.
pub(crate) fn check_configuration(path: &Path) -> anyhow::Result<()> {
    let config = ServeConfig::load_with(path, Some(HashMap::new()))?;
    config.listen.link_addresses()?;
    let tables = Tables::read(&config.federation)?;
    let key = SigningKey::from_seed(&*load_key(&config.state_dir.join("key"))?);
    tried(&config, &tables, &key).map(drop)
}

/// The first entries of a ledger, and what founders are called.
struct Founding {
    bodies: Vec<Body>,
    names: Vec<SaltedName>,
}

/// What a node founds with this configuration, once all that it makes of it was tried: founders and charter by a ledger in
/// memory, the terms by themselves. An entry is for ever: a mistake in the last section of a file must not be found when the
/// first is in the log already.
fn tried(config: &ServeConfig, tables: &Tables, key: &SigningKey) -> anyhow::Result<Founding> {
    let (founded, names) = founders(&config.dao)?;
    let genesis = Body::Genesis(genesis(config, key.verifying_key())?);
    let bodies: Vec<Body> = std::iter::once(genesis).chain(founded).collect();
    let (mut ledger, time_ms) = (State::default(), now_ms());
    for body in &bodies {
        let entry = Entry { time_ms, body: body.clone() };
        ledger.apply(&entry).context("the configuration")?;
    }
    let dao = ledger.dao_id().context("the ledger has no genesis entry")?;
    Name::new(config.federation.name.clone()).context("federation.name")?;
    Name::new(config.federation.model.clone()).context("federation.model")?;
    safeguards(config, &make_terms(config, tables, dao, key)?)?;
    Ok(Founding { bodies, names })
}

/// The id of the federation that the node of `config` has opened.
///
/// # Errors
/// A node that was never started.
pub(crate) fn opened_federation(config: &ServeConfig) -> anyhow::Result<Digest> {
    let vault = Vault::open(&config.state_dir, architecture(&config.federation)?)?;
    let terms: Option<Signed<FederationTerms>> = vault.record(TERMS_FILE)?;
    Ok(terms.context(NOT_FOUNDED)?.unverified_body().id())
}

/// The founders of the configuration, if it names any, or a guardian; and what is kept beside the log: what they are called.
fn founders(dao: &DaoConfig) -> anyhow::Result<(Option<Body>, Vec<SaltedName>)> {
    ensure!(
        dao.founders.len() <= FOUNDERS_MAX,
        "dao.founders names {} members, at most {FOUNDERS_MAX} found: others join at an invitation",
        dao.founders.len()
    );
    let mut members =
        dao.founders.iter().map(FounderConfig::founder).collect::<Result<Vec<_>, _>>()?;
    members.sort_by_key(|founder| founder.member);
    if let Some(twice) = members.windows(2).find(|pair| pair[0].member == pair[1].member) {
        bail!("dao.founders names {} twice", twice[0].member);
    }
    let guardian = dao.guardian.as_deref().map(str::parse).transpose().context("dao.guardian")?;
    let mut names = Vec::with_capacity(members.len());
    for founder in &mut members {
        let name = salted(std::mem::take(&mut founder.label));
        founder.label = name.commitment();
        names.push(name);
    }
    if members.is_empty() && guardian.is_none() {
        return Ok((None, names));
    }
    let guardian_term_ms = if guardian.is_some() { dao.guardian_term_ms } else { 0 };
    Ok((Some(MembersFounded { members, guardian, guardian_term_ms }.into()), names))
}

async fn open_federation(
    config: &ServeConfig,
    store: &Store,
    vault: &Vault,
    key: &SigningKey,
    (tables, dao): (&Tables, Digest),
) -> anyhow::Result<Signed<FederationTerms>> {
    let terms = make_terms(config, tables, dao, key)?;
    let federation = &config.federation;
    let opened = FederationOpened {
        federation: Name::new(federation.name.clone())?,
        terms_digest: terms.id(),
        terms: terms_json(&terms).to_string(),
        rounds: u64::from(federation.rounds),
        round_budget: u128::from(federation.round_budget),
        // With so many a round settles.
        minimum_cohort: u32::try_from(terms.contributions_min()).context("minimum_cohort")?,
        novelty_percent: federation.novelty_percent,
        validation_commitment: tables.validation.digest(),
    };
    let safeguards = safeguards(config, &terms)?;
    let signed = Signed::new(terms, Tag::Terms, key);
    // On disk before the ledger names them: a crash in between opens the same federation again.
    vault.keep(TERMS_FILE, &signed)?;
    let mut bodies = vec![Body::FederationOpened(opened), Body::SafeguardsSet(safeguards)];
    if let Some(rule) = signed.unverified_body().buffer {
        let federation = Name::new(federation.name.clone())?;
        bodies.push(BufferSet { federation, stale_max: rule.stale_max }.into());
    }
    store.append(now_ms(), bodies).await?;
    Ok(signed)
}

/// What bounds the federation's privacy loss, and how long its pay can be challenged.
fn safeguards(config: &ServeConfig, terms: &FederationTerms) -> anyhow::Result<SafeguardsSet> {
    let federation = &config.federation;
    if federation.reveal_by_rounds.is_some() && federation.reveal_url.is_none() {
        bail!(
            "federation.reveal_by_rounds needs federation.reveal_url: where the table will be shown"
        );
    }
    let announced = privacy_loss(terms, u64::from(terms.rounds))?;
    let epsilon_max = match (federation.epsilon_max, announced) {
        (Some(_), None) => {
            bail!(
                "federation.epsilon_max: without noise (federation.noise_multiplier) nothing bounds ε"
            )
        }
        (most, announced) => most.or(announced),
    };
    let epsilon_micro_max = epsilon_max.map(epsilon_micro).transpose().context("epsilon_max")?;
    let first = round_loss_micro(terms, 0)?;
    if let (Some(first), Some(most)) = (first, epsilon_micro_max)
        && first > most
    {
        bail!(
            "federation.epsilon_max: the first round alone costs {:.3}; allow more, or add more noise",
            epsilon_from_micro(first)
        );
    }
    let by_default =
        if config.dao.demonstration { DEMONSTRATION_WINDOW_MS } else { STANDARD_WINDOW_MS };
    Ok(SafeguardsSet {
        federation: Name::new(federation.name.clone())?,
        epsilon_micro_max,
        challenge_window_ms: federation.challenge_window_ms.unwrap_or(by_default),
        reveal_by_rounds: federation.reveal_by_rounds.map(u64::from),
    })
}

fn genesis(config: &ServeConfig, node: VerifyingKey) -> anyhow::Result<Genesis> {
    let dao = &config.dao;
    let keys = aggregators(&config.federation)?;
    Ok(Genesis {
        names: data_dao_journal::NamesKind::Salted,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: dao.name.clone(),
        bounds: if dao.demonstration { BoundsKind::Demonstration } else { BoundsKind::Standard },
        charter: dao.charter,
        currency: dao.currency.parse().context("dao.currency")?,
        treasury_percent: dao.treasury_percent,
        operator: node,
        dao_node: node,
        aggregators: keys.iter().map(|keys| keys.verifying).collect(),
    })
}

fn aggregators(federation: &FederationConfig) -> anyhow::Result<Vec<AggregatorKeys>> {
    federation.aggregators.iter().map(super::config::AggregatorConfig::keys).collect()
}

fn early_stopping(federation: &FederationConfig) -> anyhow::Result<Option<EarlyStopping>> {
    let settings = federation.early_stopping.as_deref().map(str::parse).transpose();
    settings.context("federation.early_stopping")
}

fn make_terms(
    config: &ServeConfig,
    tables: &Tables,
    dao: Digest,
    key: &SigningKey,
) -> anyhow::Result<FederationTerms> {
    let federation = &config.federation;
    let architecture = architecture(federation)?;
    let training = federation.training()?;
    // What is sealed are the parameters that are shared.
    let shared = architecture.layout().shared_count(training.personal.layers()).with_context(|| {
        let layers = training.personal.layers();
        format!("federation.personal_layers = {layers}: the model has fewer dense layers, or would share nothing")
    })?;
    let own = architecture.parameter_count() - shared;
    if own > OWN_PARAMETERS_MAX {
        bail!(
            "federation.personal_layers: {own} parameters of each contributor's own, at most \
             {OWN_PARAMETERS_MAX} travel with a model"
        );
    }
    let dimension = u32::try_from(shared).context("model too large")?;
    let clip_norm = ClipNorm::new(federation.clip_norm).context("federation.clip_norm")?;
    // Where somebody could publish another sum than the sum, each member of the cohort checks it.
    let sealing = federation.sealing()?;
    let tagging = if sealing.custody().is_some() { Tagging::Absent } else { Tagging::Linear };
    let (noise, options) =
        (federation.noise(), EncodingOptions { tagging, ..EncodingOptions::default() });
    let members_max = federation.members_max;
    let encoding = match noise.plan() {
        None => EncodingParameters::valued(clip_norm, dimension, members_max, options),
        Some(plan) => {
            EncodingParameters::valued_with_noise(clip_norm, dimension, members_max, options, plan)
        }
    };
    let encoding = encoding.context("federation.noise_multiplier, members_max and the model")?;
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
    let (optimizer, buffer) = federation.server_step()?;
    let terms = FederationTerms {
        name: federation.name.clone(),
        purpose: federation.purpose.clone(),
        dao,
        dao_node: key.verifying_key(),
        aggregators: aggregators(federation)?,
        sealing,
        cohort: CohortTerms::Mls { dao_sealing: SealingKey::derived_from(key).public() },
        encoding,
        noise,
        training,
        optimizer,
        architecture: architecture.to_json(),
        schema: SchemaTerms {
            features: federation.features.clone(),
            label: federation.label.clone(),
            classes: federation.classes.clone(),
            mean: wide(tables.standardiser.mean()),
            deviation: wide(tables.standardiser.deviation()),
        },
        rounds: federation.rounds,
        stopping: early_stopping(federation)?,
        sampling: federation.sampling.parse().context("federation.sampling")?,
        buffer,
        groups: federation.group_rule()?,
        minimum_cohort: federation.minimum_cohort,
        round_deadline_ms: federation.round_deadline_ms,
        step_deadline_ms: federation.step_deadline_ms,
    };
    let terms = terms.checked().context("the federation's configuration")?;
    // What cannot be accounted for is refused before the first round, not in the middle.
    round_loss_micro(&terms, u64::from(terms.rounds)).context("federation.noise_multiplier")?;
    Ok(terms)
}
