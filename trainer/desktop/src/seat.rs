//! A person's place in one federation.

/// A person's place in one federation, with a key, data, consent, books and a folder of its own. The number is the folder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(pub u32);

impl Seat {
    /// The first: its folder is that of the window, as it was when there was only one.
    pub const FIRST: Self = Self(1);

    /// Most seats: each is a process while it trains.
    pub const MOST: usize = 16;
}
