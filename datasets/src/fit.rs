//! How a contributor's data fit a federation: what to fix, in plain words.

use crate::{
    ColumnProfile, ColumnType, DataSource, Finding, ImageShape, Mapping, MissingRule, Profile,
    Remedy, Schema, Standardiser, Weight,
    column_plan::{Target, targets},
    source::SourceKind,
    table_source::too_many_values,
};

/// Standard deviations from the federation's mean beyond which a column is likely in another unit: of ten thousand rows of
/// a normal column none lies so far.
const DEVIATIONS_MAX: f64 = 6.0;

/// Times that the largest class may be the smallest before it is worth a word.
const IMBALANCE_MAX: u64 = 20;

/// Findings of one kind that are listed one by one.
const LISTED_MAX: usize = 12;

impl Profile {
    /// What is to be said about the data whatever they are for.
    #[must_use]
    pub fn findings(&self, source: &DataSource) -> Vec<Finding> {
        let mut found = Findings::default();
        if self.rows == 0 {
            found.blocks(
                "there is no row".into(),
                "at least one is needed, and two classes to learn from",
            );
        }
        if let Some(odd) = &self.odd {
            let what = if source.is_pictures() {
                "picture(s) cannot be read"
            } else {
                "record(s) have too many or too few values"
            };
            let what = format!("{} {what}; the first is {}: {}", odd.count, odd.first, odd.what);
            found.blocks(what, "correct them or take them out");
        }
        let duplicates = self.duplicates;
        if duplicates.rows > 0 {
            let about = if duplicates.estimated { "about " } else { "" };
            let what = format!("{about}{} of {} rows are there before", duplicates.rows, self.rows);
            found.warns(what, "leave out copies: they are paid for once and teach nothing new");
        }
        found.0
    }

    /// How the data fit a federation's schema; the worst first. None of weight [`Weight::Blocks`] means that
    /// [`DataSource::table`] takes them.
    ///
    /// * `scale` — the federation's public mean and deviation of each feature, if known.
    #[must_use]
    pub fn fit(
        &self,
        source: &DataSource,
        (schema, scale): (&Schema, Option<&Standardiser>),
        mapping: &Mapping,
    ) -> Vec<Finding> {
        let mut found = Findings(self.findings(source));
        if source.is_pictures() {
            self.fit_pictures(source, schema, mapping, &mut found);
        } else {
            self.fit_columns(source, schema, mapping, &mut found);
            self.fit_values(source, (schema, scale), mapping, &mut found);
        }
        let mut found = found.0;
        found.sort_by_key(|finding| finding.weight);
        found
    }

    fn fit_columns(
        &self,
        source: &DataSource,
        schema: &Schema,
        mapping: &Mapping,
        found: &mut Findings,
    ) {
        let (_, misfits) = targets(source.columns(), schema, mapping);
        for name in &misfits.unheard {
            found.blocks(
                format!("the mapping names the column {name:?}, which is not there"),
                "correct the mapping",
            );
        }
        for name in &misfits.twice {
            found.blocks(format!("two columns are {name:?}"), "rename or ignore one of them");
        }
        found.listed(&misfits.missing, |name| {
            let what = format!("the federation's column {name:?} is missing");
            let likely = nearest(name, &misfits.unknown).map(str::to_owned);
            let advice = match &likely {
                Some(near) => format!("is it {near:?}? Then --map {:?}", format!("{near}={name}")),
                None => "add it, or name the column that has it: --map 'YOURS=THEIRS'".to_owned(),
            };
            (what, advice, Remedy::Name { theirs: name.clone(), likely })
        });
        let close: Vec<&str> =
            misfits.missing.iter().filter_map(|name| nearest(name, &misfits.unknown)).collect();
        let unknown: Vec<String> = misfits
            .unknown
            .iter()
            .filter(|name| !close.contains(&name.as_str()))
            .cloned()
            .collect();
        found.listed(&unknown, |name| {
            let what = format!("the federation does not know the column {name:?}");
            let advice = format!("leave it out: --ignore {name:?} (--ignore '*' for all such)");
            (what, advice, Remedy::Ignore { column: name.clone() })
        });
    }

    fn fit_values(
        &self,
        source: &DataSource,
        (schema, scale): (&Schema, Option<&Standardiser>),
        mapping: &Mapping,
        found: &mut Findings,
    ) {
        let (targets, _) = targets(source.columns(), schema, mapping);
        let mut missing = Vec::new();
        for (column, target) in self.columns.iter().zip(targets) {
            if target == Target::Ignored {
                continue;
            }
            if column.missing > 0 {
                missing.push(format!("{:?}: {}", column.name, column.missing));
            }
            match target {
                Target::Label => fit_label(column, schema, mapping, found),
                Target::Feature(at) => {
                    let scale = scale.and_then(|s| {
                        Some((*s.mean().get(at as usize)?, *s.deviation().get(at as usize)?))
                    });
                    fit_feature(column, scale, found);
                }
                Target::Ignored => {}
            }
        }
        if missing.is_empty() {
            return;
        }
        let what = format!("values are missing ({})", shortened(&missing));
        match mapping.missing {
            MissingRule::Refuse => {
                let advice = "fill them in, leave out such rows (--missing drop) or take each column's mean (--missing mean)";
                found.push(Weight::Blocks, what, advice, Some(Remedy::Missing));
            }
            MissingRule::Drop => found.notes(what, "such rows are left out"),
            MissingRule::Mean => found.notes(
                what,
                "each becomes the mean of its column; rows without a label are left out",
            ),
        }
    }

