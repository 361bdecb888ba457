//! What is said about data, in the window's language.

use datasets::{ColumnType, MissingRule, Oddity, Place, Says};

use super::{figures, view::View};

/// Names that are listed in one sentence.
const LISTED_MAX: usize = 12;

/// What is so.
pub(super) fn what(view: &View<'_>, says: &Says) -> String {
    match says {
        Says::NoRow => view.t("found_no_row").to_owned(),
        Says::OddPictures(odd) | Says::OddRecords(odd) => {
            let (count, first) = (odd.count.to_string(), place(view, &odd.first));
            let what = oddity(view, &odd.what);
            let holes = [("count", count.as_str()), ("first", &first), ("what", &what)];
            let pictures = matches!(says, Says::OddPictures(_));
            view.fill(if pictures { "found_odd_pictures" } else { "found_odd_records" }, &holes)
        }
        Says::Copies { copies, rows, estimated } => {
            let key = if *estimated { "found_copies_about" } else { "found_copies" };
            view.fill(key, &[("copies", &copies.to_string()), ("rows", &rows.to_string())])
        }
        Says::Missing { columns, .. } => {
            let columns = listed(columns.iter().map(|(name, count)| format!("“{name}”: {count}")));
            view.fill("found_missing", &[("columns", &columns)])
        }
        Says::More { count } => view.fill("found_more", &[("count", &count.to_string())]),
        Says::PicturesForTables => view.t("found_pictures_for_tables").to_owned(),
        Says::TooMany { pictures, values, most } => {
            let [pictures, values, most] = [pictures, values, most].map(ToString::to_string);
            let holes = [("pictures", &*pictures), ("values", &*values), ("most", &*most)];
            view.fill("found_too_many", &holes)
        }
        Says::Grey { size, channels } => {
            view.fill("found_grey", &[("size", size), ("channels", &channels.to_string())])
        }
        Says::Resized { size } => view.fill("found_resized", &[("size", size)]),
        says => {
            label(view, says).or_else(|| column(view, says)).unwrap_or_else(|| says.to_string())
        }
    }
}

/// About a column.
fn column(view: &View<'_>, says: &Says) -> Option<String> {
    let one = |key, column: &str| Some(view.fill(key, &[("column", column)]));
    match says {
        Says::Unheard { column } => one("found_unheard", column),
        Says::Twice { column } => one("found_twice", column),
        Says::Lacking { column, .. } => one("found_lacking", column),
        Says::Unknown { column } => one("found_unknown", column),
        Says::Empty { column } => one("found_empty", column),
        Says::NoNumber { column, word, place: at } => {
            let place = place(view, at);
            let holes = [("column", column.as_str()), ("word", word), ("place", &place)];
            Some(view.fill("found_no_number", &holes))
        }
        Says::Constant { column, value } => {
            let value = figures::number(*value);
            Some(view.fill("found_constant", &[("column", column), ("value", &value)]))
        }
        Says::OtherUnit { column, mean, theirs } => {
            let (mean, theirs) = (figures::number(*mean), figures::number(f64::from(*theirs)));
            let holes = [("column", column.as_str()), ("mean", &mean), ("theirs", &theirs)];
            Some(view.fill("found_other_unit", &holes))
        }
        Says::OtherKind { column, kind } => {
            let kind = match kind {
                ColumnType::Boolean => view.t("type_boolean"),
                ColumnType::Category => view.t("type_category"),
                ColumnType::Date => view.t("type_date"),
                _ => view.t("type_text"),
            };
            Some(view.fill("found_other_kind", &[("column", column), ("kind", kind)]))
        }
        _ => None,
    }
}

/// About the column of labels.
fn label(view: &View<'_>, says: &Says) -> Option<String> {
    Some(match says {
        Says::ManyLabels { column, classes } => {
            let classes = classes.to_string();
            view.fill("found_many_labels", &[("column", column), ("classes", &classes)])
        }
        Says::NoClass { word, column, classes, .. } => {
            let classes = quoted(classes);
            let holes = [("word", word.as_str()), ("column", column), ("classes", &classes)];
            view.fill("found_no_class", &holes)
        }
        Says::OneClass { class } => view.fill("found_one_class", &[("class", class)]),
        Says::Absent { classes } => view.fill("found_absent", &[("classes", &quoted(classes))]),
        Says::Unbalanced { most: (most, of), least: (least, than) } => {
            let (most, least) = (most.to_string(), least.to_string());
            let holes = [("most", &*most), ("of", of), ("least", &*least), ("than", than)];
            view.fill("found_unbalanced", &holes)
        }
        _ => return None,
    })
}

/// What to do about it, where no button does it.
pub(super) fn advice(view: &View<'_>, says: &Says) -> String {
    let text = match says {
        Says::NoRow => view.t("found_no_row_do"),
        Says::OddPictures(_) | Says::OddRecords(_) => view.t("found_odd_do"),
        Says::Copies { .. } => view.t("found_copies_do"),
        Says::Unheard { .. } => view.t("found_unheard_do"),
        Says::Twice { .. } => view.t("found_twice_do"),
        Says::Lacking { .. } | Says::NoClass { .. } => view.t("finding_below"),
        Says::Unknown { .. } => view.t("found_unknown_do"),
        Says::Missing { rule: MissingRule::Refuse, .. } => view.t("found_missing_do"),
        Says::Missing { rule: MissingRule::Drop, .. } => view.t("found_missing_drop"),
        Says::Missing { rule: MissingRule::Mean, .. } => view.t("found_missing_mean"),
        Says::PicturesForTables => view.t("found_pictures_for_tables_do"),
        Says::TooMany { .. } => view.t("found_too_many_do"),
        Says::Grey { .. } => view.t("found_grey_do"),
        Says::Resized { .. } => view.t("found_resized_do"),
        Says::NoNumber { .. } => view.t("found_no_number_do"),
        Says::Constant { .. } => view.t("found_constant_do"),
        Says::OtherUnit { .. } => view.t("found_other_unit_do"),
        Says::Empty { .. } => view.t("found_empty_do"),
        Says::OtherKind { .. } => view.t("found_other_kind_do"),
        Says::ManyLabels { .. } => view.t("found_many_labels_do"),
        Says::OneClass { .. } => view.t("found_one_class_do"),
        Says::Absent { .. } => view.t("found_absent_do"),
        Says::Unbalanced { .. } => view.t("found_unbalanced_do"),
        Says::More { .. } => view.t("found_more_do"),
        // What a newer reader finds is told in its words rather than not at all.
        other => return other.advice(),
    };
    text.to_owned()
}

pub(super) fn place(view: &View<'_>, place: &Place) -> String {
    match place {
        Place::Line(line) => view.fill("place_line", &[("number", &line.to_string())]),
        Place::Row(row) => view.fill("place_row", &[("number", &row.to_string())]),
        Place::File(path) => path.display().to_string(),
    }
}

fn oddity(view: &View<'_>, what: &Oddity) -> String {
    match what {
        Oddity::Ragged { expected, got } => {
            let (expected, got) = (expected.to_string(), got.to_string());
            view.fill("found_ragged", &[("expected", &expected), ("got", &got)])
        }
        // Why a picture cannot be read is told by who reads it.
        Oddity::Damaged(why) => why.clone(),
    }
}

fn quoted(names: &[String]) -> String {
    listed(names.iter().map(|name| format!("“{name}”")))
}

fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = if names.len() > LISTED_MAX { ", …" } else { "" };
    format!("{}{more}", names.take(LISTED_MAX).collect::<Vec<_>>().join(", "))
}
