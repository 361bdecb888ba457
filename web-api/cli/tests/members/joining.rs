//! Invitations, departures and other keys, at the command line.

use serde_json::{Value, json};

use crate::assembly::{Assembly, done};

/// A member of the roll, as REST has it.
fn on_the_roll(assembly: &Assembly<'_>, key: &str) -> Option<Value> {
    let roll = assembly.get("/v1/members");
    let mut members = roll["members"].as_array().unwrap().iter();
    members.find(|member| member["member"] == key).cloned()
}

/// From an invitation to a place on the roll, and off it again.
pub(crate) fn somebody_joins_at_an_invitation_and_leaves(assembly: &Assembly<'_>) {
    let newcomer = assembly.new_key("newcomer.key");
    let other = assembly.new_key("other.key");
    let invite = |key: &str, out: &str| {
        let words = ["member", "invite", "--member", &newcomer.key, "--key", key, "--out", out];
        done(&assembly.sahakar(&words))
    };
    let join = |file: &str, key: &str| {
        let words = ["member", "join", "--invitation", file, "--label", "New winery", "--key", key];
        words.map(str::to_owned)
    };
    let refused = |arguments: &[String], words: &[&str]| {
        assembly.refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    let by_nobody = assembly.file("by-nobody.json");
    invite(&other.file, &by_nobody);
    refused(&join(&by_nobody, &newcomer.file), &["the invitation was not taken"]);
    let invitation = assembly.file("invitation.json");
    let said = invite(&assembly.voters[0].file, &invitation);
    assert!(said.contains("hand it over"), "{said}");
    refused(&join(&invitation, &other.file), &["the invitation is for"]);
    refused(&join(&newcomer.file, &newcomer.file), &["is no invitation"]);
    assert!(on_the_roll(assembly, &newcomer.key).is_none());
    let arguments = join(&invitation, &newcomer.file);
    let joined = done(&assembly.sahakar(&arguments.each_ref().map(String::as_str)));
    assert!(joined.contains("New winery") && joined.contains("joined"), "{joined}");
    let member = on_the_roll(assembly, &newcomer.key).unwrap();
    assert_eq!((&member["state"], &member["roles"]), (&json!("active"), &json!(["member"])));
    assert_eq!(member["inviter"], assembly.voters[0].key.as_str());
    refused(&join(&invitation, &newcomer.file), &["the invitation was not taken"]);
    let roll = done(&assembly.sahakar(&["member", "roll"]));
    assert!(roll.contains("New winery") && roll.contains("The press"), "{roll}");

    let leave = ["member", "leave", "--key", &newcomer.file];
    assembly.refused(&leave, &["add --yes"]);
    let stranger = ["member", "leave", "--yes", "--key", &other.file];
    assembly.refused(&stranger, &["you are still a member"]);
    let left = done(&assembly.sahakar(&[&leave[..], &["--yes"]].concat()));
    assert!(left.contains("left"), "{left}");
    assert_eq!(on_the_roll(assembly, &newcomer.key).unwrap()["state"], "gone");
    assembly.refused(&[&leave[..], &["--yes"]].concat(), &["you are still a member", "gone"]);
}

/// Another key for the same member: the old one is nobody's, the new one proposes and votes with all that was earned.
pub(crate) fn a_member_signs_with_another_key(assembly: &Assembly<'_>) {
    let (member, next) = (&assembly.voters[2], assembly.new_key("next.key"));
    let votes = assembly.votes_of(&member.key);
    let rotate =
        |old: &str, new: &str| ["member", "rotate", "--key", old, "--new", new].map(str::to_owned);
    let refused = |arguments: [String; 6], words: &[&str]| {
        assembly.refused(&arguments.each_ref().map(String::as_str), words);
    };
    let taken = &assembly.voters[0].file;
    refused(rotate(&member.file, taken), &["the key was not replaced", "cannot become the key"]);
    let stranger = assembly.new_key("nobody.key");
    refused(rotate(&stranger.file, &next.file), &["the member is not known"]);
    let arguments = rotate(&member.file, &next.file);
    let said = done(&assembly.sahakar(&arguments.each_ref().map(String::as_str)));
    assert!(said.contains("signs with the new key from now on"), "{said}");
    let shown = assembly.get(&format!("/v1/members/{}", member.key));
    assert_eq!(shown["membership"]["signing_key"], next.key.as_str());
    assert_eq!(assembly.votes_of(&next.key), votes);

    let propose = |key: &str| {
        ["proposal", "new", "--title", "Mine", "--description", "Why.", "--key", key]
            .map(str::to_owned)
    };
    let by_old = propose(&member.file);
    let words = ["the proposal was not made", "signature"];
    assembly.refused(&by_old.each_ref().map(String::as_str), &words);
    let by_new = propose(&next.file);
    let made = assembly.asked(&by_new.each_ref().map(String::as_str));
    assert_eq!(made["content"]["proposer"], member.key.as_str());
    let id = made["id"].as_str().unwrap();
    assembly.pass_hours(2);
    let vote =
        |key: &str| ["vote", "--proposal", id, "--choice", "for", "--key", key].map(str::to_owned);
    let by_old = vote(&member.file);
    let words = ["the vote was not counted", "signature"];
    assembly.refused(&by_old.each_ref().map(String::as_str), &words);
    done(&assembly.sahakar(&vote(&next.file).each_ref().map(String::as_str)));
    let shown = assembly.get(&format!("/v1/proposals/{id}"));
    assert_eq!(shown["tally"]["for"], votes.to_string());
}
