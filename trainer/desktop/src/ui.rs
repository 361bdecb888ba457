//! The window. Functions that end in `_ui` draw and send commands; they change nothing but the fields
//! that the person types into.

mod change_ui;
mod check_ui;
mod consent_ui;
mod data_ui;
mod delegation_ui;
mod device_ui;
mod drafts;
mod earnings_ui;
mod figures;
mod finding_text;
mod fit_ui;
mod leave_ui;
mod mapping_ui;
mod notice_ui;
mod parts;
mod passphrase_ui;
mod pause_text;
mod privacy_ui;
mod refusal_text;
mod sealed_ui;
mod seats_ui;
mod sent_ui;
mod settings_ui;
mod start_ui;
mod style;
mod system_ui;
mod terms_text;
mod training_ui;
mod view;
mod votes_ui;
mod window;

pub use window::Window;
