//! Votes for, against and abstaining as a bar, with the quorum that they have to reach.

use data_dao_governance::Proposal;
use maud::{Markup, html};

use super::format::{grouped, plural};

/// Width of the bar in its own units.
const WIDTH: f64 = 1000.0;

/// The votes so far, of all there are.
pub(super) fn bar(proposal: &Proposal) -> Markup {
    let tally = proposal.tally();
    let supply = proposal.electorate().map_or(0, data_dao_governance::Electorate::supply);
    let quorum = proposal.charter().quorum(supply);
    let parts = [("for", tally.in_favour), ("abstain", tally.abstain), ("against", tally.against)];
    let mut from = 0.0;
    let mut place = |votes: u128| {
        let start = from;
        from += WIDTH * share(votes, supply);
        (start, from - start)
    };
    html! {
        svg class="tally" viewBox={"0 0 " (WIDTH) " 26"} preserveAspectRatio="none" aria-hidden="true" {
            rect class="all" x="0" y="6" width=(WIDTH) height="14" {}
            @for (name, votes) in parts {
                @let (start, width) = place(votes);
                rect class=(name) x=(format!("{start:.1}")) y="6" width=(format!("{width:.1}")) height="14" {}
            }
            @if supply > 0 {
                rect class="quorum" x=(format!("{:.1}", WIDTH * share(quorum, supply))) y="0" width="3" height="26" {}
            }
        }
        ul class="votes" {
            @for (name, votes) in parts {
                li class=(name) { span { (name) } " " strong { (grouped(votes)) } " " small { (percent(votes, supply)) } }
            }
        }
        p class="soft" {
            @if supply == 0 { "Weights are frozen when the vote begins." }
            @else {
                (plural(tally.voters, "member", "members")) " voted with "
                (percent(tally.in_favour + tally.abstain + tally.against, supply)) " of " (grouped(supply)) " votes. Quorum: "
                (grouped(quorum)) " for or abstaining, from " (plural(proposal.charter().quorum_voters(holders(proposal)), "member", "members"))
                @if proposal.quorum_reached() { ": reached." } @else { ": not reached." }
            }
        }
    }
}

fn holders(proposal: &Proposal) -> u64 {
    proposal.electorate().map_or(0, data_dao_governance::Electorate::holders)
}

#[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
fn share(votes: u128, supply: u128) -> f64 {
    if supply == 0 { 0.0 } else { (votes as f64 / supply as f64).min(1.0) }
}

fn percent(votes: u128, supply: u128) -> String {
    format!("{:.1}\u{202f}%", 100.0 * share(votes, supply))
}
