//! The hours of a week in which a device may train.

use std::{fmt, str::FromStr};

/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Minutes of a week.
const WEEK: u16 = 7 * DAY;

/// Most windows that a text may name: each day can have its own four.
const WINDOWS_MAX: usize = 28;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// All, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// Its three letters: `mon`.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Monday => "mon",
            Self::Tuesday => "tue",
            Self::Wednesday => "wed",
            Self::Thursday => "thu",
            Self::Friday => "fri",
            Self::Saturday => "sat",
            Self::Sunday => "sun",
        }
    }

    const fn index(self) -> u16 {
        self as u16
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.short() == text)
    }
}

/// A minute of a week on the owner's wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    day: Weekday,
    minute: u16,
}

impl LocalTime {
    /// The minute `hour:minute` of `day`; none if there is no such minute.
    #[must_use]
    pub const fn new(day: Weekday, hour: u8, minute: u8) -> Option<Self> {
        if hour < 24 && minute < 60 {
            Some(Self { day, minute: hour as u16 * 60 + minute as u16 })
        } else {
            None
        }
    }

    const fn of_week(self) -> u16 {
        self.day.index() * DAY + self.minute
    }

    fn from_week(minute: u16) -> Self {
        let minute = minute % WEEK;
        let day = Weekday::ALL[usize::from(minute / DAY)];
        Self { day, minute: minute % DAY }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}", self.day.short(), self.minute / 60, self.minute % 60)
    }
}

/// From a minute of a day to one before the next day's same minute; over midnight it belongs to the
/// day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    first: Weekday,
    last: Weekday,
    from: u16,
    until: u16,
}

impl Window {
    const fn minutes(self) -> u16 {
        if self.until > self.from { self.until - self.from } else { DAY - self.from + self.until }
    }

    fn days(self) -> impl Iterator<Item = u16> {
        let count = (7 + self.last.index() - self.first.index()) % 7 + 1;
        (0..count).map(move |day| (self.first.index() + day) % 7)
    }

    /// Minutes until it begins, 0 if `minute` of the week is inside.
    fn opens_in(self, minute: u16) -> u16 {
        self.days()
            .map(|day| day * DAY + self.from)
            .map(|begin| {
                let since = (WEEK + minute - begin) % WEEK;
                if since < self.minutes() { 0 } else { (WEEK + begin - minute) % WEEK }
            })
            .min()
            .expect("a window has at least one day")
    }
}

/// Why a text names no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HoursError {
    /// A window is not written as days and a span.
    #[error("{got:?} names no hours; expected such as `mon-fri 22:00-06:00` or `always`")]
    Window {
        /// The window as given.
        got: String,
    },
    /// It begins when it ends.
    #[error("{got:?} is empty; all day is `00:00-24:00`")]
    Empty {
        /// The window as given.
        got: String,
    },
    /// There are too many.
    #[error("{got} windows, expected at most 28")]
    TooMany {
        /// How many there are.
        got: usize,
    },
}

/// Hours of a week: `always`, or windows such as `mon-fri 22:00-06:00, sat-sun 00:00-24:00`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hours {
    /// None: always.
    windows: Vec<Window>,
}

impl Hours {
    /// Every hour.
    pub const ALWAYS: Self = Self { windows: Vec::new() };

    /// Whether `time` is inside.
    #[must_use]
    pub fn contain(&self, time: LocalTime) -> bool {
        self.opens(time) == time
    }

    /// When they next begin; `time` itself if it is inside.
    #[must_use]
    pub fn opens(&self, time: LocalTime) -> LocalTime {
        let now = time.of_week();
        let wait = self.windows.iter().map(|window| window.opens_in(now)).min().unwrap_or(0);
        LocalTime::from_week(now + wait)
    }
}

impl FromStr for Hours {
    type Err = HoursError;

    fn from_str(text: &str) -> Result<Self, HoursError> {
        if text.trim() == "always" {
            return Ok(Self::ALWAYS);
        }
        let windows: Vec<&str> = text.split(',').map(str::trim).collect();
        if windows.len() > WINDOWS_MAX {
            return Err(HoursError::TooMany { got: windows.len() });
        }
        Ok(Self { windows: windows.into_iter().map(window).collect::<Result<_, _>>()? })
    }
}

