//! Named sets: read from a folder, checked against what was published, and missing files named.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are indices of characters"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use datasets::{
    ClassLabels, ColumnKind, Dataset, LoadError, NamedDataset, RowSource as _, Windowing, natural,
};

/// The folder with the published files, if there is one here. It is not part of the project: without
/// `SAHAKAR_DATA_DIR` a test that needs it says so and passes.
fn data_dir() -> Option<PathBuf> {
    let folder = env::var_os("SAHAKAR_DATA_DIR").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: SAHAKAR_DATA_DIR names no folder with published data sets");
    }
    folder
}

fn load_error(dataset: NamedDataset, folder: &Path) -> LoadError {
    dataset.load(Some(folder)).unwrap_err()
}

#[test]
fn a_set_is_known_by_its_name() {
    for dataset in NamedDataset::ALL {
        assert_eq!(dataset.to_string().parse(), Ok(dataset));
    }
    let error = "cifar".parse::<NamedDataset>().unwrap_err();
    assert!(error.to_string().starts_with("expected a data set among wine, fashion-mnist, "));
}

#[test]
fn published_digests_are_64_hexadecimal_digits_and_differ() {
    let mut digests: Vec<_> = NamedDataset::ALL
        .iter()
        .flat_map(|dataset| dataset.files())
        .flat_map(|f| f.sha256)
        .collect();
    let is_hex = |digest: &str| {
        digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    assert!(digests.iter().all(|digest| is_hex(digest)));
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn wine_needs_no_folder() {
    let loaded = NamedDataset::Wine.load(None).unwrap();
    assert_eq!(loaded.rows.rows(), 1_599);
    assert_eq!(loaded.test, None);
}

#[test]
fn a_set_without_a_folder_says_what_it_needs() {
    let error = NamedDataset::FashionMnist.load(None).unwrap_err().to_string();
    for part in ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte", "github.com/zalandoresearch"]
    {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn files_that_are_missing_are_named_with_the_folder_they_belong_to() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("mnist");
    let LoadError::FilesMissing { files, folder: wanted, .. } =
        load_error(NamedDataset::Mnist, folder.path())
    else {
        panic!("files are missing");
    };
    assert_eq!((files.len(), &wanted), (4, &own));

    fs::create_dir(&own).unwrap();
    fs::write(own.join("train-images-idx3-ubyte.gz"), b"").unwrap();
    fs::write(own.join("t10k-images-idx3-ubyte"), b"").unwrap();
    let error = load_error(NamedDataset::Mnist, folder.path());
    let LoadError::FilesMissing { files, .. } = &error else { panic!("{error}") };
    assert_eq!(files, &["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"]);
    assert!(error.to_string().contains("get them from https://"), "{error}");
}

/// A folder with four files of the right names, well formed but not the published ones.
fn four_files(folder: &Path) {
    let images = [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &[9]].concat();
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 1][..], &[0]].concat();
    for set in ["train", "t10k"] {
        fs::write(folder.join(format!("{set}-images-idx3-ubyte")), &images).unwrap();
        fs::write(folder.join(format!("{set}-labels-idx1-ubyte")), &labels).unwrap();
    }
}

#[test]
fn a_file_that_is_not_the_published_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    four_files(folder.path());
    let error = load_error(NamedDataset::Mnist, folder.path());
    assert!(matches!(error, LoadError::DigestMismatch { .. }), "{error}");
    assert!(error.to_string().contains("expected ba891046"), "{error}");
}

#[test]
fn a_broken_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    four_files(folder.path());
    fs::write(folder.path().join("train-images-idx3-ubyte"), b"<html>").unwrap();
    let error = load_error(NamedDataset::Mnist, folder.path());
    let LoadError::Idx { path, .. } = &error else { panic!("{error}") };
    assert!(path.ends_with("train-images-idx3-ubyte"), "{error}");
}

