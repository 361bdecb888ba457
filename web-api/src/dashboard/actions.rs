//! What a proposal would do, in one sentence each.

use data_dao_governance::{Action, Class, Evidence, KeyClaim, Licence, PrivacyPolicy};
use data_dao_ledger::Name;
use maud::{Markup, html};

use super::format::{duration, grouped, licence, member, money};
use super::members::role_name;
use super::reading::Reading;
use super::words::{epsilon, round_number};

/// An action for people. One that has no sentence here shows its wire form: nothing is left out.
///
/// Threat: a field that no sentence says can be voted in unseen, such as other terms under a harmless bound on ε.
pub(super) fn sentence(ledger: &Reading<'_>, action: &Action) -> Markup {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    market(action, &currency)
        .or_else(|| federations(ledger, action))
        .or_else(|| people(ledger, action, &currency))
        .unwrap_or_else(|| {
            let wire = serde_json::to_string(action).unwrap_or_default();
            html! { code class="hash" { (wire) } }
        })
}

/// How hard a proposal is to pass.
pub(super) const fn class(class: Class) -> &'static str {
    match class {
        Class::Ordinary => "Ordinary: more for than against",
        Class::Critical => "Critical: at least twice as much for as against, and a longer timelock",
    }
}

fn market(action: &Action, currency: &str) -> Option<Markup> {
    Some(match action {
        Action::SetPredictionPrice { model, price } => html! {
            "A prediction of " a href={"/models/" (model)} { (model) } " will cost " strong { (money(*price, currency)) } "."
        },
        Action::ListModel { model } => html! { "Calls of " (model) " are sold again." },
        Action::DelistModel { model } => {
            html! { "No more calls of " (model) " are sold; paid ones are still answered." }
        }
        Action::SetRoyaltySplit { treasury_percent } => html! {
            "The treasury keeps " strong { (treasury_percent) " %" } " of each sale; contributors share the rest."
        },
        _ => return None,
    })
}

fn federations(ledger: &Reading<'_>, action: &Action) -> Option<Markup> {
    Some(match action {
        Action::SetRoundBudget { federation, credits } => html! {
            "Later rounds of " (federation) " pay " strong { (grouped(*credits)) " credits" } " each."
        },
        Action::StartFederation { federation } => html! { (federation) " may open rounds again." },
        Action::StopFederation { federation } => html! { (federation) " opens no more rounds." },
        Action::SetNovelty { federation, percent } => html! {
            "In " (federation) ", an update needs " strong { (percent) " %" } " of the median's novelty to be paid."
        },
        Action::SetPrivacyPolicy { federation, policy } => privacy(ledger, federation, policy),
        Action::SetLicence { federation, licence: named } => html! {
            "Versions of " (federation) " that are released from now on are sold under " strong { (licence(named)) }
            @if let Licence::Other { sha256, .. } = named { " (digest of its text: " code class="hash" { (sha256) } ")" }
            "."
        },
        Action::SetRevealBy { federation, rounds: 0 } => {
            html! { "The validation set of " (federation) " need not be shown." }
        }
        Action::SetRevealBy { federation, rounds } => html! {
            "The validation set of " (federation) " has to be shown after " strong { (rounds) " rounds" }
            ", or rounds and pay wait."
        },
        Action::UpholdDispute { federation, round, accused } => html! {
            "The objection to round " (round_number(*round)) " of " (federation) " is right: " (accused) " is not paid."
        },
        _ => return None,
    })
}

/// A privacy policy, and whether its terms are those in force.
fn privacy(ledger: &Reading<'_>, federation: &str, policy: &PrivacyPolicy) -> Markup {
    let name = Name::new(federation).ok();
    let known = name.and_then(|name| ledger.federation(&name));
    let unchanged = known.is_some_and(|known| known.policy().terms == policy.terms);
    html! {
        "Privacy of " (federation) ": at least " (policy.minimum_cohort) " contributors in a round, and "
        @match policy.epsilon_micro_max {
            Some(micro) => { "ε of at most " strong { (epsilon(micro)) } }
            None => { "no bound on ε" }
        }
        ". "
        @if unchanged { "The terms are those in force" }
        @else { strong { "The terms become others" } " than those in force: read the text with this digest before you vote" }
        " (" code class="hash" { (policy.terms) } "). What weakens it holds for a device only after that device agreed."
    }
}

fn people(ledger: &Reading<'_>, action: &Action, currency: &str) -> Option<Markup> {
    Some(match action {
        Action::Text => html! { "Changes nothing by itself: its words are the decision." },
        Action::SetParameter { parameter, value } => html! {
            "The charter's " code { (parameter) } " becomes "
            strong {
                @if parameter.as_str().contains("_ms") { (duration(*value)) } @else { (grouped(*value)) }
            } "."
        },
        Action::TreasuryTransfer { to, amount } => html! {
            "The treasury pays " strong { (money(*amount, currency)) } " to " (member(ledger, to)) "."
        },
        Action::AdmitMember { member: key, label, roles } => html! {
            (ledger.name(key, label)) " becomes a member, as "
            @for (index, role) in roles.iter().enumerate() { @if index > 0 { ", " } (role_name(*role)) }
            ", with the key " code class="hash" { (key) } "."
        },
        Action::SuspendMember { member: key, reason } => {
            html! { (member(ledger, key)) " is suspended: " (reason) }
        }
        Action::ReinstateMember { member: key } => {
            html! { (member(ledger, key)) " has its rights back." }
        }
        Action::RotateKey { claimed, reason } => {
            let KeyClaim { member: who, old, new, .. } = &claimed.claim;
            html! {
                "Another key signs for " (member(ledger, who)) ": " code class="hash" { (new) } " in place of "
                code class="hash" { (old) } ". Whoever holds the new key gets this member's vote, money and roles, and the old key nothing: "
                strong { "be sure that it is the same person" } ". Reason given: " (reason)
            }
        }
        Action::SlashCredit {
            member: key,
            credits,
            reason,
            evidence: Evidence { entry, document },
        } => html! {
            (member(ledger, key)) " loses " strong { (grouped(*credits)) " credits" } " and their votes: " (reason)
            " (evidence: " a href={"/ledger/" (entry)} { "entry " (entry) }
            ", and the document with the digest " code class="hash" { (document) } ")"
        },
        Action::SetWitness { name, vkey } => html! {
            (name) " becomes a witness of the log, with the key " code class="hash" { (vkey) } "."
        },
        Action::RemoveWitness { name } => html! { (name) " is no witness any more." },
        Action::SetWitnessQuorum { quorum } => {
            html! { (quorum) " witnesses make a checkpoint believable." }
        }
        Action::SetGuardian { guardian: Some(key), term_ms } => html! {
            (member(ledger, key)) " is asked to be guardian for " (duration(*term_ms)) "."
        },
        Action::SetGuardian { guardian: None, .. } => html! { "The guardian is dismissed." },
        _ => return None,
    })
}
