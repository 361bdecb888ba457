//! Why a device does not train now.

use std::fmt;

use crate::LocalTime;

/// What can hold training back, in the order in which a reason is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// The owner said so.
    Owner,
    /// The owner's hours.
    Hours,
    /// The disk of the trainer's state is full.
    Disk,
    /// The machine is too hot.
    Heat,
    /// It runs on a battery.
    Battery,
    /// It is being used.
    Input,
    /// Other programs need its cores.
    Load,
    /// Other programs need its memory, or training takes too much of it.
    Memory,
    /// The network is paid for by volume.
    Network,
}

impl Condition {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Owner,
        Self::Hours,
        Self::Disk,
        Self::Heat,
        Self::Battery,
        Self::Input,
        Self::Load,
        Self::Memory,
        Self::Network,
    ];

    /// Its name in JSON and in files of translations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Hours => "hours",
            Self::Disk => "disk",
            Self::Heat => "heat",
            Self::Battery => "battery",
            Self::Input => "input",
            Self::Load => "load",
            Self::Memory => "memory",
            Self::Network => "network",
        }
    }

    /// Whether the owner may say "anyway": not to heat, which damages, and not to a full disk, on
    /// which an update cannot be kept.
    #[must_use]
    pub const fn can_be_waved_through(self) -> bool {
        !matches!(self, Self::Owner | Self::Disk | Self::Heat)
    }
}

/// What can be done about a pause; the one button beside its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// [`Command::Resume`](crate::Command::Resume).
    Resume,
    /// [`Command::Anyway`](crate::Command::Anyway).
    Anyway,
}

/// Why a device does not train now, with what it takes to go on. `Display` is one English sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// The owner paused it.
    Owner {
        /// When it goes on by itself; none: when told to.
        left_ms: Option<u64>,
    },
    /// Outside the owner's hours.
    Hours {
        /// When they begin.
        opens: LocalTime,
    },
    /// Too little room on the disk.
    Disk {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Too hot.
    Heat {
        /// The hottest sensor, in °C.
        temperature: f64,
        /// What it has to fall to, in °C.
        until: f64,
    },
    /// On a battery, where the owner wants the mains, or more charge.
    Battery {
        /// What is left; none while the mains that came back are waited for to last.
        percent: Option<u8>,
        /// What it takes to train on the battery; none: never.
        needed: Option<u8>,
    },
    /// In use.
    Input {
        /// How long without input it takes yet.
        left_ms: u64,
    },
    /// Other programs are busy.
    Load {
        /// What they take, 0 to 1.
        load: f64,
    },
    /// Other programs need the memory.
    Memory {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// Training needs more memory than the owner gives it.
    OwnMemory {
        /// Bytes used.
        used: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// Paid for by volume.
    Network,
}

impl Reason {
    /// Which condition it is.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        match self {
            Self::Owner { .. } => Condition::Owner,
            Self::Hours { .. } => Condition::Hours,
            Self::Disk { .. } => Condition::Disk,
            Self::Heat { .. } => Condition::Heat,
            Self::Battery { .. } => Condition::Battery,
            Self::Input { .. } => Condition::Input,
            Self::Load { .. } => Condition::Load,
            Self::Memory { .. } | Self::OwnMemory { .. } => Condition::Memory,
            Self::Network => Condition::Network,
        }
    }

    /// What the owner can do about it here; none where something else has to change.
    #[must_use]
    pub const fn remedy(&self) -> Option<Remedy> {
        match self.condition() {
            Condition::Owner => Some(Remedy::Resume),
            other if other.can_be_waved_through() => Some(Remedy::Anyway),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Owner { left_ms: None } => f.write_str("Paused by you"),
            Self::Owner { left_ms: Some(left) } => {
                write!(f, "Paused by you; goes on in {}", Span(left))
            }
            Self::Hours { opens } => {
                write!(f, "Paused outside your hours; goes on at {opens}")
            }
            Self::Disk { free, needed } => write!(
                f,
                "Paused as the disk is full: {} free, {} needed",
                Bytes(free),
                Bytes(needed)
            ),
            Self::Heat { temperature, until } => write!(
                f,
                "Paused as this computer is hot: {temperature:.0} °C; goes on at {until:.0} °C"
            ),
            Self::Battery { percent: None, .. } => {
                f.write_str("Paused until the mains have been back for a moment")
            }
            Self::Battery { percent: Some(percent), needed: None } => {
                write!(f, "Paused on battery ({percent} %); goes on when plugged in")
            }
            Self::Battery { percent: Some(percent), needed: Some(needed) } => {
                write!(f, "Paused on battery at {percent} %; goes on at {needed} % or plugged in")
            }
            Self::Input { left_ms } => write!(
                f,
                "Paused while this computer is in use; goes on after {} without input",
                Span(left_ms)
            ),
            Self::Load { load } => {
                write!(f, "Paused as other programs use {:.0} % of the processor", load * 100.0)
            }
            Self::Memory { free, needed } => write!(
                f,
                "Paused as memory is short: {} free, {} needed",
                Bytes(free),
                Bytes(needed)
            ),
            Self::OwnMemory { used, allowed } => write!(
                f,
                "Paused as training uses {} of memory, and your settings allow {}",
                Bytes(used),
                Bytes(allowed)
            ),
            Self::Network => f.write_str("Paused as this network is paid for by volume"),
        }
    }
}

/// Milliseconds, for people: rounded up.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_ceil(1_000);
        match seconds {
            0..=90 => write!(f, "{seconds} s"),
            91..=5_400 => write!(f, "{} min", seconds.div_ceil(60)),
            _ => write!(f, "{} h", seconds.div_ceil(3_600)),
        }
    }
}

/// Bytes, for people.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0 >> 20;
        if mebibytes < 1024 {
            write!(f, "{mebibytes} MiB")
        } else {
            write!(f, "{}.{} GiB", mebibytes / 1024, mebibytes % 1024 * 10 / 1024)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Weekday;

    #[test]
    fn every_reason_is_one_line_and_says_how_it_ends() {
        let opens = LocalTime::new(Weekday::Monday, 22, 0).unwrap();
        for (reason, expected) in [
            (Reason::Owner { left_ms: Some(61_000) }, "Paused by you; goes on in 61 s"),
            (Reason::Hours { opens }, "Paused outside your hours; goes on at mon 22:00"),
            (
                Reason::Disk { free: 5 << 20, needed: 1 << 30 },
                "Paused as the disk is full: 5 MiB free, 1.0 GiB needed",
            ),
            (
                Reason::Battery { percent: Some(41), needed: None },
                "Paused on battery (41 %); goes on when plugged in",
            ),
            (
                Reason::Input { left_ms: 240_001 },
                "Paused while this computer is in use; goes on after 5 min without input",
            ),
            (Reason::Load { load: 0.755 }, "Paused as other programs use 76 % of the processor"),
        ] {
            assert_eq!(reason.to_string(), expected);
        }
    }

    #[test]
    fn heat_and_a_full_disk_have_no_button_and_everything_else_has_one() {
        let without: Vec<&str> = Condition::ALL
            .into_iter()
            .filter(|condition| !condition.can_be_waved_through())
            .map(Condition::name)
            .collect();
        assert_eq!(without, ["owner", "disk", "heat"]);
        assert_eq!(Reason::Owner { left_ms: None }.remedy(), Some(Remedy::Resume));
        assert_eq!(Reason::Network.remedy(), Some(Remedy::Anyway));
        assert_eq!(Reason::Heat { temperature: 95.0, until: 75.0 }.remedy(), None);
    }
}
