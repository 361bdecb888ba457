//! Rows of features, as a buyer has them: numbers in a line, or a CSV file.

use anyhow::{Context as _, bail};

/// Most rows of one request, as the node takes them.
pub(super) const ROWS_MAX: usize = 1_024;

/// Reads one row: numbers with commas between them.
pub(super) fn row_from_text(text: &str) -> anyhow::Result<Vec<f64>> {
    text.split(',').enumerate().map(|(column, cell)| number(cell, column)).collect()
}

/// Reads the rows of a CSV file with commas or semicolons.
///
/// * `features` — the model's features. If the first line has no numbers, it names the columns:
///   the features are picked by name then, in any order, and other columns are left out.
pub(super) fn rows_from_csv(text: &str, features: &[String]) -> anyhow::Result<Vec<Vec<f64>>> {
    let lines: Vec<(usize, Vec<&str>)> = (1..)
        .zip(text.trim_start_matches('\u{feff}').lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, cells(line)))
        .collect();
    let Some((first, rest)) = lines.split_first() else {
        bail!("the file has no rows");
    };
    let named = first.1.iter().all(|cell| cell.parse::<f64>().is_err());
    let (columns, lines) = if named {
        (columns_by_name(&first.1, features)?, rest)
    } else {
        ((0..features.len()).collect(), &lines[..])
    };
    let row = |(line, cells): &(usize, Vec<&str>)| {
        if !named && cells.len() != features.len() {
            bail!("line {line} has {} values, the model takes {}", cells.len(), features.len());
        }
        let cell = |column: &usize| cells.get(*column).copied().unwrap_or_default();
        let row = columns.iter().map(|column| number(cell(column), *column));
        row.collect::<anyhow::Result<_>>().with_context(|| format!("line {line}"))
    };
    let rows: Vec<_> = lines.iter().map(row).collect::<anyhow::Result<_>>()?;
    match rows.len() {
        0 => bail!("the file has a header, but no rows"),
        1..=ROWS_MAX => Ok(rows),
        count => bail!("the file has {count} rows, a request takes at most {ROWS_MAX}: split it"),
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split([',', ';']).map(|cell| cell.trim().trim_matches('"').trim()).collect()
}

fn columns_by_name(header: &[&str], features: &[String]) -> anyhow::Result<Vec<usize>> {
    let column = |feature: &String| {
        let found = header.iter().position(|name| name == feature);
        found.with_context(|| format!("the file has no column {feature:?}, which the model takes"))
    };
    features.iter().map(column).collect()
}

fn number(cell: &str, column: usize) -> anyhow::Result<f64> {
    let number = cell.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    number.with_context(|| format!("{cell:?} in column {} is not a number", column + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> Vec<String> {
        ["acidity", "fixed sugar"].map(str::to_owned).to_vec()
    }

    fn check(text: &str, expected: &[[f64; 2]]) {
        assert_eq!(rows_from_csv(text, &features()).unwrap(), expected, "{text}");
    }

    #[test]
    fn rows_are_read_with_and_without_a_header() {
        check("1,2\n3,4\n", &[[1.0, 2.0], [3.0, 4.0]]);
        check("\u{feff}\"fixed sugar\";\"quality\";\"acidity\"\n2;5;1\n\n", &[[1.0, 2.0]]);
        check("1; 2\r\n", &[[1.0, 2.0]]);
        assert_eq!(row_from_text("7.4, -0.7").unwrap(), [7.4, -0.7]);
    }

    #[test]
    fn what_is_no_row_of_the_model_is_refused_with_its_place() {
        let refused = |text: &str| format!("{:#}", rows_from_csv(text, &features()).unwrap_err());
        assert!(refused("1,2\n1,x").contains("line 2"));
        assert!(refused("1,2,3").contains("3 values"));
        assert!(refused("acidity,sugar\n1,2").contains("fixed sugar"));
        assert!(refused("acidity,fixed sugar\n1").contains("column 2"));
        assert!(refused("acidity,fixed sugar\n").contains("no rows"));
        assert!(refused("").contains("no rows"));
        assert!(refused(&"1,2\n".repeat(ROWS_MAX + 1)).contains("split it"));
        assert!(row_from_text("1,nan").is_err());
        assert!(row_from_text("").is_err());
    }
}
