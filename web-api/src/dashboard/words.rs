//! What an entry of the ledger says, in one sentence.

use data_dao_governance::{Accused, Ballot, Choice, ProposalId, Vote};
use data_dao_journal::{Body, RoundSettled};
use data_dao_ledger::Name;
use maud::{Markup, html};

use super::format::{duration, grouped, label, member, money, percent, plural, short};
use super::key_words;
use super::reading::Reading;

/// The kind of an entry: `round_settled` is "Round settled".
pub(super) fn kind(kind: &str) -> String {
    let words = kind.replace('_', " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}

/// Which colour an entry has in the list: what it is about.
pub(super) fn about(body: &Body) -> &'static str {
    match body {
        Body::RoundOpened(_)
        | Body::RoundSettled(_)
        | Body::RoundAborted(_)
        | Body::RoundPosted(_)
        | Body::RoundDisputed(_)
        | Body::FaultProven(_)
        | Body::RoundSettling(_)
        | Body::SettledPart(_)
        | Body::ValidationRevealed(_)
        | Body::ModelReleased(_) => "training",
        Body::PriceSet(_)
        | Body::KeyIssued(_)
        | Body::KeyGranted(_)
        | Body::KeyAmended(_)
        | Body::KeyRotated(_)
        | Body::KeyRevoked(_)
        | Body::Deposited(_)
        | Body::Withdrawn(_)
        | Body::CallsRefunded(_)
        | Body::MonthBought(_)
        | Body::MonthEnded(_)
        | Body::LicenceBought(_)
        | Body::PaymentRefunded(_)
        | Body::PaymentReinstated(_)
        | Body::PaymentRefundFailed(_)
        | Body::LicenceSet(_)
        | Body::PricePolicySet(_)
        | Body::Purchased(_)
        | Body::PredictionReserved(_)
        | Body::Predicted(_)
        | Body::PredictionVoided(_) => "market",
        Body::ProposalMade(_)
        | Body::BallotCast(_)
        | Body::BallotSealed(_)
        | Body::BallotRevealed(_)
        | Body::PollOpened(_)
        | Body::ProposalQueued(_)
        | Body::ProposalExecuted(_)
        | Body::ProposalCanceled(_)
        | Body::ProposalVetoed(_)
        | Body::VoteDelegated(_) => "votes",
        _ => "members",
    }
}

/// What happened, with links to whom and what it concerns.
pub(super) fn sentence(ledger: &Reading<'_>, body: &Body) -> Markup {
    let told = rounds(ledger, body).or_else(|| sales(ledger, body)).or_else(|| votes(ledger, body));
    let told = told.or_else(|| founding(ledger, body));
    told.or_else(|| key_words::sentence(ledger, body))
        .unwrap_or_else(|| html! { (kind(body.kind())) "." })
}

/// People count rounds from one.
pub(super) fn round_number(round: u64) -> u64 {
    round.saturating_add(1)
}

fn federation(name: &Name) -> Markup {
    html! { a href={"/federations/" (name)} { (name) } }
}

fn model(name: &Name) -> Markup {
    html! { a href={"/models/" (name)} { (name) } }
}

fn proposal(ledger: &Reading<'_>, id: ProposalId) -> Markup {
    let title = ledger.proposal(id).map(|proposal| proposal.content().title.clone());
    html! { a href={"/proposals/" (id)} { "“" (title.unwrap_or_else(|| id.to_string())) "”" } }
}

fn settled(ledger: &Reading<'_>, body: &RoundSettled, took_part: usize, dropped: usize) -> Markup {
    let best = body.participants.iter().max_by_key(|part| part.credits);
    html! {
        "Round " (round_number(body.round)) " of " (federation(&body.federation)) " made a model"
        @if let Some(accuracy) = body.test_accuracy_ppm { " with " (percent(accuracy)) " accuracy" }
        ": " (plural(crate::amount::count(took_part), "contribution", "contributions")) " added up"
        @if dropped > 0 { ", " (dropped) " missing" }
        @if let Some(best) = best.filter(|best| best.credits > 0) {
            "; most credits to " (member(ledger, &best.member))
        }
        "."
    }
}

fn rounds(ledger: &Reading<'_>, body: &Body) -> Option<Markup> {
    Some(match body {
        Body::RoundOpened(body) => html! {
            "Round " (round_number(body.round)) " of " (federation(&body.federation)) " began with "
            (plural(body.cohort_size, "contributor", "contributors")) " invited."
        },
        Body::RoundSettled(body) => {
            settled(ledger, body, body.participants.len(), body.dropped.len())
        }
        Body::RoundSettling(body) => {
            let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
            settled(ledger, &body.settled, size(body.participants), size(body.dropped))
        }
        Body::SettledPart(body) => html! {
            "Part " (body.part.saturating_add(1)) " of the settlement of round " (round_number(body.round)) " of "
            (federation(&body.federation)) "."
        },
        Body::RoundAborted(body) => html! {
            "Round " (round_number(body.round)) " of " (federation(&body.federation)) " was given up: " (body.reason) "."
        },
        Body::RoundPosted(body) => html! {
            "The pay of round " (round_number(body.round)) " of " (federation(&body.federation)) " is final: "
            (grouped(body.credits)) " credits."
        },
        Body::RoundDisputed(body) => {
            let accused = match &body.dispute.accused {
                Accused::Member(key) => label(ledger, key),
                _ => "everybody".to_owned(),
            };
            html! {
                (member(ledger, &body.dispute.complainant)) " objected to the pay of " (accused) " in round "
                (round_number(body.dispute.round)) " of " (federation(&body.dispute.federation)) ": " (body.dispute.reason)
            }
        }
        Body::FaultProven(body) => html! {
            "It is proven that the party " code { (short(&body.party.to_string())) } " lied about the update of "
            (member(ledger, &body.dispute.complainant)) " in round " (round_number(body.dispute.round)) " of "
            (federation(&body.dispute.federation)) ": rounds and this round's pay wait for the members."
        },
        Body::SafeguardsSet(body) => html! {
            (federation(&body.federation)) " takes objections to a round's pay for " (duration(body.challenge_window_ms))
            @if let Some(micro) = body.epsilon_micro_max { "; privacy loss is bounded by ε " (epsilon(micro)) }
            @if let Some(rounds) = body.reveal_by_rounds {
                "; its validation set has to be shown after " (plural(rounds, "round", "rounds"))
            }
            "."
        },
        Body::ValidationRevealed(body) => html! {
            "The validation set of " (federation(&body.federation)) " is shown at " (body.url) "."
        },
        Body::BufferSet(body) => html! {
            "Contributors of " (federation(&body.federation)) " train at their own pace: a round may start from any of the last "
            (plural(u64::from(body.stale_max) + 1, "model", "models")) "."
        },
        Body::ModelReleased(body) => html! {
            (model(&body.model)) " version " (body.version) " is in the catalogue, after "
            (plural(body.rounds, "round", "rounds")) " of " (federation(&body.federation)) "."
        },
        _ => return None,
    })
}

/// Millionths of ε.
pub(super) fn epsilon(micro: u64) -> String {
    format!("{:.2}", crate::amount::millionths(micro))
}

fn sales(ledger: &Reading<'_>, body: &Body) -> Option<Markup> {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let money = |amount| money(amount, &currency);
    Some(match body {
        Body::PriceSet(body) => {
            html! { "One prediction of " (model(&body.model)) " costs " (money(body.price)) "." }
        }
        Body::KeyIssued(body) => {
            html! { "API key " code { (body.key_id) } " was issued to a buyer." }
        }
        Body::Deposited(body) => {
            html! { (money(body.amount)) " arrived for " code { (body.key_id) } "." }
        }
        Body::Purchased(body) => html! {
            code { (body.key_id) } " bought " (plural(body.calls, "call", "calls")) " of " (model(&body.model)) " for "
            (money(body.price.saturating_mul(u128::from(body.calls)))) "."
        },
        Body::PredictionReserved(body) => html! {
            code { (body.key_id) } " asked " (model(&body.model)) " for a prediction; one call is set aside."
        },
        Body::Predicted(body) => html! {
            "A prediction was made for " (money(body.price)) ", shared among "
            (plural(crate::amount::count(body.lines.len()), "party", "parties")) "."
        },
        Body::PredictionVoided(body) => {
            html! { "A prediction failed; its call went back to the buyer: " (body.reason) "." }
        }
        _ => return None,
    })
}

fn choice(ballot: &Ballot) -> &'static str {
    match ballot.vote {
        Vote::Whole(Choice::For) => "for",
        Vote::Whole(Choice::Against) => "against",
        Vote::Whole(Choice::Abstain) => "to abstain",
        Vote::Split(_) => "with a split weight",
    }
}