#[test]
fn a_folder_in_place_of_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    four_files(folder.path());
    fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
    fs::create_dir(folder.path().join("train-images-idx3-ubyte")).unwrap();
    let error = load_error(NamedDataset::Mnist, folder.path());
    assert!(matches!(error, LoadError::NotAFile { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_in_a_circle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    four_files(folder.path());
    let path = folder.path().join("train-images-idx3-ubyte");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let error = load_error(NamedDataset::Mnist, folder.path());
    assert!(matches!(error, LoadError::Open { .. }), "{error}");
}

#[test]
fn fashion_mnist_is_read_as_published() {
    let Some(folder) = data_dir() else { return };
    let loaded = NamedDataset::FashionMnist.load(Some(&folder)).unwrap();
    let (Dataset::Images(train), Some(Dataset::Images(test))) = (&loaded.rows, &loaded.test) else {
        panic!("images");
    };
    assert_eq!((train.rows(), test.rows()), (60_000, 10_000));
    assert_eq!((train.width(), train.classes()), (784, 10));
    assert_eq!(train.labels()[..5], [9, 0, 0, 3, 0]);
    assert_eq!(train.pixels().len(), 47_040_000);
    // Means of all pixels as they are published: 0.2860 and 0.2868.
    let mean = |pixels: &[u8]| {
        pixels.iter().map(|&pixel| u64::from(pixel)).sum::<u64>() as f64
            / (255.0 * pixels.len() as f64)
    };
    assert!((mean(train.pixels()) - 0.2860).abs() < 1e-4, "{}", mean(train.pixels()));
    assert!((mean(test.pixels()) - 0.2868).abs() < 1e-4, "{}", mean(test.pixels()));
    // MNIST has files of the same names: it must not take these for its own.
    let error = load_error(NamedDataset::Mnist, &folder.join("fashion-mnist"));
    assert!(matches!(error, LoadError::DigestMismatch { .. }), "{error}");
}

#[test]
fn adult_is_read_as_published() {
    let Some(folder) = data_dir() else { return };
    let loaded = NamedDataset::Adult.load(Some(&folder)).unwrap();
    let Dataset::Categorical(adult) = &loaded.rows else { panic!("categories") };
    assert_eq!(loaded.test, None);
    assert_eq!(adult.table().label_counts(), [24_720, 7_841], "as its description says");
    // 39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, White, Male,
    // 2174, 0, 40, United-States
    let first =
        [39.0, 7.0, 77_516.0, 10.0, 13.0, 5.0, 1.0, 2.0, 5.0, 2.0, 2_174.0, 0.0, 40.0, 39.0];
    assert_eq!(adult.table().row(0), Some(&first[..]));
    // Rows that lack a value, as its description counts them.
    let missing =
        |column: usize| adult.table().iter().filter(|(row, _)| row[column] == 0.0).count();
    assert_eq!([1, 6, 13].map(missing), [1_836, 1_843, 583]);
    let one_hot = adult.one_hot().unwrap();
    assert_eq!((one_hot.rows(), one_hot.feature_count()), (32_561, 6 + 107));
    let levels = adult.kinds().iter().map(|kind| match kind {
        ColumnKind::Number => 0,
        ColumnKind::Category { levels } => levels.len(),
    });
    assert_eq!(levels.sum::<usize>(), 107);
}

#[test]
fn shakespeare_is_read_as_published() {
    let Some(folder) = data_dir() else { return };
    let loaded = NamedDataset::load_plays(Some(&folder), Windowing { context: 80, stride: 8 });
    let Dataset::Text(plays) = &loaded.as_ref().unwrap().rows else { panic!("windows") };
    assert_eq!(plays.vocabulary().len(), 65);
    assert_eq!(plays.vocabulary()[0], '\n');
    let spoken = |characters: Vec<f32>| -> String {
        characters.iter().map(|&index| plays.vocabulary()[index as usize]).collect()
    };
    let citizen = plays.role_names().position(|name| name == "First Citizen").unwrap();
    let parts = natural(&plays.role_ids()).unwrap();
    let first = plays.take(&parts[citizen][..1]).unwrap();
    let opening =
        "Before we proceed any further, hear me speak.\nYou are all resolved rather to die";
    assert_eq!(spoken(first.values), opening);
    // 298 roles say something, 256 of them more than a window; counted by another program.
    assert_eq!((parts.len(), plays.role_names().count()), (256, 256));
    assert_eq!(plays.rows(), 125_783);
    assert!(ClassLabels::of(plays).is_ok());
}
