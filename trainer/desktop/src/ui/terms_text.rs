//! What terms mean for a person's data, in words.

use super::view::View;
use crate::terms::{Noise, Terms};

/// What leaves this computer and what protects it, line for line, each with the parts of the terms that it speaks of.
pub(super) fn leaves(view: &View<'_>, terms: &Terms) -> Vec<(&'static [&'static str], String)> {
    let parameters = terms.parameters.to_string();
    let who = match (terms.custodians, terms.custodian_threshold) {
        (Some(custodians), Some(threshold)) => view.fill(
            "consent_sealed_fhe",
            &[("custodians", &custodians.to_string()), ("threshold", &threshold.to_string())],
        ),
        _ => view.fill("consent_sealed_mpc", &[("count", &terms.aggregators.len().to_string())]),
    };
    let mut lines: Vec<(&'static [&'static str], String)> = vec![
        (
            &["model", "encoding of updates"],
            view.fill("consent_update", &[("parameters", &parameters)]),
        ),
        (&["sealing", "aggregators", "custodians", "custodians who open a sum"], who),
        (
            &["fewest contributors"],
            view.fill("consent_cohort", &[("count", &terms.minimum_cohort.to_string())]),
        ),
        (&[], view.t("consent_scalar").to_owned()),
    ];
    if let (Some(groups), Some(rule)) = (terms.groups, &terms.robust) {
        let groups = groups.to_string();
        let holes = [("groups", groups.as_str()), ("rule", rule.as_str())];
        lines.push((&["groups of a round"], view.fill("consent_groups", &holes)));
    }
    if let Some(pace) = terms.own_pace() {
        let (count, stale) = (pace.buffer.to_string(), pace.stale_max.to_string());
        let holes = [("count", count.as_str()), ("stale", stale.as_str())];
        lines.push((&["own pace"], view.fill("consent_pace", &holes)));
        lines.push((&["own pace"], view.t("consent_pace_told").to_owned()));
    }
    lines.push((&[], view.t("consent_never").to_owned()));
    lines
}

/// Noise in words, from the trainer's spelling, such as `1.5 (of 3 honest, δ 0.00001)`; none if it is spelled otherwise.
pub(super) fn noise(view: &View<'_>, text: &str) -> Option<String> {
    let (multiplier, rest) = text.split_once(" (of ")?;
    let (honest, delta) = rest.strip_suffix(')')?.split_once(" honest, δ ")?;
    let holes = [("multiplier", multiplier), ("honest", honest), ("delta", delta)];
    Some(view.fill("side_noise", &holes))
}

/// The noise that hides each contributor, as a sentence.
pub(super) fn noise_sentence(view: &View<'_>, noise: Option<&Noise>) -> String {
    match noise {
        None => view.t("consent_no_noise").to_owned(),
        Some(noise) => view.fill(
            "consent_noise",
            &[
                ("multiplier", &noise.multiplier.to_string()),
                ("honest", &noise.honest_minimum.to_string()),
                ("delta", &noise.delta.to_string()),
            ],
        ),
    }
}
