//! What a DAO node measured, recomputed by somebody who was given its validation table and a copy of its folder.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aggregator_network::load_key;
use aggregator_protocol::{FederationTerms, ProbeOrder, ScalarOpening};
use data_dao_journal::{Body, Entry};
use data_dao_store::read_tiles;
use datasets::{Schema, read_csv};
use privacy_identity::{Decode as _, Encode as _, Signed, SigningKey, Tag};
use sahakar::{serve::SettledRecord, value_audit::ValueAudit};
use tempfile::TempDir;

fn sahakar() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sahakar"))
}

struct Kept {
    dir: TempDir,
}

impl Kept {
    fn demo() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let output = sahakar()
            .args(["demo", "--rounds", "3", "--contributors", "3", "--device", "cpu"])
            .args(["--seed", "11", "--keep"])
            .arg(dir.path().join("state"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { dir }
    }

    fn node(&self) -> PathBuf {
        self.dir.path().join("state/dao")
    }

    fn table(&self) -> PathBuf {
        self.dir.path().join("state/tables/validation.csv")
    }

    fn audit(&self, node: &Path, table: &Path) -> (bool, String) {
        let output = sahakar()
            .args(["audit", "--dir"])
            .arg(self.node().join("tiles"))
            .arg("--node")
            .arg(node)
            .arg("--validation")
            .arg(table)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    fn refused(&self, node: &Path, table: &Path, why: &str) {
        let (sound, text) = self.audit(node, table);
        assert!(!sound && text.contains(why), "expected `{why}`, got: {text}");
    }

    /// A copy of the node's folder in which the record of round 1 is another.
    fn altered(&self, name: &str, alter: impl FnOnce(&mut SettledRecord)) -> PathBuf {
        let copy = self.dir.path().join(name);
        for part in ["", "models", "rounds"] {
            fs::create_dir_all(copy.join(part)).unwrap();
            for file in fs::read_dir(self.node().join(part)).unwrap() {
                let file = file.unwrap();
                if file.file_type().unwrap().is_file() {
                    fs::copy(file.path(), copy.join(part).join(file.file_name())).unwrap();
                }
            }
        }
        let path = copy.join("rounds/1.bin");
        let mut record = SettledRecord::from_bytes(&fs::read(&path).unwrap()).unwrap();
        alter(&mut record);
        fs::write(&path, record.to_bytes()).unwrap();
        copy
    }
}

#[test]
fn a_node_that_kept_to_its_committed_table_is_recomputed_bit_for_bit_and_any_other_is_found() {
    let kept = Kept::demo();
    let (sound, text) = kept.audit(&kept.node(), &kept.table());
    assert!(sound, "{text}");
    assert!(text.contains("3 rounds follow from it bit for bit"), "{text}");

    // Another table: one row changed places, one value changed.
    let rows = fs::read_to_string(kept.table()).unwrap();
    let mut lines: Vec<&str> = rows.lines().collect();
    lines.swap(1, 2);
    let other = kept.dir.path().join("other.csv");
    fs::write(&other, lines.join("\n")).unwrap();
    kept.refused(&kept.node(), &other, "this is not the validation table");

    // A node that signed another probe than the table gives: its own record cannot hide it, as the receipt in the
    // ledger names the probe.
    let key = SigningKey::from_seed(&load_key(&kept.node().join("key")).unwrap());
    let node = kept.altered("other-probe", |record| {
        let mut body: ProbeOrder = record.values.probes.unverified_body().clone();
        body.value = body.innovation.clone();
        record.values.probes = Signed::new(body, Tag::Probe, &key);
    });
    kept.refused(&node, &kept.table(), "round 1 differs");

    let node = kept.altered("other-scalar", |record| {
        let parties = record.values.opening.parties().to_vec();
        let fewer = parties[..1].to_vec();
        record.values.opening = ScalarOpening::new(fewer).unwrap();
    });
    kept.refused(&node, &kept.table(), "round 1 differs");

    let node = kept.altered("no-record", |_| {});
    fs::remove_file(node.join("rounds/2.bin")).unwrap();
    kept.refused(&node, &kept.table(), "round 2 differs");

    another_table_than_was_committed_to_is_found(&kept);
}

/// As if the node had committed to a table in which two labels are swapped, and measured on the other: the same
/// means and deviations, so that nothing but the probes can tell.
fn another_table_than_was_committed_to_is_found(kept: &Kept) {
    let rows = fs::read_to_string(kept.table()).unwrap();
    let mut lines: Vec<String> = rows.lines().map(ToOwned::to_owned).collect();
    let label = |line: &str| line.rsplit_once(',').unwrap().1.to_owned();
    let first = label(&lines[1]);
    let other = (2..lines.len()).find(|&at| label(&lines[at]) != first).unwrap();
    let second = label(&lines[other]);
    for (at, label) in [(1, second), (other, first)] {
        let features = lines[at].rsplit_once(',').unwrap().0;
        lines[at] = format!("{features},{label}");
    }
    let table = kept.dir.path().join("committed.csv");
    fs::write(&table, lines.join("\n") + "\n").unwrap();

    let terms = fs::read(kept.node().join("terms.bin")).unwrap();
    let terms: Signed<FederationTerms> = Signed::from_bytes(&terms).unwrap();
    let schema = terms.unverified_body().schema.clone();
    let schema = Schema::new(schema.features, schema.label, schema.classes).unwrap();
    let commitment = read_csv(&table, &schema).unwrap().digest();
    let log = read_tiles(&kept.node().join("tiles"), None).unwrap();
    let recommitted = |leaf: &Vec<u8>| {
        let mut entry = Entry::from_leaf(leaf).unwrap();
        if let Body::FederationOpened(opened) = &mut entry.body {
            opened.validation_commitment = commitment;
        }
        entry.to_leaf().unwrap()
    };
    // Up to the first proposal: a vote names the root of the log before it, which is another one now.
    let is_proposal =
        |leaf: &Vec<u8>| matches!(Entry::from_leaf(leaf).unwrap().body, Body::ProposalMade(_));
    let before_votes = log.leaves.iter().take_while(|leaf| !is_proposal(leaf));
    let leaves: Vec<_> = before_votes.map(recommitted).collect();
    let audit = |tolerance| ValueAudit::of(&leaves, &table, (&kept.node(), &[]), tolerance);
    let error = format!("{:#}", audit(0.0).unwrap_err());
    assert!(error.contains("along another probe than the committed table gives"), "{error}");
    assert!(error.contains("round 0 differs"), "{error}");
    // Two labels in three hundred: far beyond what another device would explain.
    let error = format!("{:#}", audit(1e-3).unwrap_err());
    assert!(error.contains("along another probe"), "{error}");
    assert!(audit(10.0).is_ok());
}