    fn fit_pictures(
        &self,
        source: &DataSource,
        schema: &Schema,
        mapping: &Mapping,
        found: &mut Findings,
    ) {
        let Some(shape) = ImageShape::of_columns(schema.features()) else {
            return found.blocks(
                "these are pictures, and the federation learns from tables".into(),
                "choose a table with its columns",
            );
        };
        let (wanted, colours) =
            (format!("{} x {}", shape.width(), shape.height()), shape.channels().count());
        if let Some(what) = too_many_values(usize::try_from(self.rows).unwrap_or(usize::MAX), shape)
        {
            found.blocks(what, "train on a part of them");
        }
        let sizes = self.column("size").and_then(|column| column.levels.as_ref());
        let other = sizes.is_none_or(|sizes| sizes.keys().any(|size| *size != wanted));
        match source.kind {
            SourceKind::Idx(_) if other || colours != 1 => {
                let what = format!(
                    "the images are grey and not all {wanted}, the federation takes {wanted} with {colours} channel(s)"
                );
                found.blocks(what, "save them as PNG in class folders: these are resized");
            }
            SourceKind::Idx(_) => self.fit_indices(schema, mapping, found),
            _ => {
                if other {
                    let what = format!("the federation takes pictures of {wanted}");
                    found.notes(
                        what,
                        "yours are resized while they are read; the files stay as they are",
                    );
                }
                if let Some(column) = self.column("class") {
                    fit_label(column, schema, mapping, found);
                }
            }
        }
    }

    /// Labels of IDX are indices of classes.
    fn fit_indices(&self, schema: &Schema, mapping: &Mapping, found: &mut Findings) {
        let Some(mut column) = self.column("class").cloned() else { return };
        column.levels = column.levels.map(|levels| {
            let named = |word: String| match word.parse::<usize>() {
                Ok(at) if !mapping.words.contains_key(&word) => {
                    schema.classes().get(at).cloned().unwrap_or(word)
                }
                _ => word,
            };
            levels.into_iter().map(|(word, count)| (named(word), count)).collect()
        });
        fit_label(&column, schema, mapping, found);
    }
}

fn fit_feature(column: &ColumnProfile, scale: Option<(f32, f32)>, found: &mut Findings) {
    let name = &column.name;
    match (&column.kind, &column.odd, column.numbers) {
        (ColumnType::Number, Some((place, word)), _) => {
            let what =
                format!("the column {name:?} has a value that is no number: {word:?} in {place}");
            found.blocks(
                what,
                "correct it, or leave it empty and choose what is done about missing values",
            );
        }
        (ColumnType::Number, None, Some(numbers)) => {
            if numbers.minimum >= numbers.maximum {
                found.notes(
                    format!("the column {name:?} is {} in every row", numbers.minimum),
                    "it teaches nothing here; nothing to do",
                );
            }
            let Some((mean, deviation)) = scale else { return };
            let away = (numbers.mean - f64::from(mean)).abs() / f64::from(deviation);
            if away > DEVIATIONS_MAX {
                let what = format!(
                    "the column {name:?} is {} on average, in the federation {mean}",
                    rounded(numbers.mean)
                );
                found.warns(what, "is it in the same unit?");
            }
        }
        (ColumnType::Boolean, ..)
            if column
                .levels
                .as_ref()
                .is_some_and(|levels| levels.keys().all(|word| truth(word))) => {}
        (ColumnType::Empty, ..) => found.blocks(
            format!("the column {name:?} is empty"),
            "fill it in; without it nothing can be trained here",
        ),
        (kind, ..) => {
            let what = format!(
                "the column {name:?} has {}, the federation takes numbers",
                in_words(*kind)
            );
            found.blocks(what, "put numbers in their place");
        }
    }
}

/// Which words [`crate::Cell::number`] takes for 0 and 1.
fn truth(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

const fn in_words(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Boolean => "yes and no",
        ColumnType::Category => "words",
        ColumnType::Date => "dates",
        _ => "text",
    }
}

