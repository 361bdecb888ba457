use super::*;
use crate::{LocalTime, PreferencesForm, Weekday};

const MINUTE: u64 = 60_000;

/// A machine on which nothing holds training back.
fn quiet() -> Signals {
    Signals {
        local_time: LocalTime::new(Weekday::Monday, 12, 0),
        power: Some(Power::Mains),
        idle_ms: Some(10 * MINUTE),
        others_load: Some(0.0),
        temperature: Some(50.0),
        metered: Some(false),
        memory_free: Some(8 << 30),
        memory_own: Some((1 << 30, 16 << 30)),
        disk_free: Some(100 << 30),
    }
}

fn pacer(change: impl FnOnce(&mut PreferencesForm)) -> Pacer {
    let mut form = PreferencesForm::default();
    change(&mut form);
    Pacer::new(Preferences::new(form).unwrap())
}

fn condition(pace: Pace) -> Option<Condition> {
    match pace {
        Pace::Train => None,
        Pace::Pause(reason) => Some(reason.condition()),
    }
}

#[test]
fn a_quiet_machine_trains_and_so_does_one_that_tells_nothing() {
    assert_eq!(pacer(|_| ()).step(&quiet(), 0), Pace::Train);
    assert_eq!(pacer(|_| ()).step(&Signals::default(), 0), Pace::Train);
}

#[test]
fn each_signal_pauses_for_its_own_reason() {
    let bad = [
        (Condition::Disk, Signals { disk_free: Some(1 << 20), ..quiet() }),
        (Condition::Heat, Signals { temperature: Some(99.0), ..quiet() }),
        (Condition::Battery, Signals { power: Some(Power::Battery { percent: 99 }), ..quiet() }),
        (Condition::Input, Signals { idle_ms: Some(0), ..quiet() }),
        (Condition::Load, Signals { others_load: Some(0.9), ..quiet() }),
        (Condition::Memory, Signals { memory_free: Some(1 << 20), ..quiet() }),
        (Condition::Memory, Signals { memory_own: Some((5 << 30, 16 << 30)), ..quiet() }),
        (Condition::Network, Signals { metered: Some(true), ..quiet() }),
    ];
    for (expected, signals) in bad {
        assert_eq!(condition(pacer(|_| ()).step(&signals, 0)), Some(expected));
    }
    let mut nights = pacer(|form| form.hours = "mon 22:00-06:00".to_owned());
    assert_eq!(condition(nights.step(&quiet(), 0)), Some(Condition::Hours));
}

#[test]
fn what_the_owner_allows_does_not_pause() {
    let bad = Signals {
        power: Some(Power::Battery { percent: 51 }),
        idle_ms: Some(0),
        others_load: Some(1.0),
        metered: Some(true),
        ..quiet()
    };
    let mut all = pacer(|form| {
        form.on_battery = true;
        form.while_in_use = true;
        form.others_max_percent = 100;
        form.on_metered_network = true;
    });
    assert_eq!(all.step(&bad, 0), Pace::Train);
    assert_eq!(Pacer::new(Preferences::dedicated()).step(&bad, 0), Pace::Train);
}

#[test]
fn input_pauses_at_once_and_only_time_without_input_ends_it() {
    let mut pacer = pacer(|_| ());
    assert_eq!(pacer.step(&quiet(), 0), Pace::Train);
    let touched = Signals { idle_ms: Some(0), ..quiet() };
    assert_eq!(pacer.step(&touched, 100), Pace::Pause(Reason::Input { left_ms: 5 * MINUTE }));
    let soon = Signals { idle_ms: Some(5 * MINUTE - 1), ..quiet() };
    assert_eq!(pacer.step(&soon, 5 * MINUTE), Pace::Pause(Reason::Input { left_ms: 1 }));
    let long = Signals { idle_ms: Some(5 * MINUTE), ..quiet() };
    assert_eq!(pacer.step(&long, 5 * MINUTE + 100), Pace::Train);
}

