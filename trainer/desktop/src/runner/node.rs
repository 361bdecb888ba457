//! The co-operative's REST interface: what it says of a member.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::co_operative::{CoOperative, Privacy, Proposal};

/// How long an answer may take.
const ANSWER_MS_MAX: u64 = 15_000;

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Asks for a member's credits, the federation's privacy and the open proposals.
pub(super) fn ask(node: &str, federation: &str, member: &str) -> anyhow::Result<CoOperative> {
    let node = Node::at(node)?;
    let federation = encoded(federation);
    // Who has no part yet has no account: that is no error.
    let account = node.get(&format!("/v1/members/{member}"))?.unwrap_or_default();
    let rounds = node.get(&format!("/v1/federations/{federation}/contributors/{member}/rounds"))?;
    let shown = node.get(&format!("/v1/federations/{federation}"))?;
    let shown = shown.context("the co-operative has no such federation")?;
    let proposals = node.get("/v1/proposals")?.unwrap_or_default();
    let proposals = proposals["proposals"].as_array().into_iter().flatten();
    Ok(CoOperative {
        account: if account.is_null() { Default::default() } else { typed(account)? },
        rounds: rounds.map_or(Ok(Vec::new()), |mut rounds| typed(rounds["rounds"].take()))?,
        privacy: Privacy {
            spent_micro: None,
            limit_micro: shown["policy"]["epsilon_micro_max"].as_u64(),
        },
        proposals: proposals.filter_map(|shown| Proposal::from_json(shown, member)).collect(),
    })
}

struct Node {
    agent: ureq::Agent,
    base: String,
}

impl Node {
    fn at(base: &str) -> anyhow::Result<Self> {
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("the address begins with https:// (or http://), got {base:?}");
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(ANSWER_MS_MAX)));
        Ok(Self { agent: config.build().into(), base: base.to_owned() })
    }

    /// A resource; none if it is not there.
    fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let url = format!("{}{path}", self.base);
        let answer = self.agent.get(&url).call();
        let answer = answer.with_context(|| format!("{} does not answer", self.base))?;
        let status = answer.status();
        if status.as_u16() == 404 {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("{url} answers with status {status}");
        }
        let body = answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let body = body.with_context(|| format!("reading {url}"))?;
        let value = serde_json::from_str(&body);
        value.map(Some).with_context(|| format!("{url} answers something else than JSON"))
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> anyhow::Result<T> {
    serde_json::from_value(value)
        .context("the co-operative answers in a form that this window does not know")
}

/// A name as a part of a path.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let part = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_and_names_are_encoded() {
        let refused = ask("localhost:8080", "wine", "ab").unwrap_err().to_string();
        assert!(refused.starts_with("the address begins with https://"), "{refused}");
        assert_eq!(encoded("red wine/1"), "red%20wine%2F1");
    }
}
