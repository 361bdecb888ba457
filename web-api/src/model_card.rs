//! What a model says about itself: facts of the ledger, and nothing else.
//!
//! All of them are fixed when the version is released, so that the card is the same for ever and can be signed. What is
//! not recorded is not said; a licence that nobody named is `unknown` to the reader of the front-matter.

use std::fmt::Write as _;

use data_dao_governance::Licence;
use data_dao_journal::{ModelReleased, State};
use serde::Serialize;
use serde_json::Value;
use trainer_model::Architecture;

use crate::ShelvedModel;
use crate::amount::share;
use crate::licence::{front_matter, link};

/// The facts of a released version.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ModelFacts {
    model: String,
    version: u32,
    digest: String,
    dao: String,
    federation: String,
    purpose: Option<String>,
    seal: Option<String>,
    rounds: u64,
    contributors: usize,
    /// 0 to 1.
    accuracy: Option<f64>,
    /// The mean cross-entropy, in nats.
    loss: Option<f64>,
    epsilon: Option<f64>,
    delta: Option<f64>,
    /// That under which the version was released.
    licence: Option<Licence>,
}

impl ModelFacts {
    pub(crate) fn new(state: &State, release: &ModelReleased) -> Option<Self> {
        let federation = state.federation(&release.federation)?;
        let terms: Value = serde_json::from_str(&federation.opened().terms).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let settled = federation.settled();
        let round = settled.iter().find(|round| round.model_after == release.digest);
        // Of other terms the ledger has the digest alone: what the card then does not say is not recorded.
        let of_these = round.is_none_or(|round| round.terms == federation.opened().terms_digest);
        let millionths = |value: u64| value as f64 / 1e6;
        Some(Self {
            model: release.model.to_string(),
            version: release.version,
            digest: release.digest.to_string(),
            dao: state.genesis()?.dao_name.clone(),
            federation: release.federation.to_string(),
            purpose: text(&terms["purpose"]).filter(|_| of_these),
            seal: text(&terms["seal"]).filter(|_| of_these),
            rounds: release.rounds,
            contributors: release.weights.len(),
            accuracy: release.test_accuracy_ppm.map(share),
            loss: round.map(|round| millionths(round.test_loss_micro)),
            epsilon: round.and_then(|round| round.epsilon_micro).map(millionths),
            delta: terms["noise"]["delta"].as_f64().filter(|_| of_these),
            licence: state.model(&release.model)?.licence(release.version).cloned(),
        })
    }

    /// Keys and values for the metadata of files: with them, a file alone is enough to compute.
    pub(crate) fn metadata(&self, model: &ShelvedModel) -> Vec<(String, String)> {
        let (schema, scale) = (model.schema(), model.standardiser());
        let mut pairs = vec![
            ("model", self.model.clone()),
            ("version", self.version.to_string()),
            ("digest", self.digest.clone()),
            ("dao", self.dao.clone()),
            ("federation", self.federation.clone()),
            ("rounds", self.rounds.to_string()),
            ("contributors", self.contributors.to_string()),
            ("architecture", model.architecture().to_json()),
            ("features", json(schema.features())),
            ("classes", json(schema.classes())),
            ("mean", json(scale.mean())),
            ("deviation", json(scale.deviation())),
        ];
        let number = |value: Option<f64>| value.map(|value| value.to_string());
        pairs.extend(number(self.accuracy).map(|text| ("test_accuracy", text)));
        pairs.extend(number(self.epsilon).map(|text| ("epsilon", text)));
        pairs.extend(number(self.delta).map(|text| ("delta", text)));
        pairs.extend(self.licence.as_ref().map(|licence| ("licence", licence.to_string())));
        pairs.into_iter().map(|(key, value)| (format!("sahakar.{key}"), value)).collect()
    }

    /// The card: Markdown with the front-matter that model hubs read.
    pub(crate) fn card(&self, model: &ShelvedModel) -> String {
        let mut card = self.front_matter(model);
        self.write_body(model, &mut card).expect("a String takes all");
        card
    }

