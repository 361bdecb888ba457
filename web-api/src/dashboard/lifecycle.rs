//! The states of a proposal as a line of steps in time.
//!
//! ```text
//!  made ── voting ── voted ──[sealed ballots opened]──[objection]── queued ── executed
//!                                                                  or: defeated, vetoed, withdrawn, expired
//! ```

use data_dao_governance::{Proposal, ProposalState};
use maud::{Markup, html};

use super::format::time;

/// What a state is called, and which colour it has.
pub(super) const fn named(state: ProposalState) -> (&'static str, &'static str) {
    match state {
        ProposalState::Draft => ("Draft", "waiting"),
        ProposalState::Pending => ("Voting begins soon", "waiting"),
        ProposalState::Active => ("Voting", "open"),
        ProposalState::Objection { .. } => ("Objection period", "open"),
        ProposalState::Succeeded => ("Succeeded", "good"),
        ProposalState::Defeated => ("Defeated", "bad"),
        ProposalState::Queued { .. } => ("Timelock", "waiting"),
        ProposalState::Executed => ("Executed", "good"),
        ProposalState::Expired => ("Expired", "bad"),
        ProposalState::Vetoed => ("Vetoed", "bad"),
        ProposalState::Canceled => ("Withdrawn", "bad"),
    }
}

/// The state as a mark.
pub(super) fn badge(state: ProposalState) -> Markup {
    let (name, color) = named(state);
    html! { span class={"badge " (color)} { (name) } }
}

/// One step; without a time it is still to come, or has none of its own.
struct Stage {
    name: &'static str,
    at_ms: Option<u64>,
    entry: Option<u64>,
}

/// The line of steps up to the last that can be told, the present one marked.
pub(super) fn line(proposal: &Proposal, now_ms: u64) -> Markup {
    let state = proposal.state(now_ms);
    let stages = stages(proposal, state);
    let reached = reached(proposal, state, now_ms, stages.len());
    html! {
        ol class="lifecycle" {
            @for (place, stage) in stages.iter().enumerate() {
                @let class = if place < reached { "done" } else if place == reached { "now" } else { "next" };
                li class=(class) aria-current=[(place == reached).then_some("step")] {
                    span class="name" { (stage.name) }
                    @if let Some(at_ms) = stage.at_ms { (time(at_ms)) }
                    @if let Some(entry) = stage.entry { a href={"/ledger/" (entry)} { "entry " (entry) } }
                }
            }
        }
    }
}

fn stages(proposal: &Proposal, state: ProposalState) -> Vec<Stage> {
    let stage = |name, at_ms| Stage { name, at_ms, entry: None };
    let mut stages = vec![
        stage("Made", Some(proposal.created_ms())),
        stage("Voting begins", Some(proposal.snapshot_ms())),
        stage("Voting ends", Some(proposal.deadline_ms())),
    ];
    if let Some(until_ms) = proposal.reveal_deadline_ms() {
        stages.push(stage("Sealed ballots opened", Some(until_ms)));
    }
    if let ProposalState::Objection { until_ms } = state {
        stages.push(stage("Objections end", Some(until_ms)));
    }
    match state {
        ProposalState::Defeated
        | ProposalState::Vetoed
        | ProposalState::Canceled
        | ProposalState::Expired => stages.push(stage(named(state).0, None)),
        ProposalState::Queued { eta_ms } => stages.push(stage("Takes effect", Some(eta_ms))),
        ProposalState::Executed => {
            stages.push(Stage { name: "Executed", at_ms: None, entry: proposal.executed_by() });
        }
        _ => stages.push(stage("Takes effect", None)),
    }
    stages
}

/// The place of the present step.
fn reached(proposal: &Proposal, state: ProposalState, now_ms: u64, stages: usize) -> usize {
    let last = stages - 1;
    match state {
        ProposalState::Draft | ProposalState::Pending => 0,
        ProposalState::Active if now_ms <= proposal.deadline_ms() => 1,
        ProposalState::Active => 2,
        ProposalState::Objection { .. } | ProposalState::Succeeded => last - 1,
        ProposalState::Executed => stages,
        _ => last,
    }
}