fn votes(ledger: &Reading<'_>, body: &Body) -> Option<Markup> {
    let titled = |id: ProposalId| proposal(ledger, id);
    Some(match body {
        Body::ProposalMade(body) => {
            html! { (member(ledger, &body.content.proposer)) " proposed " (titled(body.content.id())) "." }
        }
        Body::PollOpened(body) => html! {
            "The vote on " (titled(body.proposal)) " began: " (plural(body.holders, "member", "members")) " with "
            (grouped(body.supply)) " votes."
        },
        Body::BallotCast(body) => html! {
            (member(ledger, &body.ballot.voter)) " voted " (choice(&body.ballot)) " on " (titled(body.ballot.proposal)) "."
        },
        Body::BallotSealed(body) => html! {
            (member(ledger, &body.ballot.voter)) " put in a sealed ballot on " (titled(body.ballot.proposal)) "."
        },
        Body::BallotRevealed(body) => {
            let ballot = &body.opening.ballot;
            html! {
                (member(ledger, &ballot.voter)) " opened a ballot on " (titled(ballot.proposal)) ": " (choice(ballot)) "."
            }
        }
        Body::ProposalQueued(body) => {
            html! { (titled(body.proposal)) " succeeded and waits for its timelock." }
        }
        Body::ProposalExecuted(body) => html! { (titled(body.proposal)) " took effect." },
        Body::ProposalCanceled(body) => {
            html! { (titled(body.cancellation.proposal)) " was withdrawn." }
        }
        Body::ProposalVetoed(body) => {
            html! { "The guardian stopped " (titled(body.veto.proposal)) "." }
        }
        Body::VoteDelegated(body) => html! {
            (member(ledger, &body.delegation.delegator))
            @match &body.delegation.delegate {
                Some(delegate) => { " entrusted its vote to " (member(ledger, delegate)) "." }
                None => { " took its vote back." }
            }
        },
        _ => return None,
    })
}

