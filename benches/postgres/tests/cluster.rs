//! The server that tests are given is real, private, and survives a crash.

use std::process::Command;

use benches_postgres::Cluster;

/// What `psql` answers to `statement` at `url`, as its last line.
fn ask(url: &str, statement: &str) -> String {
    let output = Command::new("psql").args(["-XAtq", "-d", url, "-c", statement]).output();
    let output = output.expect("psql is on the path where the server is");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn databases_are_apart_and_committed_rows_survive_a_crash_of_the_server() {
    let Some(mut cluster) = Cluster::start("a server that crashes") else { return };
    if Command::new("psql").arg("--version").output().is_err() {
        eprintln!("skipped: psql is not on the path");
        return;
    }
    let (one, other) = (cluster.database().unwrap(), cluster.database().unwrap());
    ask(&one, "CREATE TABLE kept (number INT); INSERT INTO kept VALUES (7)");
    assert_eq!(ask(&other, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"), "0");
    cluster.crash_and_recover().unwrap();
    assert_eq!(ask(&one, "SELECT number FROM kept"), "7");
    // No port: only the socket in a folder of its own.
    assert_eq!(ask(&one, "SHOW listen_addresses"), "");
}