fn fit_label(column: &ColumnProfile, schema: &Schema, mapping: &Mapping, found: &mut Findings) {
    let Some(levels) = &column.levels else {
        let what = format!(
            "the column {:?} has thousands of different values, the federation {} classes",
            column.name,
            schema.classes().len()
        );
        return found.blocks(what, "is it the label? Name the one that is: --label COLUMN");
    };
    let mut counts = vec![0; schema.classes().len()];
    let mut unknown = Vec::new();
    for (word, count) in levels {
        match schema.class_index(mapping.class(word)) {
            Some(class) => counts[class as usize] += count,
            None => unknown.push(word.clone()),
        }
    }
    found.listed(&unknown, |word| {
        let what = format!(
            "{word:?} in {:?} is none of the classes {}",
            column.name,
            shortened(&quoted(schema.classes()))
        );
        let likely = nearest(word, schema.classes()).map(str::to_owned);
        let advice = match &likely {
            Some(near) => format!("is it {near:?}? Then --class {:?}", format!("{word}={near}")),
            None => "say which class it is: --class 'YOURS=THEIRS'".to_owned(),
        };
        (what, advice, Remedy::Class { word: word.clone(), likely })
    });
    fit_balance(&counts, schema, found);
}

fn fit_balance(counts: &[u64], schema: &Schema, found: &mut Findings) {
    let present: Vec<(usize, u64)> =
        counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
    let (Some(most), Some(least)) =
        (present.iter().max_by_key(|p| p.1), present.iter().min_by_key(|p| p.1))
    else {
        return;
    };
    let class = |at: usize| &schema.classes()[at];
    if present.len() == 1 {
        let what = format!("every row is of the class {:?}", class(most.0));
        return found
            .warns(what, "it can be trained on, but tells nothing about the other classes");
    }
    let absent: Vec<String> =
        (0..counts.len()).filter(|at| counts[*at] == 0).map(|at| class(at).clone()).collect();
    if !absent.is_empty() {
        found.notes(
            format!("no row is of {}", shortened(&quoted(&absent))),
            "nothing to do: others may have them",
        );
    }
    if most.1 / least.1 >= IMBALANCE_MAX {
        let what = format!(
            "{} rows are of {:?}, only {} of {:?}",
            most.1,
            class(most.0),
            least.1,
            class(least.0)
        );
        found.warns(what, "are rows missing?");
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn push(&mut self, weight: Weight, what: String, advice: &str, remedy: Option<Remedy>) {
        self.0.push(Finding { weight, what, advice: advice.to_owned(), remedy });
    }

    fn blocks(&mut self, what: String, advice: &str) {
        self.push(Weight::Blocks, what, advice, None);
    }

    fn warns(&mut self, what: String, advice: &str) {
        self.push(Weight::Warns, what, advice, None);
    }

    fn notes(&mut self, what: String, advice: &str) {
        self.push(Weight::Notes, what, advice, None);
    }

    /// One finding for each name, and one for those that are too many to list.
    fn listed(&mut self, names: &[String], say: impl Fn(&String) -> (String, String, Remedy)) {
        for name in names.iter().take(LISTED_MAX) {
            let (what, advice, remedy) = say(name);
            self.push(Weight::Blocks, what, &advice, Some(remedy));
        }
        if let Some(more) = names.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
            self.blocks(format!("and {more} more like these"), "do the same for them");
        }
    }
}

fn quoted(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("{name:?}")).collect()
}

fn shortened(names: &[String]) -> String {
    let more = if names.len() > LISTED_MAX { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(LISTED_MAX)].join(", "))
}

/// Four digits, for people.
fn rounded(value: f64) -> String {
    if value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The name that `wanted` is most likely a spelling of: equal but for case, spaces and signs, or one letter in four apart.
fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let plain = |name: &str| -> Vec<char> {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
    };
    let wanted = plain(wanted);
    let scored = names.iter().take(1_000).map(|name| (distance(&wanted, &plain(name)), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    (!wanted.is_empty() && distance * 4 <= wanted.len()).then_some(name.as_str())
}

/// Levenshtein 1966: insertions, deletions and substitutions.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, a) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, b) in to.iter().enumerate() {
            let cost =
                (diagonal + usize::from(a != b)).min(row[column] + 1).min(row[column + 1] + 1);
            diagonal = std::mem::replace(&mut row[column + 1], cost);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_spelling_not_another_word() {
        let names = ["Fixed Acidity", "alcohol", "pH"].map(str::to_owned);
        assert_eq!(nearest("fixed_acidity", &names), Some("Fixed Acidity"));
        assert_eq!(nearest("alcohole", &names), Some("alcohol"));
        assert_eq!(nearest("ph", &names), Some("pH"));
        assert_eq!(nearest("density", &names), None);
        assert_eq!(nearest("", &names), None);
    }

    #[test]
    fn the_distance_is_levenshtein_s() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (a, b, expected) in [("kitten", "sitting", 3), ("", "abc", 3), ("same", "same", 0)] {
            assert_eq!(distance(&chars(a), &chars(b)), expected);
        }
    }
}
