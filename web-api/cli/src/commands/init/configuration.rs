//! The node's configuration, with comments for whoever reads it.

use std::{io::Write as _, net::SocketAddr, path::Path};

use anyhow::Context as _;
use clap::ValueEnum as _;
use rand::CryptoRng;
use toml::Value;

use super::{InitArgs, layout::Layout, rows::OwnRows};
use crate::{
    process::{private_file, token},
    serve::{CustodyConfig, SealingMode},
};

/// The file, with `{names}` where values go.
const TEMPLATE: &str = include_str!("sahakar.toml");
/// Most members: as the demonstration has them.
const MEMBERS_MAX: u32 = 64;

/// Writes it, readable by its owner alone: it has secrets.
///
/// # Errors
/// What cannot be written.
pub(super) fn write(
    layout: &Layout,
    args: &InitArgs,
    rows: &OwnRows,
    rng: &mut impl CryptoRng,
) -> anyhow::Result<()> {
    let text = filled(&values(layout, args, rows, rng)?);
    let path = layout.configuration();
    let writing = || format!("writing {}", path.display());
    let mut file = private_file(&path).with_context(writing)?;
    file.write_all(text.as_bytes()).with_context(writing)
}

/// Each name's text, as TOML writes it.
fn values(
    layout: &Layout,
    args: &InitArgs,
    rows: &OwnRows,
    rng: &mut impl CryptoRng,
) -> anyhow::Result<Vec<(&'static str, String)>> {
    let purpose = || format!("Tell {} from {} values", rows.label(), rows.features().len());
    let mode = args.mode.to_possible_value().context("a mode without a name")?;
    let custody = match args.mode {
        SealingMode::Fhe => custody(args.members),
        SealingMode::Mpc | SealingMode::MpcVerified => String::new(),
    };
    Ok(vec![
        ("state_dir", of_path(&layout.state())?),
        ("http", of_text(SocketAddr::new(args.host, args.http_port).to_string())),
        ("link", of_text(layout.dao.listen().to_string())),
        ("dao_name", of_text(&*args.name)),
        ("currency", of_text(&*args.currency)),
        ("federation", of_text(&*args.federation)),
        ("purpose", of_text(args.purpose.clone().unwrap_or_else(purpose))),
        ("validation", of_path(&layout.validation())?),
        ("test", of_path(&layout.test())?),
        ("features", Value::from(rows.features().to_vec()).to_string()),
        ("label", of_text(rows.label())),
        ("classes", Value::from(rows.classes().to_vec()).to_string()),
        ("rounds", args.rounds.to_string()),
        ("members", args.members.to_string()),
        ("minimum_cohort", args.members.to_string()),
        ("members_max", MEMBERS_MAX.to_string()),
        ("sealing", of_text(mode.get_name())),
        ("seed", "1".to_owned()),
        ("custody", custody),
        ("operator_token", of_text(token(rng))),
        ("invitation_token", of_text(token(rng))),
        ("aggregators", aggregators(layout)),
    ])
}

fn custody(members: u32) -> String {
    let CustodyConfig { custodians, threshold } = CustodyConfig::among(members);
    format!(
        "[federation.custody]                    # who keeps the keys: so many members of each round, of whom `threshold` open a sum\n\
         custodians = {custodians}\nthreshold = {threshold}\n\n"
    )
}

fn aggregators(layout: &Layout) -> String {
    let one = |aggregator: &super::layout::Aggregator| {
        let (verifying, sealing) =
            (of_text(&*aggregator.keys.verifying), of_text(&*aggregator.keys.sealing));
        format!("[[federation.aggregators]]\nverifying = {verifying}\nsealing = {sealing}\n")
    };
    layout.aggregators.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn of_text(text: impl Into<String>) -> String {
    Value::from(text.into()).to_string()
}

fn of_path(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().with_context(|| format!("{}: not a UTF-8 path", path.display()))?;
    Ok(of_text(text))
}

/// The template with the values in it. Each place is filled once: what a value says is never taken for a place.
fn filled(values: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').expect("the template closes what it opens");
        let value = values.iter().find(|(known, _)| *known == name);
        text.push_str(before);
        text.push_str(&value.expect("the template names what there is").1);
        rest = after;
    }
    text + rest
}
