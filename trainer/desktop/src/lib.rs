//! The data owner's window over the trainer.
//!
//! ```text
//!   window (egui) ─Command─► desk (pure) ─Effect─► runner ─► `sahakar trainer` (a process), files, REST
//!        ▲───────────────────── desk ◄──News──────── runner
//! ```
//! The window decides nothing about a federation: what may be trained for, what is sealed and what is
//! believed is the trainer's, which is a process of its own, so that its memory is given back when it
//! stops, a driver that crashes takes no window with it, and the window builds without burn and libp2p.

mod changed_terms;
mod co_operative;
mod command;
mod desk;
mod devices;
mod effect;
mod log_check;
mod news;
mod os;
mod preview;
mod runner;
mod screen;
mod seat;
mod seats;
mod secret;
mod sent;
mod settings;
mod terms;
mod training;
mod turns;
mod ui;
mod words;

pub use changed_terms::{Bearing, ChangedTerms, Difference};
pub use co_operative::{Account, CoOperative, Delegation, Earned, Privacy, Proposal, Stage};
pub use command::{Backup, Browsed, Choice, Command};
pub use desk::{Desk, ERASE_WORD, Key, Notice, Offer, PASSPHRASE_CHARS_MIN, Table, WORDS};
pub use devices::{Compared, DEVICES, DeviceSpeed, Devices};
pub use effect::{Effect, Run};
pub use log_check::{Claim, Seen, Unproven};
pub use news::{Checked, Failure, News};
pub use os::{
    Attended, Autostart, Glimpse, Said, Shown, Standing, Surroundings, SystemSettings, Tell, Word,
};
#[cfg(target_os = "linux")]
pub use os::{call_the_other, session_bus};
pub use preview::{COLUMNS_LISTED_MAX, Column, Preview, PreviewError};
pub use runner::{Home, HomeError, Runners};
pub use screen::Screen;
pub use seat::Seat;
pub use seats::{Seats, ToDo};
pub use secret::Secret;
pub use sent::{LINES_SHOWN_MAX, Sealed, Sent, SentLine};
pub use settings::{
    HOLD_OUT_PERCENT_MAX, Language, Look, Place, Settings, SettingsError, Shade, VERSION,
};
pub use terms::{Noise, OwnPace, Terms};
pub use training::{End, Phase, Round, Running, Steps, Training, Tried};
pub use turns::Turns;
pub use ui::Window;
pub use words::Words;
