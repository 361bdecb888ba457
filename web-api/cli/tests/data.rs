//! What a contributor has: looked at, held against a federation, and trained on in real rounds, whatever its format.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[expect(dead_code, reason = "this file starts a co-operative of its own making")]
mod world;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use datasets::{ImageShape, Schema, Table, table_to_csv, wine};
use rand::{rand_core::UnwrapErr, rngs::SysRng};
use sahakar::{
    demo::{
        cooperative::{Cooperative, CooperativePlan, DAO},
        wineries::{Kind, Winery},
    },
    serve::SealingMode,
};
use serde_json::{Value, json};
use trainer_model::DeviceChoice;

fn sahakar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sahakar")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn written(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

fn wine_schema(dir: &Path) -> String {
    let schema = wine::table().schema().clone();
    let schema = json!({"features": schema.features(), "label": schema.label(), "classes": schema.classes()});
    written(dir, "schema.json", schema.to_string())
}

fn wine_csv(table: &Table) -> Vec<u8> {
    let mut csv = Vec::new();
    table_to_csv(&mut csv, table).unwrap();
    csv
}

#[test]
fn data_that_fit_are_shown_and_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let schema = wine_schema(dir.path());
    let data = written(dir.path(), "mine", wine_csv(&wine::table()));
    let output = sahakar(&["data", "check", &data, "--schema", &schema]);
    let (shown, error) = text(&output);
    assert_eq!(output.status.code(), Some(0), "{error}");
    for words in [
        "CSV, separated by commas, UTF-8",
        "1599 rows, 12 columns",
        "fixed acidity",
        "good 855, ordinary 744",
        "of 1599 rows are there before",
        "The data fit the federation.",
    ] {
        assert!(shown.contains(words), "{words:?}: {shown}");
    }
    let output = sahakar(&["data", "check", &data, "--schema", &schema, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (json["rows"].clone(), json["columns"][11]["levels"]["good"].clone()),
        (1599.into(), 855.into())
    );
    assert_eq!(json["findings"].as_array().unwrap().len(), 1, "the duplicates");
}

#[test]
fn what_to_fix_is_said_and_a_mapping_fixes_it() {
    let dir = tempfile::tempdir().unwrap();
    let schema = written(
        dir.path(),
        "schema.toml",
        "features = [\"acid\", \"sugar\"]\nlabel = \"grade\"\nclasses = [\"bad\", \"good\"]\n",
    );
    let rows = "{\"Acid\": 1, \"sugar\": 2, \"grade\": \"gut\", \"note\": \"x\"}\n{\"Acid\": 2, \"sugar\": null, \"grade\": \"bad\", \"note\": \"y\"}\n{\"Acid\": 2.5, \"sugar\": 1, \"grade\": \"gut\", \"note\": \"y\"}\n";
    let data = written(dir.path(), "mine", rows);
    let check = ["data", "check", &data, "--schema", &schema];
    let output = sahakar(&check);
    let (shown, error) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(error.contains("4 things are to fix"), "{error}");
    for words in [
        "JSON lines",
        "is it \"Acid\"? Then --map \"Acid=acid\"",
        "--ignore \"note\"",
        "--class",
        "--missing drop",
    ] {
        assert!(shown.contains(words), "{words:?}: {shown}");
    }
    let fixed =
        ["--map", "Acid=acid", "--ignore", "note", "--class", "gut=good", "--missing", "mean"];
    let output = sahakar(&[&check[..], &fixed].concat());
    assert_eq!(output.status.code(), Some(0), "{:?}", text(&output));
    let mapping = written(
        dir.path(),
        "mapping.toml",
        "ignore = [\"*\"]\nmissing = \"drop\"\n[columns]\nAcid = \"acid\"\n[words]\ngut = \"good\"\n",
    );
    let output = sahakar(&[&check[..], &["--mapping", &mapping]].concat());
    assert_eq!(output.status.code(), Some(0), "{:?}", text(&output));
}

#[test]
fn bad_usage_and_unreadable_data_are_one_sentence() {
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = sahakar(arguments);
        let (_, error) = text(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words) && !error.contains("panicked"), "{arguments:?}: {error}");
    };
    refused(&["data", "check", "/nowhere/at/all"], 1, "there is no such file or folder");
    refused(&["data", "check", "x", "--map", "no"], 2, "expected YOURS=THEIRS");
    refused(&["data", "check", "x", "--missing", "guess"], 2, "expected refuse, drop or mean");
    refused(&["data", "fetch", "iris", "--data-dir", "x"], 2, "wine, fashion-mnist");
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    refused(
        &["data", "fetch", "heart", "--data-dir", &folder, "--mirror", "not an address"],
        1,
        "cannot be asked",
    );
}