    /// YAML, whose texts are written as JSON: that is a part of it.
    fn front_matter(&self, model: &ShelvedModel) -> String {
        let task = match model.architecture() {
            Architecture::Cnn(_) => "image-classification",
            Architecture::CharGru(_) => "text-generation",
            _ => "tabular-classification",
        };
        let name = json(&self.model);
        let mut text = format!(
            "---\n{}library_name: onnx\npipeline_tag: {task}\ntags:\n- federated-learning\n- sahakar\n",
            front_matter(self.licence.as_ref())
        );
        if let Some(accuracy) = self.accuracy {
            let dataset = json(&format!("test set of {}", self.federation));
            write!(
                text,
                "model-index:\n- name: {name}\n  results:\n  - task:\n      type: {task}\n    dataset:\n      \
                 name: {dataset}\n      type: private\n    metrics:\n    - type: accuracy\n      value: {accuracy}\n"
            )
            .expect("a String takes all");
        }
        text + "---\n\n"
    }

    fn write_body(&self, model: &ShelvedModel, out: &mut String) -> std::fmt::Result {
        let Self { model: name, version, dao, federation, rounds, contributors, .. } = self;
        writeln!(out, "# {name}, version {version}\n")?;
        let dao = inline(dao);
        writeln!(
            out,
            "Trained by the federation {federation} of {dao} in {rounds} rounds on the data of {contributors} \
             contributors, none of which left its owner.\n"
        )?;
        if let Some(purpose) = &self.purpose {
            writeln!(out, "Agreed purpose: {}\n", inline(purpose))?;
        }
        writeln!(out, "| fact | as recorded in the ledger |\n|---|---|")?;
        let mut row = |what: &str, value: String| writeln!(out, "| {what} | {value} |");
        row("digest of the model", format!("`{}`", self.digest))?;
        row("architecture", format!("`{}`", model.architecture().to_json()))?;
        row("parameters", model.parameters().count().to_string())?;
        let number = |value: Option<f64>, none: &str| {
            value.map_or_else(|| none.to_owned(), |value| value.to_string())
        };
        row("accuracy on the co-operative's test set", number(self.accuracy, "not recorded"))?;
        row("loss on it, in nats", number(self.loss, "not recorded"))?;
        row("privacy loss ε of a contributor", number(self.epsilon, "no bound is guaranteed"))?;
        if self.epsilon.is_some() {
            row("at δ", number(self.delta, "not recorded"))?;
        }
        row(
            "updates were sealed by",
            self.seal.clone().unwrap_or_else(|| "not recorded".to_owned()),
        )?;
        row(
            "licence",
            self.licence.as_ref().map_or_else(|| "not recorded".to_owned(), licence_cell),
        )?;
        writeln!(out, "\n## Inputs\n")?;
        for (index, feature) in model.schema().features().iter().enumerate() {
            writeln!(out, "{}. {}", index + 1, inline(feature))?;
        }
        writeln!(out, "\n## Classes\n")?;
        for (index, class) in model.schema().classes().iter().enumerate() {
            writeln!(out, "{}. {}", index + 1, inline(class))?;
        }
        writeln!(
            out,
            "\n## Files\n\n`model.safetensors` has the parameters, with architecture, means and deviations in its \
             metadata; `model.onnx` takes inputs as they are and standardises them itself. `model.sig` signs these \
             files in the format of OpenSSF Model Signing."
        )
    }
}

/// Its name, where its text is, and the digest of that.
fn licence_cell(licence: &Licence) -> String {
    let name = inline(licence.name());
    let name = link(licence).map_or_else(|| name.clone(), |link| format!("[{name}]({link})"));
    match licence {
        Licence::Other { sha256, .. } => format!("{name}, SHA-256 of its text `{sha256}`"),
        Licence::Spdx(_) => name,
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and numbers always serialise")
}

/// A text of somebody else within a line of Markdown: nothing in it is markup.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_no_markup() {
        assert_eq!(inline("a|b\n# <c> [x](y) `z`"), r"a\|b \# &lt;c> \[x\](y) \`z\`");
    }
}