fn founding(ledger: &Reading<'_>, body: &Body) -> Option<Markup> {
    Some(match body {
        Body::Genesis(body) => html! { (body.dao_name) " was founded." },
        Body::FederationOpened(body) => html! {
            "Federation " (federation(&body.federation)) " was opened for " (plural(body.rounds, "round", "rounds"))
            " of " (grouped(body.round_budget)) " credits each."
        },
        Body::MemberAdmitted(body) => html! {
            (member(ledger, &body.member)) " was admitted to " (federation(&body.federation)) "."
        },
        Body::MembersFounded(body) => html! {
            (plural(crate::amount::count(body.members.len()), "founder", "founders")) " joined."
        },
        Body::MemberJoined(body) => html! {
            (member(ledger, &body.joining.member)) " joined, invited by " (member(ledger, &body.invitation.inviter)) "."
        },
        Body::MemberLeft(body) => {
            let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
            html! {
                (member(ledger, &body.departure.member)) " gave notice and was paid out "
                (money(body.paid_out, &currency)) "."
            }
        }
        Body::MemberKeyRotated(body) => html! {
            (member(ledger, &body.rotation.claimed.claim.member)) " signs with another key from now on: "
            code { (short(&body.rotation.claimed.claim.new.to_string())) } "."
        },
        Body::ConsentGiven(body) => html! {
            "The device of " (member(ledger, &body.consent.member)) " agreed to the privacy policy "
            (short(&body.consent.policy.to_string())) "."
        },
        Body::GuardianAccepted(body) => {
            html! { (member(ledger, &body.acceptance.guardian)) " is guardian." }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_words() {
        assert_eq!(kind("round_settled"), "Round settled");
    }

    #[test]
    fn a_price_names_its_model() {
        use data_dao_journal::State;

        let name = Name::new("wine").unwrap();
        let body = Body::PriceSet(data_dao_journal::PriceSet { model: name, price: 250 });
        let text = sentence(&Reading::unnamed(&State::default()), &body).into_string();
        assert!(text.contains("href=\"/models/wine\"") && text.contains("0.025"), "{text}");
    }
}
