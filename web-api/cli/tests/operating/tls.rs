//! The node speaks TLS itself.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::node::{Node, config, refuses};

/// Files of a certificate and its key.
struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    /// Writes a new certificate and its key, and returns the certificate.
    fn write(&self) -> String {
        let (certificate, key) = made();
        fs::write(self.certificate(), &certificate).unwrap();
        fs::write(self.key(), key).unwrap();
        certificate
    }

    fn config(&self) -> PathBuf {
        let (certificate, key) = (self.certificate(), self.key());
        config(self.dir.path(), &format!("tls_certificate = {certificate:?}\ntls_key = {key:?}"))
    }
}

/// A certificate for this machine that signs itself, and its key.
fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    (made.cert.pem(), made.key_pair.serialize_pem())
}

/// Whether the node answers a client that trusts this certificate alone; a new connection each time.
fn answers(url: &str, certificate: &str) -> bool {
    let roots = [Certificate::from_pem(certificate.as_bytes()).unwrap()];
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
    match agent.get(format!("{url}/v1/health")).call() {
        Ok(mut answer) => {
            let health: serde_json::Value = answer.body_mut().read_json().unwrap();
            assert!(health["entries"].is_u64(), "{health}");
            true
        }
        Err(ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Io(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_node_with_a_certificate_speaks_tls_and_nothing_else_and_takes_a_new_certificate_while_it_runs()
{
    let files = Files::new();
    let first = files.write();
    let mut node = Node::start(&files.config(), &[], &[]);
    let url = node.url().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let (second, _) = made();
    assert!(answers(&url, &first) && !answers(&url, &second), "who knows it, and nobody else");
    let mut plain = TcpStream::connect(url.trim_start_matches("https://")).unwrap();
    plain.write_all(b"GET /v1/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // It may be closed with or without a word of TLS.
    let _read = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");

    let second = files.write();
    assert!(answers(&url, &first), "nobody has told it yet");
    node.signal("HUP");
    node.until("certificate-renewed");
    assert!(answers(&url, &second) && !answers(&url, &first));

    // Half of a renewal: the certificate is new, and the key another's.
    fs::write(files.certificate(), made().0).unwrap();
    node.signal("HUP");
    let refused = node.until("certificate-refused");
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("not the one that the certificate was made for"), "{reason}");
    assert!(answers(&url, &second), "the old one is used further");
    node.signal("TERM");
    let (status, logged) = node.ended();
    assert!(status.success(), "{logged}");
}

/// Starts a node with these files, which it refuses with these words.
fn check((certificate, key): (&str, &str), words: &str) {
    let files = Files::new();
    fs::write(files.certificate(), certificate).unwrap();
    fs::write(files.key(), key).unwrap();
    let names: [PathBuf; 2] = [files.certificate(), files.key()];
    let names = names.each_ref().map(|path| path.to_str().unwrap());
    refuses(&files.config(), &[], &[names[0], names[1], words]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start_in_a_sentence() {
    let (certificate, key) = made();
    let (_, of_another) = made();
    check((&certificate, &of_another), "not the one that the certificate was made for");
    check((&certificate, &certificate), "the private key cannot be read");
    check((&key, &key), "has no certificate");
    check(("", &key), "has no certificate");
    check((&certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n"), "the private key cannot be read");
    let files = Files::new();
    refuses(&files.config(), &[], &["certificate.pem", "the certificate cannot be read"]);
    let alone = |line: String| {
        let dir = TempDir::new().unwrap();
        refuses(&config(dir.path(), &line), &[], &["tls_certificate", "tls_key", "go together"]);
    };
    files.write();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    alone(format!("tls_certificate = {:?}", path(&files.certificate())));
    alone(format!("tls_key = {:?}", path(&files.key())));
}
