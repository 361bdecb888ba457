use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sha2::Digest as _;

use super::*;

const VECTORS: &str = include_str!("../../test_vectors/v1/age_scrypt.txt");

/// Cheap: these tests are about the format.
const WORK: WorkFactor = WorkFactor(2);

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn encrypted(plaintext: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    encrypt_age_file(plaintext, &passphrase("correct horse"), WORK, &mut rng).unwrap()
}

/// Every vector of the format's own test suite with a passphrase, of which all but one must fail.
#[test]
fn the_formats_own_vectors_open_and_fail_as_they_should() {
    let vectors = VECTORS.lines().filter(|line| !line.starts_with('#'));
    let mut counted = 0;
    for vector in vectors {
        let fields: Vec<&str> = vector.split(" | ").collect();
        let [name, expected, payload, words, file] = fields[..] else { panic!("{vector}") };
        let opened = decrypt_age_file(&hex::decode(file).unwrap(), &passphrase(words));
        match (expected, opened) {
            ("success", Ok(plaintext)) => {
                assert_eq!(hex::encode(Sha256::digest(&*plaintext)), payload, "{name}");
            }
            ("no match", Err(AgeError::WrongPassphrase)) => {}
            // A recipient that is not known here is refused before any passphrase is tried.
            ("no match", Err(AgeError::Malformed { part: "recipient" })) => {
                assert_eq!(name, "scrypt_uppercase");
            }
            ("header failure", Err(AgeError::Malformed { .. })) => {}
            ("header failure", Err(AgeError::TooMuchWork)) => {
                let asks = ["scrypt_work_factor_23", "scrypt_work_factor_overflow"];
                assert!(asks.contains(&name), "{name}");
            }
            (_, got) => panic!("{name}: {expected} was expected, got {:?}", got.map(|_| ())),
        }
        counted += 1;
    }
    assert_eq!(counted, 25);
}

#[test]
fn what_was_encrypted_is_read_back_and_no_file_is_like_another() {
    for plaintext in [vec![], vec![7; 65], vec![1; AGE_PLAINTEXT_BYTES_MAX]] {
        let (first, second) = (encrypted(&plaintext, 1), encrypted(&plaintext, 2));
        assert_ne!(first, second);
        assert!(is_age_file(&first) && first.len() <= AGE_FILE_BYTES_MAX);
        assert_eq!(*decrypt_age_file(&first, &passphrase("correct horse")).unwrap(), plaintext);
    }
    let long = vec![0; AGE_PLAINTEXT_BYTES_MAX + 1];
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let refused = encrypt_age_file(&long, &passphrase("correct horse"), WORK, &mut rng);
    assert_eq!(refused, Err(AgeError::TooLong { got: long.len() }));
}

#[test]
fn another_passphrase_opens_nothing() {
    let file = encrypted(b"a seed", 1);
    for wrong in ["correct horsf", "correct hors", "correct horse ", "Correct horse"] {
        let refused = decrypt_age_file(&file, &passphrase(wrong)).err();
        assert_eq!(refused, Some(AgeError::WrongPassphrase), "{wrong:?}");
    }
}

#[test]
fn every_altered_or_missing_byte_is_refused() {
    let file = encrypted(b"a seed", 1);
    let right = passphrase("correct horse");
    for index in 0..file.len() {
        assert!(decrypt_age_file(&file[..index], &right).is_err(), "cut at {index}");
        let mut altered = file.clone();
        altered[index] ^= 1;
        assert!(decrypt_age_file(&altered, &right).is_err(), "altered at {index}");
    }
    assert!(decrypt_age_file(&[file, vec![0]].concat(), &right).is_err(), "something behind it");
}

#[test]
fn a_file_that_asks_for_more_memory_than_is_given_is_refused_before_any_work() {
    let file = String::from_utf8_lossy(&encrypted(b"a seed", 1)).replacen(" 2\n", " 21\n", 1);
    let refused = decrypt_age_file(file.as_bytes(), &passphrase("correct horse")).err();
    assert_eq!(refused, Some(AgeError::TooMuchWork));
    assert_eq!(WorkFactor::from_log2(0), None);
    assert_eq!(WorkFactor::from_log2(21), None);
    assert_eq!(WorkFactor::from_log2(18), Some(WorkFactor::DEFAULT));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(decrypt_age_file(&bytes, &passphrase("correct horse")).is_err());
        let headed = [VERSION, b"-> scrypt ", &bytes].concat();
        prop_assert!(decrypt_age_file(&headed, &passphrase("correct horse")).is_err());
    }
}