fn window(text: &str) -> Result<Window, HoursError> {
    let none = || HoursError::Window { got: text.to_owned() };
    let (days, span) = text.split_once(' ').ok_or_else(none)?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (from, until) = span.trim().split_once('-').ok_or_else(none)?;
    let window = Window {
        first: Weekday::parse(first).ok_or_else(none)?,
        last: Weekday::parse(last).ok_or_else(none)?,
        from: minute(from).filter(|from| *from < DAY).ok_or_else(none)?,
        until: minute(until).ok_or_else(none)?,
    };
    if window.from == window.until {
        return Err(HoursError::Empty { got: text.to_owned() });
    }
    Ok(window)
}

/// `HH:MM`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        let fits = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.windows.is_empty() {
            return f.write_str("always");
        }
        for (index, window) in self.windows.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(window.first.short())?;
            if window.first != window.last {
                write!(f, "-{}", window.last.short())?;
            }
            let [from, until] = [window.from, window.until].map(|m| (m / 60, m % 60));
            write!(f, " {:02}:{:02}-{:02}:{:02}", from.0, from.1, until.0, until.1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap()
    }

    fn at(day: Weekday, hour: u8, minute: u8) -> LocalTime {
        LocalTime::new(day, hour, minute).unwrap()
    }

    #[test]
    fn nights_belong_to_the_day_on_which_they_begin() {
        let nights = hours("mon-fri 22:00-06:00");
        assert!(nights.contain(at(Weekday::Monday, 22, 0)));
        assert!(nights.contain(at(Weekday::Saturday, 5, 59)), "Friday's night");
        assert!(!nights.contain(at(Weekday::Saturday, 6, 0)));
        assert!(!nights.contain(at(Weekday::Monday, 5, 0)), "Sunday has no night");
        assert_eq!(nights.opens(at(Weekday::Saturday, 6, 0)), at(Weekday::Monday, 22, 0));
        assert_eq!(nights.opens(at(Weekday::Monday, 12, 0)).to_string(), "mon 22:00");
    }

    #[test]
    fn days_wrap_around_the_week() {
        let long = hours("sat-mon 00:00-24:00");
        let inside: Vec<bool> =
            Weekday::ALL.into_iter().map(|day| long.contain(at(day, 12, 0))).collect();
        assert_eq!(inside, [true, false, false, false, false, true, true]);
        assert!(Hours::ALWAYS.contain(at(Weekday::Friday, 3, 7)));
    }

    #[test]
    fn what_names_no_hours_is_refused_by_its_words() {
        for text in ["", "mon", "mon 9-10", "mon 24:00-25:00", "mo 09:00-10:00", "mon 09:60-10:00"]
        {
            let refused = text.parse::<Hours>().unwrap_err().to_string();
            assert!(refused.contains("names no hours"), "{refused}");
        }
        let refused = "sun 09:00-09:00".parse::<Hours>().unwrap_err().to_string();
        assert_eq!(refused, "\"sun 09:00-09:00\" is empty; all day is `00:00-24:00`");
        let refused = vec!["mon 01:00-02:00"; 29].join(",").parse::<Hours>();
        assert_eq!(refused, Err(HoursError::TooMany { got: 29 }));
    }

    proptest! {
        #[test]
        fn hours_are_read_back_from_their_text_and_open_when_they_say(
            windows in proptest::collection::vec((0_usize..7, 0_usize..7, 0_u16..1440, 0_u16..=1440), 1..5),
            now in 0_u16..10_080,
        ) {
            let windows: Vec<Window> = windows
                .into_iter()
                .filter(|(_, _, from, until)| from != until)
                .map(|(first, last, from, until)| Window {
                    first: Weekday::ALL[first], last: Weekday::ALL[last], from, until,
                })
                .collect();
            let hours = Hours { windows };
            prop_assert_eq!(&hours.to_string().parse::<Hours>().unwrap(), &hours);
            let now = LocalTime::from_week(now);
            let opens = hours.opens(now);
            prop_assert!(hours.contain(opens));
            // Nothing between now and then is inside.
            let (mut minute, end) = (now.of_week(), opens.of_week());
            while minute != end {
                prop_assert!(!hours.contain(LocalTime::from_week(minute)));
                minute = (minute + 1) % WEEK;
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9:, -]{0,40}") {
            if let Ok(hours) = text.parse::<Hours>() {
                prop_assert_eq!(hours.to_string().parse::<Hours>(), Ok(hours));
            }
        }
    }
}
