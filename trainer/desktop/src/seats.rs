//! All federations of one person in one window: a desk for each, one of which is looked at.
//!
//! Threat: one identity in several federations tells everybody that a member here and a member there are the same person, and
//! what both tell of that person can be put together. So each seat has a key of its own, made and backed up by itself; nothing
//! that one federation is told is told to another. What the person allows this computer is common to all.

use std::collections::BTreeMap;

use crate::{
    command::Command,
    desk::{Desk, Key, federation_of},
    effect::Effect,
    news::News,
    screen::Screen,
    seat::Seat,
    settings::Settings,
    training::Running,
};

/// What has to be done, and for which seat.
pub type ToDo = Vec<(Seat, Effect)>;

/// All desks of a window. There is always the first, and one of them is looked at.
#[derive(Clone)]
pub struct Seats {
    desks: BTreeMap<Seat, Desk>,
    at: Seat,
}

impl Seats {
    /// Desks that remember `settings`, and what they want done first. What is common is what the first has.
    #[must_use]
    pub fn open(settings: Vec<(Seat, Settings)>) -> (Self, ToDo) {
        let mut settings: BTreeMap<Seat, Settings> = settings.into_iter().collect();
        let common = settings.entry(Seat::FIRST).or_default().clone();
        let mut desks = BTreeMap::new();
        let mut to_do = Vec::new();
        for (seat, mut settings) in settings {
            settings.take_common(&common);
            let (desk, effects) = Desk::open(settings);
            desks.insert(seat, desk);
            to_do.extend(effects.into_iter().map(|effect| (seat, effect)));
        }
        (Self { desks, at: Seat::FIRST }, to_do)
    }

    /// Which seat is looked at.
    #[must_use]
    pub const fn at(&self) -> Seat {
        self.at
    }

