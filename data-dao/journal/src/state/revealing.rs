//! The validation set has to be shown by a round that was agreed on before, or rounds and pay wait.
//!
//! ```text
//!  FederationOpened (commitment) ─ reveal_by_rounds R: SafeguardsSet, or a vote
//!     └─ R rounds settled, or no more are run ── without ValidationRevealed: overdue
//!           overdue: RoundOpened and RoundPosted are refused
//! ```
//! Threat. A DAO node that committed to a validation set and never shows it: its measurements then cannot be recomputed by
//! anybody (`sahakar audit --validation`), and it pays whom it likes. With the rule its word is due before the pay is
//! final: until then nothing is paid and no round starts. What needs no judgement is all that is judged: whether an entry
//! names the committed digest. **Not seen**: whether the table behind the URL is there, which whoever fetches it finds out.
//!
//! Rounds after the set was shown measure on rows that contributors know and can fit: R is best the number of all rounds.

use super::State;
use crate::refusal::{same, text_within, within};
use crate::{Federation, Refusal, Revealed, ValidationRevealed};

/// Longest address of a revealed table, in bytes.
const URL_BYTES_MAX: i128 = 500;

impl State {
    pub(super) fn reveal_validation(&mut self, body: &ValidationRevealed) -> Result<(), Refusal> {
        let index = self.entries;
        let federation = self.federation_ref(&body.federation)?;
        same("digest", &federation.opened.validation_commitment, &body.digest)?;
        text_within("url", &body.url, URL_BYTES_MAX)?;
        let printable = body.url.chars().all(|c| c.is_ascii_graphic());
        let web = ["https://", "http://"].iter().any(|scheme| body.url.starts_with(scheme));
        if !printable || !web {
            return Err(Refusal::NoUrl { got: body.url.clone() });
        }
        let revealed = Revealed { index, url: body.url.clone() };
        self.federation_mut(&body.federation)?.revealed = Some(revealed);
        Ok(())
    }

    /// Checks when the set has to be shown: after at least one round and at most all of them; 0: never.
    pub(super) fn check_reveal_by(federation: &Federation, rounds: u64) -> Result<(), Refusal> {
        within("reveal_by_rounds", rounds, 0, i128::from(federation.opened.rounds))
    }
}

/// Refuses a step that has to wait until the validation set was shown.
pub(super) fn check_revealed(federation: &Federation) -> Result<(), Refusal> {
    match federation.reveal_by {
        Some(by_rounds) if federation.is_reveal_overdue() => Err(Refusal::RevealOverdue {
            federation: federation.opened.federation.to_string(),
            by_rounds,
            settled: federation.settled.len(),
        }),
        _ => Ok(()),
    }
}
