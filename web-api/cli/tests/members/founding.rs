//! Founders and guardian, as a configuration file names them.

use std::{collections::BTreeMap, fs, path::Path};

use privacy_identity::SigningKey;
use sahakar::rest::Rest;
use serde_json::json;
use tempfile::TempDir;

use crate::served::{config, fails, serve, text};

fn key(number: u8) -> String {
    SigningKey::from_seed(&[number; 32]).verifying_key().to_string()
}

fn founder(member: &str, label: &str, roles: &str) -> String {
    format!("{{ member = \"{member}\", label = \"{label}\", roles = [{roles}] }}")
}

/// Writes the configuration with these lines about the DAO besides.
fn write(path: &Path, plain: &str, lines: &str) {
    let at = "demonstration = true\n";
    fs::write(path, plain.replacen(at, &format!("{at}{lines}"), 1)).unwrap();
}

#[test]
fn a_node_founds_with_exactly_the_members_and_the_guardian_of_its_file_and_refuses_a_wrong_one() {
    let dir = TempDir::new().unwrap();
    let path = config(dir.path(), "state");
    let plain = fs::read_to_string(&path).unwrap();
    let [anna, boris, guardian] = [key(30), key(31), key(32)];
    let good = founder(&anna, "Anna", "\"member\"");
    let many: Vec<_> = (0..201_u16)
        .map(|number| {
            let mut seed = [9; 32];
            seed[..2].copy_from_slice(&number.to_be_bytes());
            let member = SigningKey::from_seed(&seed).verifying_key().to_string();
            founder(&member, "Many", "\"member\"")
        })
        .collect();
    let founders = |founders: &str| format!("founders = [{founders}]\n");
    let wrong = [
        (founders(&founder("anna", "Anna", "\"member\"")), "dao.founders.member"),
        (founders(&founder(&anna, "Anna", "\"emperor\"")), "emperor"),
        (founders(&founder(&anna, "Anna", "")), "roles"),
        (founders(&format!("{good}, {}", founder(&anna, "Twin", "\"buyer\""))), &*anna),
        (founders(&founder(&anna, &"a".repeat(500), "\"member\"")), "label"),
        (founders(&many.join(", ")), "founders"),
        (founders("{ member = \"00\", label = \"x\" }"), "roles"),
        ("guardian = \"anna\"\n".to_owned(), "dao.guardian"),
        (format!("guardian = \"{guardian}\"\nguardian_term_ms = 99999999999999\n"), "guardian"),
        (format!("founder = [{good}]\n"), "founder"),
    ];
    for (lines, words) in &wrong {
        write(&path, &plain, lines);
        let said = fails(&["serve", "--device", "cpu", "--config", text(&path)], words);
        assert!(!said.contains("panicked"), "{said}");
    }

    let term = "guardian_term_ms = 86400000\n";
    let both = format!("{good}, {}", founder(&boris, "Boris", "\"custodian\", \"buyer\""));
    write(&path, &plain, &format!("guardian = \"{guardian}\"\n{term}{}", founders(&both)));
    let (node, url) = serve(&["--config", text(&path)], &[]);
    founded(&url, [&anna, &boris, &guardian]);
    node.kill();
    // The ledger has founded: what the file says later founds nobody.
    let others = founders(&founder(&key(33), "Later", "\"member\""));
    write(&path, &plain, &format!("guardian = \"{}\"\n{others}", key(34)));
    let (_node, url) = serve(&["--config", text(&path)], &[]);
    founded(&url, [&anna, &boris, &guardian]);
}

/// These two are the members, and this guardian is asked.
fn founded(url: &str, [anna, boris, guardian]: [&String; 3]) {
    let rest = Rest::new(url);
    let roll = rest.get("/v1/members").unwrap();
    let members = roll["members"].as_array().unwrap().iter();
    let members: BTreeMap<_, _> = members
        .map(|m| (m["member"].as_str().unwrap(), (m["label"].clone(), m["roles"].clone())))
        .collect();
    let expected = BTreeMap::from([
        (anna.as_str(), (json!("Anna"), json!(["member"]))),
        (boris.as_str(), (json!("Boris"), json!(["custodian", "buyer"]))),
    ]);
    assert_eq!(members, expected);
    let how = rest.get("/v1/governance").unwrap();
    assert_eq!((&how["nominated_guardian"], &how["guardian"]), (&json!(guardian), &json!(null)));
    let entry = rest.get("/v1/ledger/entries/1").unwrap();
    assert_eq!(
        (&entry["kind"], &entry["body"]["guardian"]),
        (&json!("members_founded"), &json!(guardian))
    );
    assert_eq!(entry["body"]["guardian_term_ms"], 86_400_000);
    let log = entry.to_string();
    assert!(!log.contains("Anna") && !log.contains("Boris"), "a name is in the log: {log}");
}