    /// The desk that is looked at.
    ///
    /// # Panics
    /// Never: the seat that is looked at is there.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        self.desks.get(&self.at).expect("the seat that is looked at is there")
    }

    /// All, in the order in which they were taken.
    pub fn all(&self) -> impl Iterator<Item = (Seat, &Desk)> {
        self.desks.iter().map(|(seat, desk)| (*seat, desk))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.desks.len()
    }

    /// What the federation of `seat` is called, if that is known. Two of the same name are told apart by a number.
    #[must_use]
    pub fn name(&self, seat: Seat) -> Option<String> {
        let name = self.desks.get(&seat)?.settings.federation.as_deref()?;
        let same = |desk: &Desk| desk.settings.federation.as_deref() == Some(name);
        let before = self.desks.range(..seat).filter(|(_, desk)| same(desk)).count();
        Some(if before == 0 { name.to_owned() } else { format!("{name} ({})", before + 1) })
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.count() < Seat::MOST || self.free().is_some()
    }

    /// Applies what the person does. Returns what has to be done for it.
    pub fn act(&mut self, command: Command) -> ToDo {
        let to_do = match command {
            Command::Sit(seat) => self.sit(seat),
            Command::JoinAnother => self.join_another(),
            Command::Invite(text) => self.invite(text),
            Command::GiveUpSeat => self.give_up(),
            other => self.act_here(other),
        };
        [to_do, self.share()].concat()
    }

    /// Applies what happened at `seat`; of one that is gone, nothing.
    pub fn apply(&mut self, seat: Seat, news: News) -> ToDo {
        let erased = matches!(news, News::Erased);
        let Some(desk) = self.desks.get_mut(&seat) else { return Vec::new() };
        let effects = desk.apply(news);
        let mut to_do: ToDo = effects.into_iter().map(|effect| (seat, effect)).collect();
        if erased {
            to_do.extend(self.erased(seat));
        }
        to_do
    }

    fn act_here(&mut self, command: Command) -> ToDo {
        let at = self.at;
        let Some(desk) = self.desks.get_mut(&at) else { return Vec::new() };
        desk.act(command).into_iter().map(|effect| (at, effect)).collect()
    }

    fn sit(&mut self, seat: Seat) -> ToDo {
        if !self.desks.contains_key(&seat) {
            return Vec::new();
        }
        // The same page of the other federation, as if it were opened: what left and what was earned are read anew.
        let screen = self.desk().screen;
        self.at = seat;
        self.act_here(Command::Show(screen))
    }

    /// A seat that nothing was agreed to at: the one that is looked at, if it is one.
    fn free(&self) -> Option<Seat> {
        let free = |seat: &Seat| {
            let desk = self.desks.get(seat);
            desk.is_some_and(|desk| !desk.settings.joined && desk.training.running == Running::Off)
        };
        std::iter::once(self.at).chain(self.desks.keys().copied()).find(free)
    }

    fn join_another(&mut self) -> ToDo {
        let unused = |(_, desk): &(&Seat, &Desk)| {
            !desk.settings.joined && desk.settings.invitation.is_none()
        };
        let unused = self.desks.iter().find(unused).map(|(seat, _)| *seat);
        match unused {
            Some(seat) => {
                self.at = seat;
                self.act_here(Command::Show(Screen::Start))
            }
            None => self.take(),
        }
    }

    /// Takes a new seat, if there is room.
    fn take(&mut self) -> ToDo {
        let last = self.desks.keys().next_back().map_or(0, |seat| seat.0);
        if self.count() >= Seat::MOST {
            return Vec::new();
        }
        let mut settings = Settings::default();
        settings.take_common(&self.desk().settings);
        let (desk, effects) = Desk::open(settings);
        self.at = Seat(last + 1);
        self.desks.insert(self.at, desk);
        effects.into_iter().map(|effect| (self.at, effect)).collect()
    }

    /// An invitation goes to the seat that knows its federation, else to a free one, else to a new one.
    ///
    /// Threat: a link on some page that puts its own federation in the place of one that was joined, or fills the window with
    /// seats: a link takes a free seat before it takes a new one, and agrees to nothing.
    fn invite(&mut self, text: String) -> ToDo {
        let known = federation_of(text.trim()).and_then(|id| {
            let knows = |(_, desk): &(&Seat, &Desk)| desk.knows(id);
            self.desks.iter().find(knows).map(|(seat, _)| *seat)
        });
        let mut to_do = match known.or_else(|| self.free()) {
            Some(seat) => {
                self.at = seat;
                Vec::new()
            }
            None => self.take(),
        };
        to_do.extend(self.act_here(Command::Invite(text)));
        to_do
    }

    /// Gives up a seat at which there is nothing yet, not even a key.
    fn give_up(&mut self) -> ToDo {
        // A key that could not be read just now is none that is not there: what the settings know counts, too.
        let settings = &self.desk().settings;
        let new = settings.member.is_none() && !settings.joined;
        let (gone, empty) = (self.at, new && matches!(self.desk().key, Key::Missing));
        if !empty || gone == Seat::FIRST {
            return Vec::new();
        }
        self.desks.remove(&gone);
        self.at = self.desks.range(..gone).next_back().map_or(Seat::FIRST, |(seat, _)| *seat);
        // An invitation that was kept goes, too: it holds a secret.
        vec![(gone, Effect::Erase)]
    }

    /// What a seat was is gone: so is the seat, unless it is the first, whose folder has what is common.
    fn erased(&mut self, seat: Seat) -> ToDo {
        if self.count() == 1 {
            return Vec::new();
        }
        let notice = self.desks.get(&seat).and_then(|desk| desk.notice.clone());
        let common = self.desks.iter().find(|(other, _)| **other != seat);
        let Some(common) = common.map(|(_, desk)| desk.settings.clone()) else { return Vec::new() };
        if seat == Seat::FIRST {
            let Some(desk) = self.desks.get_mut(&seat) else { return Vec::new() };
            desk.settings.take_common(&common);
            return vec![(seat, Effect::Save(Box::new(desk.settings.clone())))];
        }
        self.desks.remove(&seat);
        if self.at == seat {
            let before = self.desks.range(..seat).next_back().map(|(seat, _)| *seat);
            self.at = before.unwrap_or(Seat::FIRST);
            if let Some(desk) = self.desks.get_mut(&self.at) {
                desk.notice = notice;
            }
        }
        Vec::new()
    }

    /// What was changed at one desk and is common to all is so at all, and is kept by the first.
    fn share(&mut self) -> ToDo {
        let common = self.desk().settings.clone();
        let mut first_changed = false;
        for (seat, desk) in &mut self.desks {
            first_changed |= desk.settings.take_common(&common) && *seat == Seat::FIRST;
        }
        let Some(first) = self.desks.get(&Seat::FIRST).filter(|_| first_changed) else {
            return Vec::new();
        };
        vec![(Seat::FIRST, Effect::Save(Box::new(first.settings.clone())))]
    }

    /// Remembers how large the window is.
    pub fn placed(&mut self, width: f32, height: f32) {
        for desk in self.desks.values_mut() {
            (desk.settings.place.width, desk.settings.place.height) = (width, height);
        }
    }

    /// What is done when the window closes.
    #[must_use]
    pub fn close(&self) -> ToDo {
        let first = self
            .desks
            .get(&Seat::FIRST)
            .map(|desk| (Seat::FIRST, Effect::Save(Box::new(desk.settings.clone()))));
        let stops = self.desks.keys().map(|seat| (*seat, Effect::Stop));
        first.into_iter().chain(stops).collect()
    }
}

#[cfg(test)]
mod tests;
