//! The icon's menu.
//!
//! Source: `com.canonical.dbusmenu` version 3, as its interface file in libdbusmenu describes it; desktops draw it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use zbus::zvariant::{OwnedValue, Structure, Value};

use super::{
    Word,
    surroundings::{Ears, Shown},
};

/// Where it is.
pub(super) const PATH: &str = "/MenuBar";
pub(super) const INTERFACE: &str = "com.canonical.dbusmenu";

/// An item: number, properties, items below it.
type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// The number of the menu itself.
const ROOT: i32 = 0;

/// The items, by number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// How training stands; nothing to click.
    Standing,
    Open,
    Pause,
    Resume,
    Quit,
}

impl Item {
    const ALL: [Self; 5] = [Self::Standing, Self::Open, Self::Pause, Self::Resume, Self::Quit];

    const fn number(self) -> i32 {
        self as i32 + 1
    }

    fn of(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|item| item.number() == number)
    }

    fn label(self, shown: &Shown) -> &str {
        match self {
            Self::Standing => &shown.line,
            Self::Open => &shown.open,
            Self::Pause => &shown.pause,
            Self::Resume => &shown.resume,
            Self::Quit => &shown.quit,
        }
    }

    const fn is_enabled(self, shown: &Shown) -> bool {
        match self {
            Self::Standing => false,
            Self::Pause => shown.pausable,
            Self::Resume => shown.resumable,
            Self::Open | Self::Quit => true,
        }
    }

    const fn word(self) -> Option<Word> {
        match self {
            Self::Standing => None,
            Self::Open => Some(Word::Open),
            Self::Pause => Some(Word::Pause),
            Self::Resume => Some(Word::Resume),
            Self::Quit => Some(Word::Quit),
        }
    }

    fn properties(self, shown: &Shown) -> HashMap<String, OwnedValue> {
        // An underscore would mark the letter behind it.
        let label = self.label(shown).replace('_', "__");
        [("label", Value::from(label)), ("enabled", Value::from(self.is_enabled(shown)))]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), OwnedValue::try_from(value).ok()?)))
            .collect()
    }
}

/// The menu.
pub(super) struct Menu {
    pub(super) shown: Arc<Mutex<Shown>>,
    pub(super) ears: Ears,
}

impl Menu {
    fn shown(&self) -> Shown {
        // Poisoned only by a panic elsewhere; what was shown is still the best that is known.
        self.shown
            .lock()
            .map_or_else(|poisoned| poisoned.into_inner().clone(), |shown| shown.clone())
    }

    fn click(&self, number: i32, event: &str) -> bool {
        let Some(item) = Item::of(number) else { return false };
        if event == "clicked"
            && item.is_enabled(&self.shown())
            && let Some(word) = item.word()
        {
            self.ears.hear(word);
        }
        true
    }

    fn root_properties() -> HashMap<String, OwnedValue> {
        let value = OwnedValue::try_from(Value::from("submenu"));
        value.into_iter().map(|value| ("children-display".to_owned(), value)).collect()
    }
}

#[zbus::interface(name = "com.canonical.dbusmenu")]
impl Menu {
    fn get_layout(
        &self,
        parent_id: i32,
        recursion_depth: i32,
        _property_names: Vec<String>,
    ) -> zbus::fdo::Result<(u32, Layout)> {
        let shown = self.shown();
        if parent_id != ROOT {
            let item = Item::of(parent_id);
            let item = item.ok_or_else(|| zbus::fdo::Error::InvalidArgs("no such item".into()))?;
            return Ok((shown.revision, (parent_id, item.properties(&shown), Vec::new())));
        }
        let child = |item: Item| {
            let nothing: Vec<OwnedValue> = Vec::new();
            let layout = Structure::from((item.number(), item.properties(&shown), nothing));
            OwnedValue::try_from(Value::from(layout)).ok()
        };
        let children = if recursion_depth == 0 {
            Vec::new()
        } else {
            Item::ALL.into_iter().filter_map(child).collect()
        };
        Ok((shown.revision, (ROOT, Self::root_properties(), children)))
    }

    fn get_group_properties(
        &self,
        ids: Vec<i32>,
        _property_names: Vec<String>,
    ) -> Vec<(i32, HashMap<String, OwnedValue>)> {
        let shown = self.shown();
        let asked = |item: &Item| ids.is_empty() || ids.contains(&item.number());
        let items = Item::ALL.into_iter().filter(asked);
        items.map(|item| (item.number(), item.properties(&shown))).collect()
    }

    fn get_property(&self, id: i32, name: &str) -> zbus::fdo::Result<OwnedValue> {
        let mut properties = if id == ROOT {
            Self::root_properties()
        } else {
            Item::of(id).map(|item| item.properties(&self.shown())).unwrap_or_default()
        };
        properties
            .remove(name)
            .ok_or_else(|| zbus::fdo::Error::InvalidArgs("no such property".into()))
    }

    fn event(&self, id: i32, event_id: &str, _data: OwnedValue, _timestamp: u32) {
        self.click(id, event_id);
    }

    fn event_group(&self, events: Vec<(i32, String, OwnedValue, u32)>) -> Vec<i32> {
        let missing = |(id, event, ..): &(i32, String, OwnedValue, u32)| {
            (!self.click(*id, event)).then_some(*id)
        };
        events.iter().filter_map(missing).collect()
    }

    fn about_to_show(&self, _id: i32) -> bool {
        false
    }

    fn about_to_show_group(&self, _ids: Vec<i32>) -> (Vec<i32>, Vec<i32>) {
        (Vec::new(), Vec::new())
    }

    #[zbus(property)]
    fn version(&self) -> u32 {
        3
    }

    #[zbus(property)]
    fn text_direction(&self) -> &str {
        "ltr"
    }

    #[zbus(property)]
    fn status(&self) -> &str {
        "normal"
    }

    #[zbus(property)]
    fn icon_theme_path(&self) -> Vec<String> {
        Vec::new()
    }
}
