//! Which column of a contributor's file is what for a federation.

use crate::{DataSource, Fault, Mapping, Schema, SourceError, schema::u32_from_count};

/// What a column of the file is for the federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The feature of this index.
    Feature(u32),
    /// The label.
    Label,
    /// Nothing.
    Ignored,
}

/// What is wrong with the columns; each as the file or the federation calls it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Misfits {
    /// Features and the label that no column of the file is.
    pub(crate) missing: Vec<String>,
    /// Columns of the file that the federation does not know and nobody ignores.
    pub(crate) unknown: Vec<String>,
    /// Columns of the federation that two columns of the file are.
    pub(crate) twice: Vec<String>,
    /// Columns that the mapping names and the file lacks.
    pub(crate) unheard: Vec<String>,
}

/// The target of each column, and what is wrong with them.
pub(crate) fn targets(
    columns: &[String],
    schema: &Schema,
    mapping: &Mapping,
) -> (Vec<Target>, Misfits) {
    let by_name: std::collections::BTreeMap<&str, Target> = schema
        .features()
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), Target::Feature(u32_from_count(at))))
        .chain([(schema.label(), Target::Label)])
        .collect();
    let mut found = std::collections::BTreeSet::new();
    let mut misfits = Misfits::default();
    let targets = columns.iter().map(|column| {
        let name = mapping.name(column, schema.label());
        let target = by_name.get(name).copied();
        if mapping.ignores(column, target.is_some()) {
            return Target::Ignored;
        }
        match target {
            None => misfits.unknown.push(column.clone()),
            Some(_) if !found.insert(name) => misfits.twice.push(name.to_owned()),
            Some(target) => return target,
        }
        Target::Ignored
    });
    let targets = targets.collect();
    let needed = schema.features().iter().map(String::as_str).chain([schema.label()]);
    misfits.missing = needed.filter(|name| !found.contains(name)).map(str::to_owned).collect();
    let named = mapping.columns.keys().chain(&mapping.label).chain(&mapping.ignore);
    let unheard = named.filter(|name| *name != "*" && !columns.contains(name));
    misfits.unheard = unheard.cloned().collect();
    (targets, misfits)
}

/// The target of each column of a source.
///
/// # Errors
/// The first misfit.
pub(crate) fn agreed(
    source: &DataSource,
    schema: &Schema,
    mapping: &Mapping,
) -> Result<Vec<Target>, SourceError> {
    let (targets, misfits) = targets(source.columns(), schema, mapping);
    let refused = |what: String, advice: &str| {
        Err(SourceError::whole(source.path(), Fault::unfit(what, advice)))
    };
    if let Some(name) = misfits.unheard.first() {
        return refused(
            format!("there is no column {name:?}, which the mapping names"),
            "correct the mapping",
        );
    }
    if let Some(name) = misfits.twice.first() {
        return refused(format!("two columns are {name:?}"), "rename or ignore one of them");
    }
    if let Some(name) = misfits.missing.first() {
        let what = format!("the column {name:?} of the federation is missing");
        return refused(what, "map one of the file's columns to it");
    }
    if let Some(name) = misfits.unknown.first() {
        let what = format!("the federation does not know the column {name:?}");
        return refused(what, "map it to one of the federation's, or ignore it");
    }
    Ok(targets)
}
