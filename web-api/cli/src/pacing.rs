//! When `sahakar trainer` trains: the owner's preferences, kept by a thread.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};
use trainer_agent::Brake;
use trainer_conditions::{Condition, Pace, Pacer, Preferences, PreferencesForm};
use trainer_machine::{Keeper, Kept, Machine};

use crate::process::Events;

/// Reads preferences from a TOML file.
///
/// # Errors
/// A file that cannot be read, an unknown name, a number out of its range.
pub fn preferences_form(file: &Path) -> anyhow::Result<PreferencesForm> {
    let name = || format!("reading preferences from {}", file.display());
    let text = fs::read_to_string(file).with_context(name)?;
    let form: PreferencesForm = toml::from_str(&text).with_context(name)?;
    Preferences::new(form.clone()).with_context(name)?;
    Ok(form)
}

/// Keeps the pace of training by `preferences`, and tells each pause and its end. Training waits until
/// the first reading was taken.
pub fn keep(preferences: Preferences, state: &Path, brake: Brake, events: Events) -> Keeper {
    let pacer = Pacer::new(preferences);
    brake.hold();
    let mut told = Told::default();
    Keeper::start(pacer, Machine::open(state, std::process::id()), move |kept| {
        brake.limit(kept.duty);
        match kept.pace {
            Pace::Train => brake.release(),
            Pace::Pause(_) => brake.hold(),
        }
        told.news(kept).into_iter().for_each(|event| events.emit(event));
    })
}

/// What was told last; a countdown is no news.
#[derive(Default)]
struct Told {
    pause: Option<Option<Condition>>,
    unwatched: Vec<Condition>,
}

impl Told {
    fn news(&mut self, kept: &Kept) -> Vec<Value> {
        let mut events = Vec::new();
        if self.unwatched != kept.unwatched {
            self.unwatched.clone_from(&kept.unwatched);
            let names: Vec<&str> =
                kept.unwatched.iter().map(|condition| condition.name()).collect();
            events.push(json!({"event": "unwatched", "conditions": names}));
        }
        let pause = match kept.pace {
            Pace::Train => None,
            Pace::Pause(reason) => Some(reason.condition()),
        };
        if self.pause != Some(pause) {
            self.pause = Some(pause);
            events.push(match kept.pace {
                Pace::Train => json!({"event": "unpaused"}),
                Pace::Pause(reason) => json!({
                    "event": "paused",
                    "condition": reason.condition().name(),
                    "reason": reason.to_string(),
                }),
            });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use trainer_conditions::Reason;

    use super::*;

    #[test]
    fn a_countdown_is_told_once_and_what_cannot_be_seen_once() {
        let kept = |pace| Kept { pace, duty: 1.0, unwatched: vec![Condition::Heat] };
        let input = |left_ms| kept(Pace::Pause(Reason::Input { left_ms }));
        let mut told = Told::default();
        let names = |events: Vec<Value>| -> Vec<String> {
            events.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(told.news(&input(2_000))), ["unwatched", "paused"]);
        assert!(told.news(&input(1_000)).is_empty());
        assert_eq!(names(told.news(&kept(Pace::Train))), ["unpaused"]);
        assert_eq!(names(told.news(&input(5_000))), ["paused"]);
    }
}
