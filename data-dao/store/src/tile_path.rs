//! Where a tile is: the paths of C2SP tlog-tiles.

use std::{fmt, str::FromStr};

use privacy_identity::MerkleTree;
use thiserror::Error;
use tlog_tiles::Tile;

use crate::tiles::{Stored, TILE_HEIGHT, TILE_WIDTH};

/// Highest level of a tree of 2^63 leaves.
const LEVEL_MAX: u8 = 7;

/// A tile of hashes, or a bundle of entries, in full or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// None for entries.
    level: Option<u8>,
    index: u64,
    /// 1 to 256.
    width: u16,
}

/// The text is no path of a tile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{got:?} is not the path of a tile")]
pub struct TilePathError {
    /// The text.
    pub got: String,
}

impl TilePath {
    /// The tile of hashes `index` of the tree at `level`, as far as a tree of `size` leaves fills it; none if it does
    /// not.
    #[must_use]
    pub fn of_hashes(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(u32::from(TILE_HEIGHT) * u32::from(level)).unwrap_or(0);
        (level <= LEVEL_MAX).then_some(())?;
        Some(Self { level: Some(level), index, width: width(hashes, index)? })
    }

    /// The bundle `index` of entries, as far as a log of `size` entries fills it; none if it does not.
    #[must_use]
    pub fn of_entries(index: u64, size: u64) -> Option<Self> {
        Some(Self { level: None, index, width: width(size, index)? })
    }

    pub(crate) const fn is_hashes(&self) -> bool {
        self.level.is_some()
    }

    /// The tile with the hashes of a bundle's entries; none for a tile of hashes.
    pub(crate) fn hashes_of_entries(&self) -> Option<Self> {
        self.level.is_none().then_some(Self { level: Some(0), ..*self })
    }

    /// How many hashes or entries it holds, 1 to 256.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// The first leaf below it.
    pub(crate) const fn first(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH)
    }

    /// How many leaves a tree must have to fill it; none if no tree has.
    pub(crate) fn end(&self) -> Option<u64> {
        let hashes = self.index.checked_mul(TILE_WIDTH)?.checked_add(u64::from(self.width))?;
        let leaves_per_hash =
            1_u64.checked_shl(u32::from(TILE_HEIGHT) * u32::from(self.level.unwrap_or(0)))?;
        hashes.checked_mul(leaves_per_hash)
    }

    /// The hashes of the tile in this tree.
    pub(crate) fn hashes(&self, tree: &MerkleTree) -> Option<Vec<u8>> {
        let tile = Tile::new(TILE_HEIGHT, self.level?, self.index, u32::from(self.width), false);
        tile.read_data(&Stored(tree.stored())).ok()
    }
}

fn width(filled: u64, index: u64) -> Option<u16> {
    let left = filled.checked_sub(index.checked_mul(TILE_WIDTH)?)?;
    u16::try_from(left.min(TILE_WIDTH)).ok().filter(|width| *width > 0)
}

/// The index in groups of three digits, all but the last with an `x` before them.
fn index_path(index: u64) -> String {
    let (mut path, mut rest) = (format!("{:03}", index % 1_000), index / 1_000);
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    path
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "tile/{level}/")?,
            None => f.write_str("tile/entries/")?,
        }
        f.write_str(&index_path(self.index))?;
        if u64::from(self.width) < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, TilePathError> {
        // One spelling of each: what is read must come out the same.
        let path = read(text).filter(|path| path.to_string() == text);
        path.ok_or_else(|| TilePathError { got: text.to_owned() })
    }
}

fn read(text: &str) -> Option<TilePath> {
    let (level, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let level = if level == "entries" { None } else { Some(level.parse().ok()?) };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok()?),
        None => (rest, 256),
    };
    // At most 20 digits: seven groups.
    let groups = index.split('/').take(8).map(|group| group.trim_start_matches('x'));
    let index = groups.fold(String::new(), |digits, group| digits + group).parse().ok()?;
    let fits = level.is_none_or(|level| level <= LEVEL_MAX) && (1..=256).contains(&width);
    fits.then_some(TilePath { level, index, width })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiles_of_the_specifications_example_have_its_paths() {
        // A log of 70 000 entries.
        let hashes =
            |level, index| TilePath::of_hashes(level, index, 70_000).map(|p| p.to_string());
        assert_eq!(hashes(0, 272).unwrap(), "tile/0/272");
        assert_eq!(hashes(0, 273).unwrap(), "tile/0/273.p/112");
        assert_eq!(hashes(1, 0).unwrap(), "tile/1/000");
        assert_eq!(hashes(1, 1).unwrap(), "tile/1/001.p/17");
        assert_eq!(hashes(2, 0).unwrap(), "tile/2/000.p/1");
        assert_eq!((hashes(0, 274), hashes(2, 1), hashes(3, 0)), (None, None, None));
        let large = TilePath::of_entries(1_234_067, u64::MAX).unwrap();
        assert_eq!(large.to_string(), "tile/entries/x001/x234/067");
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        for text in
            ["tile/0/000", "tile/entries/000.p/17", "tile/7/x001/x234/067.p/255", "tile/1/999"]
        {
            assert_eq!(text.parse::<TilePath>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/8/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/0/../000",
            "tile/0/000/",
            "/tile/0/000",
            "tile/entries/xx01/000",
            "tile/0/+00",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ];
        for text in bad {
            assert!(text.parse::<TilePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn indexes_beyond_every_tree_do_not_overflow() {
        let far: TilePath = "tile/7/x018/x446/x744/x073/x709/x551/615".parse().unwrap();
        assert_eq!(far.end(), None);
        assert_eq!(TilePath::of_hashes(200, 0, u64::MAX), None);
    }
}
