//! Under which licence models are sold.

use super::State;
use crate::{LicenceSet, Refusal};

impl State {
    pub(super) fn set_first_licence(&mut self, body: &LicenceSet) -> Result<(), Refusal> {
        body.licence.check()?;
        let federation = self.federation_mut(&body.federation)?;
        if federation.licence.is_some() {
            return Err(Refusal::LicenceNeedsVote { federation: body.federation.to_string() });
        }
        federation.licence = Some(body.licence.clone());
        Ok(())
    }
}
