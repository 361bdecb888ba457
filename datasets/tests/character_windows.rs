//! Windows of characters: each with the character behind it, none over two roles, and a split by
//! time that shares no character.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are indices of characters"
)]

use std::{collections::BTreeSet, io};

use datasets::{CharacterWindows, RowOutOfRange, RowSource as _, Windowing, WindowsError, natural};
use proptest::prelude::*;

const PLAY: &str = "ANNA:\nabcd\n\nBEN  SON:\nxyz\n\nANNA:\nef\ng:\n\nOH:\n\nBEN SON:\nw\n";

fn windows(text: &str, context: usize, stride: usize) -> Result<CharacterWindows, WindowsError> {
    CharacterWindows::from_play(text.as_bytes(), Windowing { context, stride })
}

/// Each window, a bar, and the character that follows.
fn shown(windows: &CharacterWindows, rows: &[u32]) -> Vec<String> {
    let taken = windows.take(rows).unwrap();
    let character = |index: usize| windows.vocabulary()[index];
    let texts = taken.values.chunks_exact(windows.width());
    texts
        .zip(&taken.labels)
        .map(|(values, label)| {
            let text: String = values.iter().map(|&value| character(value as usize)).collect();
            format!("{text}|{}", character(*label as usize))
        })
        .collect()
}

fn all(windows: &CharacterWindows) -> Vec<u32> {
    (0..u32::try_from(windows.rows()).unwrap()).collect()
}

#[test]
fn windows_lie_within_what_one_role_says() {
    let windows = windows(PLAY, 3, 2).unwrap();
    // ANNA says "abcd\nef\ng:", BEN SON "xyz\nw".
    let expected = ["abc|d", "cd\n|e", "\nef|\n", "f\ng|:", "xyz|\n"];
    assert_eq!(shown(&windows, &all(&windows)), expected);
    assert_eq!(windows.role_names().collect::<Vec<_>>(), ["ANNA", "BEN SON"]);
    assert_eq!(windows.role_ids(), [0, 0, 0, 0, 1]);
    assert_eq!(natural(&windows.role_ids()).unwrap(), [vec![0, 1, 2, 3], vec![4]]);
}

#[test]
fn rows_are_taken_in_the_order_asked_for() {
    let windows = windows(PLAY, 3, 2).unwrap();
    assert_eq!(shown(&windows, &[4, 0, 4]), ["xyz|\n", "abc|d", "xyz|\n"]);
    let refused = RowOutOfRange { row: 5, rows: 5 };
    assert_eq!(windows.take(&[5]).unwrap_err(), refused);
}

#[test]
fn the_vocabulary_is_of_the_whole_text_in_order() {
    let vocabulary = windows(PLAY, 3, 1).unwrap().vocabulary().to_vec();
    assert!(vocabulary.is_sorted());
    assert_eq!(vocabulary, PLAY.chars().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
}

#[test]
fn a_text_without_roles_is_one() {
    let windows = windows("once upon\n\na time", 3, 1).unwrap();
    assert_eq!(windows.role_names().collect::<Vec<_>>(), [""]);
    assert_eq!(windows.rows(), "once upon\na time".len() - 3);
}

#[test]
fn line_ends_of_other_systems_make_no_difference_to_what_is_said() {
    let (unix, windows_ends) = (windows(PLAY, 3, 2), windows(&PLAY.replace('\n', "\r\n"), 3, 2));
    let rows = [0, 1, 2, 3, 4];
    assert_eq!(shown(&unix.unwrap(), &rows), shown(&windows_ends.unwrap(), &rows));
}

#[test]
fn what_has_no_window_is_refused() {
    let refused = |text, context, stride| windows(text, context, stride).unwrap_err().to_string();
    assert_eq!(refused("abc", 3, 1), "no role says more than 3 characters: there is no window");
    assert_eq!(refused("", 3, 1), "expected 2 to 4096 different characters, got 0");
    assert_eq!(refused("aaaa", 3, 1), "expected 2 to 4096 different characters, got 1");
    let expected = "expected a context of 1 to 65536 and a stride from 1, got";
    assert_eq!(refused("abcd", 0, 1), format!("{expected} 0 and 1"));
    assert_eq!(refused("abcd", 3, 0), format!("{expected} 3 and 0"));
    assert_eq!(refused("abcd", 65_537, 1), format!("{expected} 65537 and 1"));
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_place() {
    let error = CharacterWindows::from_play(&b"abc\xffd"[..], Windowing::LEAF).unwrap_err();
    assert!(matches!(error, WindowsError::NotUtf8 { at: 3, .. }), "{error}");
}

#[test]
fn an_archive_that_is_cut_off_is_refused() {
    let error = CharacterWindows::from_play(&[0x1f, 0x8b, 8, 0][..], Windowing::LEAF).unwrap_err();
    let WindowsError::Read(source) = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_log_shows_nothing_that_is_said() {
    assert!(!format!("{:?}", windows(PLAY, 3, 2).unwrap()).contains("ANNA"));
}

fn any_play() -> impl Strategy<Value = String> {
    proptest::collection::vec(("[A-C]", "[a-z]{1,5}(\n[a-z]{1,5}){0,4}"), 1..12).prop_map(
        |speeches| {
            let speeches = speeches.iter().map(|(name, said)| format!("{name}:\n{said}\n\n"));
            speeches.collect()
        },
    )
}

proptest! {
    #[test]
    fn a_split_by_time_shares_no_character(
        play in any_play(),
        context in 1_usize..5,
        stride in 1_usize..4,
        share in 0.0..=1.0_f64,
    ) {
        let Ok(windows) = windows(&play, context, stride) else { return Ok(()) };
        let (training, test) = windows.split_by_time(share);
        let ids = windows.role_ids();
        let start = |row: u32| {
            let first = ids.iter().position(|id| *id == ids[row as usize]).unwrap();
            (row as usize - first) * stride
        };
        for &early in &training {
            for &late in test.iter().filter(|row| ids[**row as usize] == ids[early as usize]) {
                // The window and its label end before the other begins.
                prop_assert!(start(early) + context < start(late));
            }
        }
        let both: BTreeSet<_> = training.iter().chain(&test).collect();
        prop_assert_eq!(both.len(), training.len() + test.len());
        let (none, everything) = windows.split_by_time(1.0);
        prop_assert_eq!((none.len(), everything.len()), (0, windows.rows()));
        prop_assert_eq!(windows.split_by_time(0.0).0.len(), windows.rows());
        prop_assert_eq!(windows.split_by_time(f64::NAN).0.len(), 0);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(windows) = CharacterWindows::from_play(&bytes[..], Windowing { context: 2, stride: 1 }) {
            prop_assert_eq!(windows.take(&all(&windows)).unwrap().labels.len(), windows.rows());
        }
    }
}
