//! The data: what is said of them, and what remedies it.

use datasets::{ImageShape, Mapping};
use egui_kittest::kittest::Queryable as _;
use serde_json::json;
use trainer_desktop::{Browsed, Effect, Failure, Language, News, Preview, Terms, Words};

use crate::harness::{Tested, header, preview, ready, table, terms};

#[test]
fn data_that_do_not_fit_are_told_with_what_to_fix() {
    let mut tested = ready();
    tested.click("Data  •");
    tested.assert_sees(&["It fits: 100 rows.", "60 · 60 %", "9.400", "No row is there twice."]);
    tested.assert_sees(&["CSV, separated by", "9.4 to 9.499, mean 9.4495", "ordinary (60)"]);
    let text = table(&header().replace("pH,", "colour,"), "good").replace("9.400,9.400", "x,9.400");
    tested.tell(preview("odd.csv", &text, Mapping::default()));
    tested.assert_sees(&[
        "It does not fit yet.",
        "To fix: The federation's column “pH” is missing; say below what it is",
        "The federation does not know the column “colour”",
        "has a value that is no number: “x” in line 2; correct it",
    ]);
    let reason = "the file cannot be read".to_owned();
    tested.tell(News::Failed { what: Failure::Table, reason });
    tested.assert_sees(&["The table: the file cannot be read"]);
    tested.click("Training");
    tested.assert_sees(&["Before training, something is missing:"]);
}

#[test]
fn each_misfit_is_remedied_by_one_click() {
    let mut tested = ready();
    tested.click("Data  •");
    // Another spelling, a column too many, a value that is missing, another word for a class.
    let text = table(&header().replace("pH", "Ph").replace(",quality", ",note,quality"), "Good")
        .replacen("9.400,", ",", 1);
    let mut news = preview("mine.csv", &text, Mapping::default());
    tested.tell(news.clone());
    tested.assert_sees(&["It does not fit yet.", "Values are missing"]);
    for (button, next) in [
        ("Take “Ph” for “pH”", "does not know the column “note”"),
        ("Leave out “note”", "“Good” in “quality” is none of the classes"),
        ("Count “Good” as “good”", "Values are missing (“fixed acidity”: 1)"),
        ("leave out such rows", "It fits: 100 rows."),
    ] {
        // The second of two of this name is the finding's; the first is the rule's.
        tested.harness.get_all_by_label(button).next().unwrap().click();
        tested.steps();
        tested.assert_sees(&[next]);
    }
    let mut saved = tested.effects().into_iter().filter_map(|effect| match effect {
        Effect::Save(settings) => Some(settings.mapping),
        _ => None,
    });
    let mapping = saved.next_back().unwrap();
    assert_eq!((mapping.columns["Ph"].as_str(), mapping.words["Good"].as_str()), ("pH", "good"));
    // Remembered: read again, the same file fits.
    news = preview("mine.csv", &text, mapping);
    tested.tell(news);
    tested.assert_sees(&["It fits: 100 rows."]);
}

#[test]
fn json_lines_are_shown_like_other_tables() {
    let mut tested = ready();
    tested.click("Data  •");
    let features = terms().features;
    let line = |row: usize| {
        let cells = features.iter().map(|name| (name.clone(), json!(row as f64 / 7.0)));
        let label =
            ("quality".to_owned(), json!(if row.is_multiple_of(2) { "good" } else { "ordinary" }));
        serde_json::Value::Object(cells.chain([label]).collect()).to_string()
    };
    let lines: Vec<String> = (0..10).map(line).collect();
    tested.tell(preview("wine.jsonl", &lines.join("\n"), Mapping::default()));
    tested.assert_sees(&["It fits: 10 rows.", "JSON lines"]);
    tested.click("Choose a folder …");
    assert!(matches!(tested.effects()[..], [Effect::Save(_), Effect::Browse(Browsed::Folder)]));
}

#[test]
fn pictures_are_shown_with_what_the_federation_makes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    // IDX: magic, sizes, bytes; four pictures of 2 x 2 pixels in two classes.
    let images =
        [&[0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2][..], &(0..16).collect::<Vec<u8>>()];
    std::fs::write(dir.path().join("some-images"), images.concat()).unwrap();
    std::fs::write(dir.path().join("some-labels"), [0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 1, 1]).unwrap();
    let terms = Terms {
        features: ImageShape::new(2, 2).unwrap().columns(),
        label: "class".to_owned(),
        classes: ["dark", "light"].map(str::to_owned).to_vec(),
        ..terms()
    };
    let mut tested = ready();
    tested.tell(News::Terms {
        invitation: "sahakar://join?x".to_owned(),
        terms: Box::new(terms.clone()),
    });
    tested.click("Data");
    let read = Preview::read(dir.path(), &terms, Mapping::default()).unwrap();
    tested.tell(News::Table(Box::new(read)));
    tested.assert_sees(&["pictures of 2 × 2 pixels", "It fits: 4 rows.", "IDX images", "3 · 75 %"]);
    let table = Terms { features: vec!["pH".to_owned()], ..terms };
    let read = Preview::read(dir.path(), &table, Mapping::default()).unwrap();
    tested.tell(News::Table(Box::new(read)));
    tested.assert_sees(&["These are pictures, and the federation learns from tables"]);
}

