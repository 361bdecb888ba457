//! Why training pauses, in the window's language.

use trainer_conditions::{Condition, Reason};

use super::{figures, view::View};

/// One line.
pub(super) fn reason(view: &View<'_>, reason: &Reason) -> String {
    let seconds = |ms: u64| figures::span((ms.div_ceil(1_000)) as f64);
    match *reason {
        Reason::Owner { left_ms: None } => view.t("pause_owner").to_owned(),
        Reason::Owner { left_ms: Some(left) } => {
            view.fill("pause_owner_for", &[("left", &seconds(left))])
        }
        Reason::Hours { opens } => view.fill("pause_hours", &[("opens", &opens.to_string())]),
        Reason::Disk { free, needed } => view.fill(
            "pause_disk",
            &[("free", &figures::bytes(free)), ("needed", &figures::bytes(needed))],
        ),
        Reason::Heat { temperature, until } => view.fill(
            "pause_heat",
            &[("temperature", &format!("{temperature:.0}")), ("until", &format!("{until:.0}"))],
        ),
        Reason::Battery { percent: None, .. } => view.t("pause_mains").to_owned(),
        Reason::Battery { percent: Some(percent), needed: None } => {
            view.fill("pause_battery", &[("percent", &percent.to_string())])
        }
        Reason::Battery { percent: Some(percent), needed: Some(needed) } => view.fill(
            "pause_battery_low",
            &[("percent", &percent.to_string()), ("needed", &needed.to_string())],
        ),
        Reason::Input { left_ms } => view.fill("pause_input", &[("left", &seconds(left_ms))]),
        Reason::Load { load } => {
            view.fill("pause_load", &[("percent", &format!("{:.0}", load * 100.0))])
        }
        Reason::Memory { free, needed } => view.fill(
            "pause_memory",
            &[("free", &figures::bytes(free)), ("needed", &figures::bytes(needed))],
        ),
        Reason::OwnMemory { used, allowed } => view.fill(
            "pause_own_memory",
            &[("used", &figures::bytes(used)), ("allowed", &figures::bytes(allowed))],
        ),
        Reason::Network => view.t("pause_network").to_owned(),
    }
}

/// What a condition is called.
pub(super) fn condition<'a>(view: &View<'a>, condition: Condition) -> &'a str {
    match condition {
        Condition::Owner => view.t("condition_owner"),
        Condition::Hours => view.t("condition_hours"),
        Condition::Disk => view.t("condition_disk"),
        Condition::Heat => view.t("condition_heat"),
        Condition::Battery => view.t("condition_battery"),
        Condition::Input => view.t("condition_input"),
        Condition::Load => view.t("condition_load"),
        Condition::Memory => view.t("condition_memory"),
        Condition::Network => view.t("condition_network"),
    }
}
