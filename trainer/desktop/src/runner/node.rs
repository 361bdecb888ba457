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

/// Most pages that are read of a list: of 200 items each.
const PAGES_MAX: u32 = 50;

/// Asks for a member's credits, the federation's privacy and the open proposals.
pub(super) fn ask(node: &str, federation: &str, member: &str) -> anyhow::Result<CoOperative> {
    let node = Node::at(node)?;
    let (name, federation) = (federation, encoded(federation));
    // Who has no part yet has no account: that is no error.
    let account = node.get(&format!("/v1/members/{member}"))?.unwrap_or_default();
    let rounds = node.get(&format!("/v1/federations/{federation}/contributors/{member}/rounds"))?;
    let shown = node.get(&format!("/v1/federations/{federation}"))?;
    let shown = shown.context("the co-operative has no such federation")?;
    let proposals = node.all("/v1/proposals", "proposals")?;
    let proposals = proposals.iter();
    let books = node.get("/v1/ledger/accounts?prefix=privacy%2F&limit=200")?.unwrap_or_default();
    let limit_micro = shown["policy"]["epsilon_micro_max"].as_u64();
    let delegations = node.all("/v1/delegations", "delegations")?;
    Ok(CoOperative {
        account: if account.is_null() { Default::default() } else { typed(account)? },
        rounds: rounds.map_or(Ok(Vec::new()), |mut rounds| typed(rounds["rounds"].take()))?,
        privacy: Privacy::from_books(&books, name, limit_micro),
        delegations: typed(Value::Array(delegations))?,
        others: others(&shown, member),
        proposals: proposals.filter_map(|shown| Proposal::from_json(shown, member)).collect(),
    })
}

/// A co-operative's REST interface.
pub(super) struct Node {
    agent: ureq::Agent,
    base: String,
}

impl Node {
    pub(super) fn at(base: &str) -> anyhow::Result<Self> {
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("the address begins with https:// (or http://), got {base:?}");
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(ANSWER_MS_MAX)));
        Ok(Self { agent: config.build().into(), base: base.to_owned() })
    }

    /// A resource; none if it is not there.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let Some(body) = self.bytes(path)? else { return Ok(None) };
        let value = serde_json::from_slice(&body);
        value.map(Some).with_context(|| format!("{path} answers something else than JSON"))
    }

    /// All items of a list, page by page; none if there is no such list.
    pub(super) fn all(&self, path: &str, items: &str) -> anyhow::Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let Some(mut page) = self.get(&format!("{path}?limit=200{cursor}"))? else { break };
            let listed = page.get_mut(items).and_then(Value::as_array_mut);
            all.extend(listed.into_iter().flat_map(std::mem::take));
            let Some(next) = page["next"].as_str() else { return Ok(all) };
            cursor = format!("&cursor={}", encoded(next));
        }
        Ok(all)
    }

    /// A resource's bytes; none if it is not there.
    pub(super) fn bytes(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
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
        let body = answer.into_body().into_with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        body.map(Some).with_context(|| format!("reading {url}"))
    }
}

/// Key and name of each other member of a federation.
fn others(shown: &Value, member: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let contributors = shown["contributors"].as_array().into_iter().flatten();
    let others = contributors.filter(|other| other["member"] != member);
    others.map(|other| (text(&other["member"]), text(&other["label"]))).collect()
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