/// What is said of data, whatever is wrong with them, in Hindi: no sentence of the reader's is left in English.
#[test]
fn findings_are_told_in_the_persons_language() {
    let hindi = Words::of(Language::Hindi);
    let mut settings = ready().desk().settings.clone();
    settings.language = Language::Hindi;
    let mut tested = Tested::open(settings);
    tested.tell(News::Key { member: "ab".to_owned(), words: None });
    tested
        .tell(News::Terms { invitation: "sahakar://join?x".to_owned(), terms: Box::new(terms()) });
    tested.click(hindi.text("nav_data"));
    let row = |label: &str| format!("x,{}{label}\n", "1,".repeat(terms().features.len() - 1));
    let header = header().replace("pH,", "colour,");
    let text = format!("{header}\n{}{}1,2\n", row("gut"), row("gut"));
    tested.tell(preview("mine.csv", &text, Mapping::default()));
    let line = hindi.fill("place_line", &[("number", "2")]);
    let no_number = [("column", "fixed acidity"), ("word", "x"), ("place", line.as_str())];
    tested.assert_sees(&[
        &hindi.fill("found_lacking", &[("column", "pH")]),
        &hindi.fill("found_unknown", &[("column", "colour")]),
        &hindi.fill("found_copies", &[("copies", "1"), ("rows", "2")]),
        &hindi.fill(
            "found_other_kind",
            &[("column", "fixed acidity"), ("kind", hindi.text("type_category"))],
        ),
        hindi.text("found_odd_do"),
    ]);
    assert!(!tested.sees(&hindi.fill("found_no_number", &no_number)), "it is a column of words");
    for english in ["the federation", "column", "values", "rows", "is missing"] {
        assert!(!tested.sees(english), "{english:?} is left in English");
    }
}

/// Files that cannot be read, as they are on disks: each reason is told in Hindi, with the place in the file.
#[test]
fn why_data_cannot_be_read_is_told_in_the_persons_language() {
    let hindi = Words::of(Language::Hindi);
    let mut settings = ready().desk().settings.clone();
    settings.language = Language::Hindi;
    let mut tested = Tested::open(settings);
    tested.tell(News::Key { member: "ab".to_owned(), words: None });
    let invitation = "sahakar://join?x".to_owned();
    tested.tell(News::Terms { invitation, terms: Box::new(terms()) });
    let dir = tempfile::tempdir().unwrap();
    let mut why = |bytes: Option<&[u8]>, expected: &str, line: Option<&str>| {
        let path = dir.path().join("1");
        if let Some(bytes) = bytes {
            std::fs::write(&path, bytes).unwrap();
        }
        let refused = Preview::read(&path, &terms(), Mapping::default()).err().unwrap();
        let trainer_desktop::PreviewError::Source(refused) = refused else { panic!("{refused}") };
        tested.tell(News::Unreadable(Box::new(refused.refusal())));
        let line = line.map(|number| hindi.fill("place_line", &[("number", number)]));
        let place = line.map(|line| format!(", {line}")).unwrap_or_default();
        let sentence = format!("{}{place}: {expected}", path.display());
        tested.assert_sees(&[&sentence]);
        assert!(matches!(tested.desk().table, trainer_desktop::Table::None));
    };
    let text = |key| hindi.text(key);
    why(None, text("refused_not_there"), None);
    why(Some(b""), text("refused_empty"), None);
    why(Some(b"PK\x03\x04 a sheet"), text("refused_zip"), None);
    why(Some(b"%PDF-1.7"), text("refused_pdf"), None);
    why(Some(&[0, 159, 146, 150]), text("refused_unknown"), None);
    why(Some(b"[{\"a\": 1}]"), text("refused_json_array"), None);
    why(Some(b"{\"a\": 1}\n{\"a\": 2\n"), text("refused_no_json"), Some("2"));
    let key = hindi.fill("refused_late_key", &[("key", "b")]);
    let late = ["{\"a\":1}\n".repeat(1_000), "{\"b\":1}\n".to_owned()].concat();
    why(Some(late.as_bytes()), &key, Some("1001"));
}