#[test]
fn a_battery_goes_on_only_when_it_gained_and_the_mains_when_they_last() {
    let mut pacer = pacer(|form| form.on_battery = true);
    let charge = |percent| Signals { power: Some(Power::Battery { percent }), ..quiet() };
    assert_eq!(pacer.step(&charge(50), 0), Pace::Train);
    assert_eq!(condition(pacer.step(&charge(49), 1)), Some(Condition::Battery));
    assert_eq!(condition(pacer.step(&charge(59), 2)), Some(Condition::Battery));
    assert_eq!(condition(pacer.step(&charge(60), 3)), Some(Condition::Battery));
    assert_eq!(pacer.step(&charge(60), 30_003), Pace::Train, "after half a minute");

    assert_eq!(condition(pacer.step(&charge(10), 40_000)), Some(Condition::Battery));
    let waiting = Pace::Pause(Reason::Battery { percent: None, needed: Some(60) });
    assert_eq!(pacer.step(&quiet(), 50_000), waiting);
    assert_eq!(pacer.step(&quiet(), 80_000), Pace::Train);
}

#[test]
fn one_reason_is_told_and_the_owner_s_own_comes_first() {
    let bad = Signals { temperature: Some(99.0), idle_ms: Some(0), ..quiet() };
    let mut pacer = pacer(|_| ());
    assert_eq!(condition(pacer.step(&bad, 0)), Some(Condition::Heat));
    pacer.obey(Command::Pause { for_ms: Some(1_000) }, 0);
    assert_eq!(pacer.step(&bad, 400), Pace::Pause(Reason::Owner { left_ms: Some(600) }));
    assert_eq!(condition(pacer.step(&bad, 1_000)), Some(Condition::Heat));
}

#[test]
fn an_owner_s_pause_lasts_until_it_is_taken_back() {
    let mut pacer = pacer(|_| ());
    pacer.obey(Command::Pause { for_ms: None }, 0);
    assert_eq!(pacer.step(&quiet(), u64::MAX), Pace::Pause(Reason::Owner { left_ms: None }));
    pacer.prefer(Preferences::dedicated());
    assert_eq!(condition(pacer.step(&quiet(), u64::MAX)), Some(Condition::Owner));
    pacer.obey(Command::Resume, u64::MAX);
    assert_eq!(pacer.step(&quiet(), u64::MAX), Pace::Train);
}

#[test]
fn anyway_waves_through_what_holds_now_until_that_ends() {
    let touched = Signals { idle_ms: Some(0), ..quiet() };
    let mut pacer = pacer(|_| ());
    assert_eq!(condition(pacer.step(&touched, 0)), Some(Condition::Input));
    pacer.obey(Command::Anyway, 0);
    assert_eq!(pacer.step(&touched, 1), Pace::Train);
    let unplugged = Signals { power: Some(Power::Battery { percent: 80 }), ..touched };
    assert_eq!(condition(pacer.step(&unplugged, 2)), Some(Condition::Battery), "nobody waved that");
    assert_eq!(
        pacer.step(&quiet(), 40_000),
        Pace::Pause(Reason::Battery { percent: None, needed: None })
    );
    assert_eq!(pacer.step(&quiet(), 80_000), Pace::Train);
    assert_eq!(condition(pacer.step(&touched, 80_001)), Some(Condition::Input), "it had ended");
}

#[test]
fn anyway_ends_after_an_hour_and_does_not_touch_heat() {
    let bad = Signals { temperature: Some(99.0), idle_ms: Some(0), ..quiet() };
    let mut pacer = pacer(|_| ());
    pacer.step(&bad, 0);
    pacer.obey(Command::Anyway, 0);
    assert_eq!(condition(pacer.step(&bad, 1)), Some(Condition::Heat));
    let touched = Signals { idle_ms: Some(0), ..quiet() };
    pacer.step(&touched, 2);
    assert_eq!(pacer.step(&touched, 40_000), Pace::Train, "cool again, and still waved through");
    assert_eq!(pacer.step(&touched, ANYWAY_MS - 1), Pace::Train);
    assert_eq!(condition(pacer.step(&touched, ANYWAY_MS)), Some(Condition::Input));
}

#[test]
fn resume_takes_anyway_back() {
    let touched = Signals { idle_ms: Some(0), ..quiet() };
    let mut pacer = pacer(|_| ());
    pacer.step(&touched, 0);
    pacer.obey(Command::Anyway, 0);
    assert_eq!(pacer.step(&touched, 1), Pace::Train);
    pacer.obey(Command::Resume, 2);
    assert_eq!(condition(pacer.step(&touched, 3)), Some(Condition::Input));
}
