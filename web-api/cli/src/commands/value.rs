//! What players of a game are worth: exact Shapley and Banzhaf values of a game in a file; and who lied about a value.

pub(crate) mod judge;

use std::{collections::BTreeMap, convert::Infallible, fmt, fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use data_dao_value::{
    Coalition, ENUMERATION_PLAYERS_MAX, WorthTable, banzhaf, banzhaf_index, leave_one_out, shapley,
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::json;

pub use judge::{JudgeArgs, Judgement};

use super::output::{print, print_json, print_table};

/// `sahakar value`.
#[derive(Debug, Subcommand)]
pub enum ValueCommand {
    /// Compute exact Shapley and Banzhaf values of a game of at most 16 players
    ///
    /// FILE is JSON: {"players": 2, "worth": {"0": 0, "1": 3, "2": 4, "3": 9}}. A key is the number of a coalition: bit
    /// i of it is set iff player i, counted from 0, is in it; "0b11" and "0x3" are "3". What is worth nothing needs a
    /// line, too, unless the file has {"otherwise": 0}; the empty coalition alone is worth 0 if it has none.
    Game(GameArgs),
    /// Decide who lied about a value, from what a member discloses to the DAO node's operator
    Judge(JudgeArgs),
}

/// `sahakar value game`.
#[derive(Debug, Clone, Args)]
pub struct GameArgs {
    /// The game, as JSON
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Largest file that is read: 2^16 coalitions with numbers of any precision that a person or program writes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A game as a file states it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GameFile {
    players: usize,
    worth: Worths,
    /// The worth of coalitions that are not listed.
    otherwise: Option<f64>,
}

/// Worths by coalition, none twice.
#[derive(Debug)]
struct Worths(BTreeMap<Coalition, f64>);

impl ValueCommand {
    /// Does it.
    ///
    /// # Errors
    /// A file that states no game, with what is wrong about it.
    pub fn run(self) -> anyhow::Result<()> {
        let args = match self {
            Self::Game(args) => args,
            Self::Judge(args) => return args.run(),
        };
        let game = args.game().with_context(|| format!("the game {}", args.file.display()))?;
        if args.json { print_json(&answer(&game)?) } else { print_values(&game) }
    }
}

impl GameArgs {
    fn game(&self) -> anyhow::Result<WorthTable> {
        let bytes = fs::metadata(&self.file).context("cannot be read")?.len();
        if bytes > FILE_BYTES_MAX {
            bail!("has {bytes} bytes, at most {FILE_BYTES_MAX} are read");
        }
        let text = fs::read_to_string(&self.file).context("cannot be read")?;
        let file: GameFile = serde_json::from_str(&text)
            .context("is not of the form {\"players\": 2, \"worth\": {\"0\": 0, \"1\": 3, \"2\": 4, \"3\": 9}}")?;
        file.table()
    }
}

impl GameFile {
    fn table(&self) -> anyhow::Result<WorthTable> {
        let (players, worths) = (self.players, &self.worth.0);
        if players > ENUMERATION_PLAYERS_MAX {
            bail!("has {players} players, at most {ENUMERATION_PLAYERS_MAX} are enumerated");
        }
        let all = Coalition::grand(players);
        if let Some(unknown) = worths.keys().find(|coalition| coalition.0 > all.0) {
            bail!(
                "names coalition {unknown}; of {players} players the largest is {}, which is all of them",
                all.0
            );
        }
        let count = 1_u128 << players;
        let missing: Vec<Coalition> =
            (1..count).map(Coalition).filter(|c| !worths.contains_key(c)).collect();
        if self.otherwise.is_none() && !missing.is_empty() {
            let first: Vec<String> = missing.iter().take(3).map(ToString::to_string).collect();
            bail!(
                "states no worth for {} of {count} coalitions (first {}); add \"otherwise\": 0 if they are worth nothing",
                missing.len(),
                first.join(", ")
            );
        }
        let otherwise = self.otherwise.unwrap_or(0.0);
        let worth = |coalition| worths.get(&coalition).copied().unwrap_or(otherwise);
        Ok(WorthTable::evaluate(players, |coalition| Ok::<_, Infallible>(worth(coalition)))?)
    }
}

/// The number of a coalition: decimal, or after 0b or 0x.
fn coalition(text: &str) -> Option<Coalition> {
    let radix = |digits: &str, radix| {
        let digits_only = digits.chars().all(|digit| digit.is_digit(radix));
        u128::from_str_radix(digits, radix).ok().filter(|_| digits_only)
    };
    let number = match (text.strip_prefix("0b"), text.strip_prefix("0x")) {
        (Some(binary), _) => radix(binary, 2),
        (_, Some(hexadecimal)) => radix(hexadecimal, 16),
        // "011" could be meant in binary: it is not guessed.
        _ if text.len() > 1 && text.starts_with('0') => None,
        _ => radix(text, 10),
    };
    number.map(Coalition)
}

impl<'de> Deserialize<'de> for Worths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WorthsVisitor)
    }
}

struct WorthsVisitor;

impl<'de> Visitor<'de> for WorthsVisitor {
    type Value = Worths;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("worths of coalitions by their numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Worths, A::Error> {
        let mut worths = BTreeMap::new();
        while let Some((key, worth)) = map.next_entry::<String, f64>()? {
            let Some(coalition) = coalition(&key) else {
                let error = format!(
                    "{key:?} is no coalition: write the number whose bits are its players, as in \"5\" or \"0b101\""
                );
                return Err(A::Error::custom(error));
            };
            if worths.insert(coalition, worth).is_some() {
                return Err(A::Error::custom(format!("coalition {coalition} is stated twice")));
            }
        }
        Ok(Worths(worths))
    }
}

fn answer(game: &WorthTable) -> anyhow::Result<serde_json::Value> {
    Ok(json!({
        "players": game.players(),
        "gain": game.gain(),
        "shapley": shapley(game),
        "banzhaf": banzhaf(game),
        "banzhaf_index": banzhaf_index(game),
        "leave_one_out": left_out(game)?,
    }))
}

fn left_out(game: &WorthTable) -> anyhow::Result<Vec<f64>> {
    Ok(leave_one_out(game.players(), |c| Ok::<_, Infallible>(game.worth(c)))?)
}

fn print_values(game: &WorthTable) -> anyhow::Result<()> {
    let number = |value: &f64| format!("{value:.6}");
    let index = banzhaf_index(game);
    let rows = (0..).zip(shapley(game)).zip(banzhaf(game)).zip(left_out(game)?);
    let row = |(((player, shapley), banzhaf), left): (((usize, f64), f64), f64)| {
        let share = index.as_ref().map_or_else(|| "–".to_owned(), |index| number(&index[player]));
        vec![player.to_string(), number(&shapley), number(&banzhaf), share, number(&left)]
    };
    let header = ["player", "Shapley", "Banzhaf", "Banzhaf index", "leave one out"];
    print_table(&header, 1, rows.map(row).collect())?;
    let (all, empty) = (Coalition::grand(game.players()), Coalition::EMPTY);
    print(format!(
        "all together win {}: {} with everybody, {} with nobody; Shapley values add up to it",
        game.gain(),
        game.worth(all),
        game.worth(empty)
    ))
}
