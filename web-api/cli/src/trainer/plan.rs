//! What a trainer is to do, after flags, environment and file were put together.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use datasets::Mapping;
use privacy_identity::{Digest, Passphrase};
use trainer_agent::{Behaviour, Invitation, OwnData, SentCopies};
use trainer_conditions::Preferences;
use trainer_model::DeviceChoice;

use super::{
    KEEP_SENT_MIB_MAX, TrainerArgs,
    file::{DataSection, JoinSection, LogSection, TrainerFile},
};
use crate::pacing;

/// The longest file that is taken for one with an invitation: eight addresses and eight relays have room.
const INVITATION_BYTES_MAX: u64 = 16 << 10;

/// What a trainer is to do.
#[derive(Debug)]
pub struct TrainerPlan {
    /// Where key, consent and the record of what was sent are kept.
    pub state: PathBuf,
    /// What unlocks its key, and under which a new one is kept.
    pub passphrase: Option<Arc<Passphrase>>,
    /// The invitation.
    pub join: Invitation,
    /// What is to be trained on; none where only the terms are asked for.
    pub data: Option<OwnData>,
    /// The public name.
    pub label: String,
    /// Where to train.
    pub device: DeviceChoice,
    /// How much of what was sealed is kept as it left, in mebibytes.
    pub keep_sent_mib: u64,
    /// Makes training repeatable.
    pub seed: Option<u64>,
    /// When to train; without them whenever there is something to train.
    pub preferences: Option<Preferences>,
    /// Where figures for Prometheus are served.
    pub metrics: Option<SocketAddr>,
    /// Honest, but for demonstrations.
    pub behaviour: Behaviour,
    /// Events as JSON on standard output.
    pub json: bool,
    /// What standard input means.
    pub input: Input,
    /// Show the terms and stop.
    pub terms: bool,
    /// Changed terms that the owner agrees to.
    pub consent: Option<Digest>,
    /// The DAO node's REST interface.
    pub url: Option<String>,
    /// The log on standard error.
    pub log: LogSection,
}

/// What standard input means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Ignored,
    /// Its end is that of whoever started the trainer.
    Parent,
    /// Words to obey; its end is the word to stop.
    Obeyed,
}

impl TrainerArgs {
    /// Puts flags, environment and file together.
    ///
    /// # Errors
    /// A file that cannot be read or says what it may not; something needed that nobody says; preferences out of range.
    pub fn plan(self) -> anyhow::Result<TrainerPlan> {
        let file = match &self.config {
            Some(path) => TrainerFile::load(path, variables())?,
            None => TrainerFile::default(),
        };
        let data = self.own_data(&file.data)?;
        let preferences = match &self.preferences {
            Some(path) => Some(pacing::preferences_form(path)?),
            None => file.preferences,
        };
        let preferences = self.limits.over(preferences).map(Preferences::new).transpose();
        let preferences = preferences.context("when to train")?;
        if self.obey && preferences.is_some() {
            bail!("--obey and preferences: who gives the words keeps the pace");
        }
        let device = match (self.device, &file.device) {
            (Some(device), _) => device,
            (None, Some(name)) => name.parse().context("device")?,
            (None, None) => DeviceChoice::default(),
        };
        let url = self.url.or(file.join.url.clone());
        ensure!(self.consent.is_none() || url.is_some(), "--consent needs join.url (or --url)");
        let state = self.state.or(file.state_dir).context("state_dir (or --state) is needed")?;
        let mut passphrase = self.passphrase;
        passphrase.passphrase_file = passphrase.passphrase_file.or(file.passphrase_file);
        Ok(TrainerPlan {
            passphrase: passphrase.passphrase_for(&state.join("key"))?.map(Arc::new),
            state,
            join: invitation(self.join, self.join_file, file.join)?,
            data,
            label: self.label.or(file.label).unwrap_or_else(|| "contributor".to_owned()),
            device,
            keep_sent_mib: keep_sent_mib(self.keep_sent, file.keep_sent_mib)?,
            seed: self.seed.or(file.seed),
            preferences,
            metrics: self.metrics.or(file.metrics.listen),
            behaviour: self.behaviour,
            json: self.json || file.json.unwrap_or(false),
            input: match (self.obey, self.with_parent) {
                (true, _) => Input::Obeyed,
                (false, true) => Input::Parent,
                (false, false) => Input::Ignored,
            },
            terms: self.terms,
            consent: self.consent,
            url,
            log: LogSection {
                filter: self.log.or(file.log.filter),
                form: self.log_form.or(file.log.form),
            },
        })
    }

    fn own_data(&self, section: &DataSection) -> anyhow::Result<Option<OwnData>> {
        let flags = &self.data;
        let path = flags.data.clone().or_else(|| section.path.clone());
        let Some(path) = path else {
            ensure!(self.terms, "data.path (or --data) is needed");
            return Ok(None);
        };
        let mut mapping = flags.mapping.clone();
        if mapping.mapping.is_none() {
            mapping.mapping.clone_from(&section.mapping_file);
            ensure!(
                mapping.mapping.is_none() || section.mapping == Mapping::default(),
                "data.mapping and data.mapping_file: one of them"
            );
        }
        Ok(Some(OwnData {
            path,
            mapping: mapping.read_over(section.mapping.clone())?,
            hold_out_percent: flags.hold_out.or(section.hold_out_percent).unwrap_or(0),
            hold_out_seed: flags.hold_out_seed.or(section.hold_out_seed).unwrap_or(1),
        }))
    }
}

fn keep_sent_mib(flag: Option<u64>, file: Option<u64>) -> anyhow::Result<u64> {
    let said = flag.or(file).unwrap_or(SentCopies::BYTES_MAX_DEFAULT >> 20);
    ensure!(
        said <= KEEP_SENT_MIB_MAX,
        "keep_sent_mib is {said}, at most {KEEP_SENT_MIB_MAX} can be"
    );
    Ok(said)
}

/// The environment, without what is no text: no variable of ours is.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The invitation that a flag, a file named by a flag, or the section says, in this order.
fn invitation(
    flag: Option<Invitation>,
    flag_file: Option<PathBuf>,
    section: JoinSection,
) -> anyhow::Result<Invitation> {
    if let Some(invitation) = flag {
        return Ok(invitation);
    }
    let text = match (flag_file, section.invitation, section.file) {
        (None, Some(_), Some(_)) => bail!("join.invitation and join.file: one of them"),
        (Some(path), _, _) | (None, None, Some(path)) => {
            let about = || format!("reading the invitation in {}", path.display());
            let length = fs::metadata(&path).with_context(about)?.len();
            ensure!(length <= INVITATION_BYTES_MAX, "{}: too long for one", about());
            fs::read_to_string(&path).with_context(about)?
        }
        (None, Some(text), None) => text,
        (None, None, None) => bail!("join.invitation, join.file, --join or --join-file is needed"),
    };
    text.trim().parse().context("the invitation")
}
