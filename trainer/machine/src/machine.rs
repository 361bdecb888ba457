//! One reading of everything.

use std::path::{Path, PathBuf};

use chrono::{Datelike as _, Local, Timelike as _};
use sysinfo::{
    Components, Disks, MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};
use trainer_conditions::{LocalTime, Signals, Weekday};

use crate::{idle::Idle, network::Network, power::power, processes::Processes};

/// The machine that this program runs on.
#[derive(Debug)]
pub struct Machine {
    state_dir: PathBuf,
    system: System,
    components: Components,
    trainers: Processes,
    cores: usize,
    idle: Idle,
    network: Network,
    /// Processor usage is a difference between two readings.
    readings: u64,
}

impl Machine {
    /// This machine.
    ///
    /// * `state_dir` — on the disk whose room counts; it may not be there yet.
    /// * `trainers` — the processes that train, whose load is not that of others: `std::process::id()` if it is this one.
    #[must_use]
    pub fn open(state_dir: &Path, trainers: impl Into<Processes>) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            system: System::new(),
            components: Components::new_with_refreshed_list(),
            trainers: trainers.into(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            idle: Idle::open(),
            network: Network::open(),
            readings: 0,
        }
    }

    /// Its cores.
    #[must_use]
    pub const fn cores(&self) -> usize {
        self.cores
    }

    /// Whether it was read often enough to tell the load, which is a difference.
    #[must_use]
    pub const fn has_settled(&self) -> bool {
        self.readings > 1
    }

    /// Milliseconds since the last input: cheap, for many readings a second.
    #[must_use]
    pub fn idle_ms(&self) -> Option<u64> {
        self.idle.idle_ms()
    }

    /// Reads everything; takes some milliseconds. The load counts from the reading before, and is none in the first.
    pub fn read(&mut self) -> Signals {
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let (own_load, own_memory) = self.own_use();
        let others_load = self.others_load(own_load);
        self.components.refresh(false);
        self.readings += 1;
        Signals {
            local_time: local_time(),
            power: power(),
            idle_ms: self.idle_ms(),
            others_load,
            temperature: hottest(&self.components),
            metered: self.network.metered(),
            memory_free: Some(self.system.available_memory()).filter(|free| *free > 0),
            memory_own: own_memory.map(|own| (own, self.system.total_memory())),
            disk_free: disk_free(&self.state_dir),
        }
    }

    /// What all trainers together take, in percent of one core, and their memory in bytes.
    fn own_use(&mut self) -> (f64, Option<u64>) {
        let own: Vec<Pid> = self.trainers.all().into_iter().map(Pid::from_u32).collect();
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
        // Those that are gone are forgotten: their numbers may be given to others.
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&own), true, kind);
        let processes = own.iter().filter_map(|own| self.system.process(*own));
        processes.fold((0.0, None), |(load, memory), own| {
            (load + f64::from(own.cpu_usage()), Some(memory.unwrap_or(0) + own.memory()))
        })
    }

    fn others_load(&mut self, own_percent: f64) -> Option<f64> {
        self.system.refresh_cpu_usage();
        let all = f64::from(self.system.global_cpu_usage()) / 100.0;
        let own = own_percent / 100.0 / self.cores as f64;
        (self.readings > 0).then(|| (all - own).clamp(0.0, 1.0))
    }
}

fn local_time() -> Option<LocalTime> {
    let now = Local::now();
    let day = Weekday::ALL.get(now.weekday().num_days_from_monday() as usize)?;
    LocalTime::new(*day, u8::try_from(now.hour()).ok()?, u8::try_from(now.minute()).ok()?)
}

fn hottest(components: &Components) -> Option<f64> {
    let temperatures = components.iter().filter_map(sysinfo::Component::temperature);
    // Sensors that are not connected say such as 0 or −128.
    temperatures.filter(|t| (1.0..150.0).contains(t)).map(f64::from).reduce(f64::max)
}

/// Room on the disk that holds `path`, or the nearest folder above it that is there.
fn disk_free(path: &Path) -> Option<u64> {
    let there = path.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list();
    let holding = disks.iter().filter(|disk| there.starts_with(disk.mount_point()));
    holding
        .max_by_key(|disk| disk.mount_point().as_os_str().len())
        .map(sysinfo::Disk::available_space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_has_what_every_machine_tells() {
        let mut machine = Machine::open(Path::new("/nowhere/at/all"), std::process::id());
        let first = machine.read();
        assert!(!machine.has_settled());
        assert!(first.others_load.is_none(), "there was no reading before");
        assert!(first.local_time.is_some() && first.power.is_some());
        assert!(first.memory_free.unwrap() > 0);
        let (own, all) = first.memory_own.unwrap();
        assert!(own > 0 && own < all);
        let load = machine.read().others_load.unwrap();
        assert!((0.0..=1.0).contains(&load), "{load}");
        assert!(machine.has_settled());
    }

    /// The window keeps the pace of another process: what that one takes is not the load of others.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_trainers_load_is_not_that_of_others_whichever_process_it_is() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .expect("a shell is there");
        let mut machine = Machine::open(Path::new("/"), busy.id());
        // A process that has just begun has used nothing to compare with in the first readings.
        let (mut own, mut memory) = (0.0, None);
        for _ in 0..40 {
            std::thread::park_timeout(std::time::Duration::from_millis(250));
            (own, memory) = machine.own_use();
            if own > 5.0 {
                break;
            }
        }
        machine.trainers.remove(busy.id());
        let none = machine.own_use();
        busy.kill().and_then(|()| busy.wait()).expect("it is ours");
        assert_eq!(none, (0.0, None), "it is nobody's any more");
        // A core shared with everything else that tests run at the same time.
        assert!(own > 5.0, "{own} % of a core");
        assert!(memory.is_some());
    }
}