#[test]
fn published_sets_are_listed_with_licence_and_digest() {
    let (shown, _) = text(&sahakar(&["data", "list"]));
    for words in ["cifar-10", "CC BY-SA 3.0", "processed.cleveland.data"] {
        assert!(shown.contains(words), "{shown}");
    }
    let output = sahakar(&["data", "list", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 7);
    assert_eq!(json[1]["files"][0]["sha256"][0].as_str().unwrap().len(), 64);
    let (shown, _) = text(&sahakar(&["data", "fetch", "wine", "--data-dir", "unused"]));
    assert!(shown.contains("part of this program") && !PathBuf::from("unused").exists());
}

/// A co-operative over pictures of 4 x 4 pixels, in which each contributor keeps them in another way.
fn picture_makers(dir: &Path) -> (Schema, Vec<Winery>, [PathBuf; 2]) {
    let shape = ImageShape::new(4, 4).unwrap();
    let classes = ["dark", "light"].map(str::to_owned).to_vec();
    let schema = Schema::new(shape.columns(), "class".to_owned(), classes).unwrap();
    // Two classes that a linear model tells apart.
    let pixels = |count: usize, salt: usize| -> (Vec<u8>, Vec<u8>) {
        let labels: Vec<u8> = (0..count).map(|row| u8::from(row % 2 == 1)).collect();
        let of = |row: usize, pixel: usize| (row * 31 + pixel * 17 + salt * 7) % 100;
        let pixel = |row: usize, pixel: usize| of(row, pixel) + if row % 2 == 1 { 140 } else { 10 };
        let pixels = (0..count).flat_map(|row| (0..16).map(move |at| (row, at)));
        (pixels.map(|(row, at)| u8::try_from(pixel(row, at)).unwrap()).collect(), labels)
    };
    let table = |count, salt| {
        let (pixels, labels) = pixels(count, salt);
        let values = pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect();
        Table::new(schema.clone(), values, labels.into_iter().map(u32::from).collect()).unwrap()
    };
    let place = |name: &str| dir.join(name);
    for (name, salt) in [("validation.csv", 1), ("test.csv", 2), ("plain.csv", 3)] {
        fs::write(place(name), wine_csv(&table(60, salt))).unwrap();
    }
    // Class folders of PNG files.
    let (bytes, labels) = pixels(40, 4);
    for (row, (image, label)) in bytes.chunks_exact(16).zip(labels).enumerate() {
        let folder = place("folders").join(["dark", "light"][usize::from(label)]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{row}.png")), grey_png(4, image)).unwrap();
    }
    // IDX.
    let (bytes, labels) = pixels(40, 5);
    fs::create_dir_all(place("idx")).unwrap();
    let header = [0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 4, 0, 0, 0, 4];
    fs::write(place("idx/some-images"), [&header[..], &bytes].concat()).unwrap();
    fs::write(place("idx/some-labels"), [&[0, 0, 8, 1, 0, 0, 0, 40][..], &labels].concat())
        .unwrap();
    // JSON lines.
    let kept = table(40, 6);
    let lines = kept.iter().map(|(row, label)| {
        let cells = schema.features().iter().cloned().zip(row.iter().map(|value| json!(value)));
        let class = ("class".to_owned(), json!(schema.classes()[label as usize]));
        Value::Object(cells.chain([class]).collect()).to_string()
    });
    fs::write(place("lines"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    let makers = ["plain.csv", "folders", "idx", "lines"].map(|name| Winery {
        label: name.to_owned(),
        rows: 40,
        kind: Kind::Honest,
        csv: place(name),
    });
    (schema, makers.to_vec(), [place("validation.csv"), place("test.csv")])
}

/// A grey PNG without compression.
fn grey_png(side: u32, pixels: &[u8]) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |name: &[u8], data: &[u8]| {
        let body = [name, data].concat();
        png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        png.extend(&body);
        let crc = body.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        });
        png.extend((!crc).to_be_bytes());
    };
    let size = side.to_be_bytes();
    chunk(b"IHDR", &[&size[..], &size, &[8, 0, 0, 0, 0]].concat());
    let rows: Vec<u8> =
        pixels.chunks_exact(side as usize).flat_map(|row| [&[0], row].concat()).collect();
    let length = u16::try_from(rows.len()).unwrap();
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in &rows {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let adler = (b << 16 | a).to_be_bytes();
    let stored =
        [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &rows, &adler];
    chunk(b"IDAT", &stored.concat());
    chunk(b"IEND", &[]);
    png
}

#[tokio::test(flavor = "multi_thread")]
async fn a_federation_over_pictures_is_trained_on_whatever_its_members_keep_them_in() {
    let dir = tempfile::tempdir().unwrap();
    let (schema, wineries, [validation, test]) = picture_makers(dir.path());
    let plan = CooperativePlan {
        program: env!("CARGO_BIN_EXE_sahakar").into(),
        dir: dir.path().join("co-operative"),
        rounds: 2,
        mode: SealingMode::Mpc,
        device: DeviceChoice::Cpu,
        seed: 3,
        round_deadline_ms: 60_000,
        noise_multiplier: 0.0,
        validation,
        test,
        schema,
        wineries: wineries.clone(),
        adjust: |_| {},
        found: |_| {},
    };
    let mut cooperative = Cooperative::start(plan, &mut UnwrapErr(SysRng)).await.unwrap();
    let mut seen = Vec::new();
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    for winery in &wineries {
        let counted = |(from, value): &(String, Value)| {
            *from == winery.label
                && value["event"] == "ready"
                && value["samples"].as_u64() >= Some(40)
        };
        assert!(seen.iter().any(counted), "{}: {seen:?}", winery.label);
    }
    let report = world::audit(&cooperative).await;
    assert_eq!((report.rounds_settled, report.members), (2, 4));
    cooperative.end_all().await;
}
