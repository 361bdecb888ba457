//! When a device may train: pure.
//!
//! ```text
//!  Signals ──► a latch for each condition ──► the first that holds ──► Pace::Pause(Reason)
//!    every       begins and ends at              unless the owner         │ none
//!    reading     different thresholds            said "anyway"            ▼
//!                                                                      Pace::Train
//! ```
//! What people complained of in BOINC and Folding@home decides the details: paused without a reason,
//! flapping at a threshold, settings that contradict each other and silently stop all work.

mod command;
mod hours;
mod latch;
mod pacer;
mod preferences;
mod reason;
mod signals;

pub use command::Command;
pub use hours::{Hours, HoursError, LocalTime, Weekday};
pub use pacer::{ANYWAY_MS, Pace, Pacer};
pub use preferences::{Preferences, PreferencesError, PreferencesForm};
pub use reason::{Condition, Reason, Remedy};
pub use signals::{Power, Signals};
