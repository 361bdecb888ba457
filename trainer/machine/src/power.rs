//! Mains or battery.

use starship_battery::{Manager, State, units::ratio::percent};
use trainer_conditions::Power;

/// Where power comes from; none if the system does not tell.
pub(crate) fn power() -> Option<Power> {
    let batteries = Manager::new().ok()?.batteries().ok()?;
    let (mut discharging, mut charges) = (false, Vec::new());
    for battery in batteries.flatten() {
        // A battery that neither charges nor empties, as some hold theirs at 80 %, is on the mains.
        discharging |= matches!(battery.state(), State::Discharging | State::Empty);
        charges.push(battery.state_of_charge().get::<percent>());
    }
    if !discharging {
        return Some(Power::Mains);
    }
    let mean = charges.iter().sum::<f32>() / charges.len() as f32;
    Some(Power::Battery { percent: whole(mean) })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 100")]
fn whole(charge: f32) -> u8 {
    if charge.is_nan() { 0 } else { charge.clamp(0.0, 100.0) as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_is_a_whole_percentage() {
        assert_eq!([-1.0, 49.9, 300.0, f32::NAN].map(whole), [0, 49, 100, 0]);
    }
}
