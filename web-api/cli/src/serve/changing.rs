//! Going over to the terms that members voted for, while the node runs.
//!
//! ```text
//!  SetPrivacyPolicy executed ─► the round under way ends under the terms of its opening ─► no round is granted
//!    ─► the configuration is read again ─ makes the voted terms ─► signed, kept, served; rounds go on with who consented
//!                                       └ makes others ─► said, and read again whenever the file changes
//! ```
//!
//! The terms themselves come from the configuration, as at the start: members vote on their digest, and nothing but the terms
//! with this digest is signed. So an operator puts the file in place before the vote is over, or after.

use std::path::Path;

use aggregator_protocol::{DaoReply, Refusal};
use anyhow::{Context as _, ensure};
use privacy_identity::{Digest, Tag};
use serde_json::json;

use super::{
    config::ServeConfig, evaluator, founding, link_bytes_max, round_service::RoundService,
};
use crate::vote_evidence::VoteEvidence;

/// Voted terms that the configuration did not make.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// Which, and what the configuration was.
    what: (Digest, Option<Digest>),
    /// Why not.
    pub(super) reason: String,
}

impl RoundService {
    /// What an aggregator is answered that knows the terms `known`.
    pub(super) async fn voted(&self, known: Digest) -> anyhow::Result<DaoReply> {
        let served = self.terms.unverified_body().id();
        if served == known {
            return Ok(DaoReply::TermsStand);
        }
        let evidence = VoteEvidence::of(&self.store, &self.name, served).await?;
        Ok(match evidence {
            Some(evidence) => DaoReply::Voted {
                terms: Box::new(self.terms.clone()),
                evidence: privacy_identity::Encode::to_bytes(&evidence),
            },
            // They are those of the beginning, for which nobody had to vote.
            None => DaoReply::Refused(Refusal::Unexpected),
        })
    }

    /// Goes over to the terms that members voted for, if there are others than those served and no round is open. A
    /// configuration that does not make them ends nothing: it is told, and tried again when the file has other content.
    pub(super) fn change_terms(&mut self) -> anyhow::Result<()> {
        let served = self.terms.unverified_body().id();
        let agreed = self.federation(|f| f.open_round().is_none().then(|| f.policy().terms))?;
        let Some(agreed) = agreed.filter(|agreed| *agreed != served) else { return Ok(()) };
        let what = (agreed, content(&self.source));
        if self.tried.as_ref().is_some_and(|tried| tried.what == what) {
            return Ok(());
        }
        match tokio::task::block_in_place(|| self.adopt(agreed)) {
            Ok(()) => {
                self.tried = None;
                self.still.say(&self.name, None);
                let (former, terms) = (served.to_string(), agreed.to_string());
                self.events
                    .emit(json!({"event": "terms-changed", "former": former, "terms": terms}));
            }
            Err(error) => {
                let reason = format!("{error:#}");
                tracing::warn!("members voted for other terms, and no round starts: {reason}");
                self.still.say(&self.name, Some(reason.clone()));
                self.events.emit(json!({"event": "terms-not-changed", "reason": reason}));
                self.tried = Some(Tried { what, reason });
            }
        }
        Ok(())
    }

    /// Serves the terms `agreed` from now on.
    ///
    /// # Errors
    /// A configuration that makes others, or that this process cannot go over to; nothing is changed then.
    fn adopt(&mut self, agreed: Digest) -> anyhow::Result<()> {
        let config = ServeConfig::load(&self.source)?;
        let (name, own) = (&config.federation.name, self.name.as_str());
        ensure!(name == own, "the configuration is of the federation {name}, not of {own}");
        let architecture = founding::architecture(&config.federation)?;
        let same = architecture.to_json() == self.evaluator.architecture().to_json();
        ensure!(same, "they are about another model: that is another federation");
        let parameters = architecture.parameter_count();
        let (needed, given) = (
            link_bytes_max(&config.federation, parameters),
            link_bytes_max(&self.config.federation, parameters),
        );
        ensure!(
            needed <= given,
            "their messages take {needed} bytes, this process lets {given} through: start it again"
        );
        let tables = founding::Tables::read(&config.federation)?;
        let (committed, got) =
            (self.federation(|f| f.opened().validation_commitment)?, tables.validation.digest());
        ensure!(
            committed == got,
            "the ledger committed to the validation table {committed}, the configured one is {got}"
        );
        let voted = (&tables, agreed);
        let (former, terms) =
            founding::voted_terms(&config, &self.store, &self.vault, &self.key, voted)?;
        let body = terms.unverified_body();
        let evaluator = evaluator(&self.evaluator.device, &architecture, &tables, body.encoding)?;
        let evaluator = evaluator
            .checked(body.training.personal.layers())
            .context("the DAO's judge under the voted terms")?;
        // Last: what was refused until here is on the disk as it was.
        founding::replace_terms(&self.vault, &former, &terms)?;
        self.evaluator = evaluator;
        self.config.federation = config.federation;
        self.judge.take_up_to(super::judging::disclosure_bytes_max(terms.unverified_body()));
        self.terms = terms;
        // What members had trained was under the former terms.
        self.buffer = std::sync::Mutex::default();
        Ok(())
    }
}

/// What is in the configuration; none if it cannot be read. Not when it was written: two versions may have one time, by a copy
/// that keeps it or a clock that was set back.
fn content(path: &Path) -> Option<Digest> {
    std::fs::read(path).ok().map(|bytes| Digest::of(Tag::Terms, &bytes))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, time::SystemTime};

    use super::*;

    #[test]
    fn another_configuration_of_the_same_time_and_length_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        let write = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let file = File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
            content(&path)
        };
        let first = write("rounds = 10");
        assert!(first.is_some());
        assert_ne!(write("rounds = 11"), first);
        assert_eq!(write("rounds = 10"), first);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(content(&path), None);
    }
}
