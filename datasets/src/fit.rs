//! How a contributor's data fit a federation: what to fix, in plain words.

use crate::{
    ColumnProfile, ColumnType, DataSource, Duplicates, Finding, ImageShape, Mapping, MissingRule,
    Profile, Remedy, Says, Schema, Standardiser, Weight,
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
            found.blocks(Says::NoRow);
        }
        if let Some(odd) = self.odd.clone() {
            let pictures = source.is_pictures();
            found.blocks(if pictures { Says::OddPictures(odd) } else { Says::OddRecords(odd) });
        }
        let Duplicates { rows: copies, estimated } = self.duplicates;
        if copies > 0 {
            found.warns(Says::Copies { copies, rows: self.rows, estimated });
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
            found.blocks(Says::Unheard { column: name.clone() });
        }
        for name in &misfits.twice {
            found.blocks(Says::Twice { column: name.clone() });
        }
        found.listed(&misfits.missing, |name| {
            let likely = nearest(name, &misfits.unknown).map(str::to_owned);
            let remedy = Remedy::Name { theirs: name.clone(), likely: likely.clone() };
            (Says::Lacking { column: name.clone(), likely }, remedy)
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
            let column = name.clone();
            (Says::Unknown { column: column.clone() }, Remedy::Ignore { column })
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
                missing.push((column.name.clone(), column.missing));
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
        let rule = mapping.missing;
        let (weight, remedy) = match rule {
            MissingRule::Refuse => (Weight::Blocks, Some(Remedy::Missing)),
            MissingRule::Drop | MissingRule::Mean => (Weight::Notes, None),
        };
        found.push(weight, Says::Missing { columns: missing, rule }, remedy);
    }

    fn fit_pictures(
        &self,
        source: &DataSource,
        schema: &Schema,
        mapping: &Mapping,
        found: &mut Findings,
    ) {
        let Some(shape) = ImageShape::of_columns(schema.features()) else {
            return found.blocks(Says::PicturesForTables);
        };
        let (wanted, colours) =
            (format!("{} x {}", shape.width(), shape.height()), shape.channels().count());
        if let Some(says) = too_many_values(usize::try_from(self.rows).unwrap_or(usize::MAX), shape)
        {
            found.blocks(says);
        }
        let sizes = self.column("size").and_then(|column| column.levels.as_ref());
        let other = sizes.is_none_or(|sizes| sizes.keys().any(|size| *size != wanted));
        match source.kind {
            SourceKind::Idx(_) if other || colours != 1 => {
                found.blocks(Says::Grey { size: wanted, channels: colours });
            }
            SourceKind::Idx(_) => self.fit_indices(schema, mapping, found),
            _ => {
                if other {
                    found.notes(Says::Resized { size: wanted });
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

fn fit_feature(profile: &ColumnProfile, scale: Option<(f32, f32)>, found: &mut Findings) {
    let column = profile.name.clone();
    match (profile.kind, &profile.odd, profile.numbers) {
        (ColumnType::Number, Some((place, word)), _) => {
            let (word, place) = (word.clone(), place.clone());
            found.blocks(Says::NoNumber { column, word, place });
        }
        (ColumnType::Number, None, Some(numbers)) => {
            if numbers.minimum >= numbers.maximum {
                found.notes(Says::Constant { column: column.clone(), value: numbers.minimum });
            }
            let Some((theirs, deviation)) = scale else { return };
            let away = (numbers.mean - f64::from(theirs)).abs() / f64::from(deviation);
            if away > DEVIATIONS_MAX {
                found.warns(Says::OtherUnit { column, mean: numbers.mean, theirs });
            }
        }
        (ColumnType::Boolean, ..)
            if profile
                .levels
                .as_ref()
                .is_some_and(|levels| levels.keys().all(|word| truth(word))) => {}
        (ColumnType::Empty, ..) => found.blocks(Says::Empty { column }),
        (kind, ..) => found.blocks(Says::OtherKind { column, kind }),
    }
}

/// Which words [`crate::Cell::number`] takes for 0 and 1.
fn truth(word: &str) -> bool {
    word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false")
}

fn fit_label(column: &ColumnProfile, schema: &Schema, mapping: &Mapping, found: &mut Findings) {
    let Some(levels) = &column.levels else {
        let (column, classes) = (column.name.clone(), schema.classes().len());
        return found.blocks(Says::ManyLabels { column, classes });
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
        let likely = nearest(word, schema.classes()).map(str::to_owned);
        let remedy = Remedy::Class { word: word.clone(), likely: likely.clone() };
        let (column, classes) = (column.name.clone(), schema.classes().to_vec());
        (Says::NoClass { word: word.clone(), column, classes, likely }, remedy)
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
    let class = |at: usize| schema.classes()[at].clone();
    if present.len() == 1 {
        return found.warns(Says::OneClass { class: class(most.0) });
    }
    let absent: Vec<String> = (0..counts.len()).filter(|at| counts[*at] == 0).map(class).collect();
    if !absent.is_empty() {
        found.notes(Says::Absent { classes: absent });
    }
    if most.1 / least.1 >= IMBALANCE_MAX {
        let (most, least) = ((most.1, class(most.0)), (least.1, class(least.0)));
        found.warns(Says::Unbalanced { most, least });
    }
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn push(&mut self, weight: Weight, says: Says, remedy: Option<Remedy>) {
        self.0.push(Finding { weight, says, remedy });
    }

    fn blocks(&mut self, says: Says) {
        self.push(Weight::Blocks, says, None);
    }

    fn warns(&mut self, says: Says) {
        self.push(Weight::Warns, says, None);
    }

    fn notes(&mut self, says: Says) {
        self.push(Weight::Notes, says, None);
    }

    /// One finding for each name, and one for those that are too many to list.
    fn listed(&mut self, names: &[String], say: impl Fn(&String) -> (Says, Remedy)) {
        for name in names.iter().take(LISTED_MAX) {
            let (says, remedy) = say(name);
            self.push(Weight::Blocks, says, Some(remedy));
        }
        if let Some(count) = names.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
            self.blocks(Says::More { count });
        }
    }
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
