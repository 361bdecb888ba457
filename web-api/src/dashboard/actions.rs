//! What a proposal would do, in one sentence each.

use data_dao_governance::{Action, Class};
use maud::{Markup, html};

use super::format::{duration, grouped, licence, member, money};
use super::reading::Reading;
use super::words::{epsilon, round_number};

/// An action for people. One that has no sentence here shows its wire form: nothing is left out.
pub(super) fn sentence(ledger: &Reading<'_>, action: &Action) -> Markup {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    market(action, &currency)
        .or_else(|| federations(action))
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

fn federations(action: &Action) -> Option<Markup> {
    Some(match action {
        Action::SetRoundBudget { federation, credits } => html! {
            "Later rounds of " (federation) " pay " strong { (grouped(*credits)) " credits" } " each."
        },
        Action::StartFederation { federation } => html! { (federation) " may open rounds again." },
        Action::StopFederation { federation } => html! { (federation) " opens no more rounds." },
        Action::SetNovelty { federation, percent } => html! {
            "In " (federation) ", an update needs " strong { (percent) " %" } " of the median's novelty to be paid."
        },
        Action::SetPrivacyPolicy { federation, policy } => html! {
            "Privacy of " (federation) ": at least " (policy.minimum_cohort) " contributors in a round, and "
            @match policy.epsilon_micro_max {
                Some(micro) => { "ε of at most " strong { (epsilon(micro)) } }
                None => { "no bound on ε" }
            }
            ". What weakens it holds for a device only after that device agreed."
        },
        Action::SetLicence { federation, licence: named } => html! {
            "Versions of " (federation) " that are released from now on are sold under " strong { (licence(named)) } "."
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
        Action::AdmitMember { label, .. } => html! { (label) " becomes a member." },
        Action::SuspendMember { member: key, reason } => {
            html! { (member(ledger, key)) " is suspended: " (reason) }
        }
        Action::ReinstateMember { member: key } => {
            html! { (member(ledger, key)) " has its rights back." }
        }
        Action::SlashCredit { member: key, credits, reason, evidence } => html! {
            (member(ledger, key)) " loses " strong { (grouped(*credits)) " credits" } " and their votes: " (reason)
            " (evidence: " a href={"/ledger/" (evidence.entry)} { "entry " (evidence.entry) } ")"
        },
        Action::SetWitness { name, .. } => html! { (name) " becomes a witness of the log." },
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
