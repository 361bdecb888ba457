//! A reading that wavers around one threshold changes the pace at most once.
#![expect(clippy::unwrap_used, reason = "test")]

use proptest::prelude::*;
use trainer_conditions::{Pace, Pacer, Power, Preferences, PreferencesForm, Signals};

/// How often the pace changes over readings taken every second.
fn changes(form: PreferencesForm, readings: impl Iterator<Item = Signals>) -> usize {
    let mut pacer = Pacer::new(Preferences::new(form).unwrap());
    let trains: Vec<bool> = (0..)
        .zip(readings)
        .map(|(second, signals)| pacer.step(&signals, second * 1_000) == Pace::Train)
        .collect();
    trains.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

fn around(middle: f64, width: f64) -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(middle - width..middle + width, 2..400)
}

proptest! {
    #[test]
    fn temperatures_do_not_flap(readings in around(90.0, 4.9)) {
        let hot = readings.into_iter().map(|t| Signals { temperature: Some(t), ..Signals::default() });
        prop_assert!(changes(PreferencesForm::default(), hot) <= 1);
    }

    #[test]
    fn other_programs_load_does_not_flap(readings in around(0.5, 0.07)) {
        let busy = readings.into_iter().map(|l| Signals { others_load: Some(l), ..Signals::default() });
        prop_assert!(changes(PreferencesForm::default(), busy) <= 1);
    }

    #[test]
    fn charges_do_not_flap(readings in proptest::collection::vec(46_u8..=54, 2..400)) {
        let form = PreferencesForm { on_battery: true, ..PreferencesForm::default() };
        let charges = readings.into_iter().map(|percent| {
            Signals { power: Some(Power::Battery { percent }), ..Signals::default() }
        });
        prop_assert!(changes(form, charges) <= 1);
    }

    #[test]
    fn a_plug_that_is_moved_does_not_flap(plugged in proptest::collection::vec(any::<bool>(), 2..29)) {
        let power = |mains| if mains { Power::Mains } else { Power::Battery { percent: 80 } };
        let moved = plugged.into_iter().map(|mains| {
            Signals { power: Some(power(mains)), ..Signals::default() }
        });
        prop_assert!(changes(PreferencesForm::default(), moved) <= 1);
    }
}
