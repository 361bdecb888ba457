//! A co-operative as its members use it: the program's own processes, commands at a terminal, and what REST says afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy's in-tests allowance does not reach helpers"
)]
#![expect(dead_code, reason = "other test files use the rest of what is shared")]

mod assembly;
#[path = "../fire/clocks.rs"]
mod clocks;
mod deciding;
mod founding;
mod joining;
mod recorder;
#[path = "../fire/roles.rs"]
mod roles;
mod rotated;
#[path = "../served/mod.rs"]
mod served;
mod witness;
#[path = "../world/mod.rs"]
mod world;

use assembly::Assembly;

/// One co-operative for all of it: to start it takes longer than what is done in it.
#[test]
fn members_decide_at_the_command_line_and_no_command_sends_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut assembly = Assembly::start(dir.path());
    deciding::a_delegate_votes_and_is_overridden(&assembly);
    deciding::a_proposal_that_cannot_be_is_refused(&assembly);
    deciding::the_guardian_stops_a_proposal(&assembly);
    joining::somebody_joins_at_an_invitation_and_leaves(&assembly);
    joining::a_member_signs_with_another_key(&assembly);
    assembly.no_key_was_sent();
    assembly.end();
}
