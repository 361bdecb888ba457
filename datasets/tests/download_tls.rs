//! Downloads from a real TLS server that breaks off, in bounded memory. A process of its own: peak memory is a process's.
//!
//! What the server has is not a published file, so that this needs none: that the bytes came whole and in order is shown by
//! the digest that they are refused with.

#![cfg(all(feature = "download", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use datasets::{DownloadError, Downloader, NamedDataset, Progress};
use sha2::{Digest as _, Sha256};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.pem");
const KEY: &[u8] = include_bytes!("tls/key.pem");

/// Bytes of the file, unless the environment names more; less than the longest that is taken, 2^30.
const BYTES: u64 = 48 << 20;
const LONG: &str = "SAHAKAR_LONG_DOWNLOAD_BYTES";

/// What a download may take beyond the start, in KiB: TLS, buffers, a digest. The file is many times that.
const PEAK_KIB_MAX: u64 = 24 << 10;

/// One byte of the file: nothing that repeats in blocks.
fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

fn block(start: u64, end: u64) -> Vec<u8> {
    (start..end).map(byte).collect()
}

struct Server {
    url: String,
    starts: Arc<Mutex<Vec<u64>>>,
}

/// Serves a file of `length` bytes by TLS; the n-th answer breaks off after `breaks[n]` bytes, without a farewell.
fn serve(length: u64, breaks: Vec<u64>) -> Server {
    let certificates = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(certificates.unwrap(), key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let starts = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&starts);
    thread::spawn(move || {
        let mut breaks = breaks.into_iter();
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(connection, stream.unwrap());
            // A client that closes first, or does not believe us, is no failure of the server.
            let _answered = answer(stream, length, &told, &mut breaks).is_ok();
        }
    });
    Server { url, starts }
}

fn answer(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    length: u64,
    told: &Mutex<Vec<u64>>,
    breaks: &mut impl Iterator<Item = u64>,
) -> std::io::Result<()> {
    let mut start = 0;
    let mut reader = BufReader::new(std::io::Read::by_ref(&mut stream));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            start = range.trim().trim_end_matches('-').parse().unwrap();
        }
    }
    told.lock().unwrap().push(start);
    let range = format!("content-range: bytes {start}-{}/{length}\r\n", length - 1);
    let head = if start > 0 { format!("206 Partial\r\n{range}") } else { "200 OK\r\n".to_owned() };
    let left = length - start;
    write!(stream, "HTTP/1.1 {head}content-length: {left}\r\nconnection: close\r\n\r\n")?;
    let end = breaks.next().map_or(length, |after| (start + after).min(length));
    for at in (start..end).step_by(1 << 16) {
        stream.write_all(&block(at, end.min(at + (1 << 16))))?;
    }
    if end == length {
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_long_file_comes_whole_over_broken_connections_in_bounded_memory() {
    let length = std::env::var_os(LONG)
        .map_or(BYTES, |text| text.to_str().unwrap().parse::<u64>().unwrap().clamp(BYTES, 1 << 30));
    let server = serve(length, vec![10_000_001, 0, 20_000_003]);
    let dir = tempfile::tempdir().unwrap();
    let downloader = Downloader::new(Some(server.url.clone())).with_pause(Duration::ZERO);
    let strangers = downloader.clone();
    let downloader = downloader.trusting(CERTIFICATE).unwrap();
    let before = peak_kib();
    let mut resumed_at = Vec::new();
    let mut progress = |progress: Progress<'_>| {
        assert_eq!(progress.total, Some(length));
        if progress.resumed {
            resumed_at.push(progress.bytes);
        }
    };
    let refused =
        downloader.fetch(NamedDataset::Shakespeare, dir.path(), &mut progress).unwrap_err();
    let taken = peak_kib() - before;
    let mut digest = Sha256::new();
    (0..length).step_by(1 << 16).for_each(|at| {
        digest.update(block(at, length.min(at + (1 << 16))));
    });
    let expected: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(
        matches!(&refused, DownloadError::DigestMismatch { got, .. } if *got == expected),
        "{refused}"
    );
    assert_eq!(resumed_at, [10_000_001, 10_000_001, 30_000_004], "nothing was sent twice");
    assert_eq!(*server.starts.lock().unwrap(), [0, 10_000_001, 10_000_001, 30_000_004]);
    assert!(taken < PEAK_KIB_MAX, "{taken} KiB for a file of {} KiB", length >> 10);
    eprintln!("{taken} KiB for a file of {} KiB", length >> 10);
    let left = fs::read_dir(dir.path().join("shakespeare")).unwrap().count();
    assert_eq!(left, 0, "what is not the published file is thrown away");

    // The same server to somebody who trusts the web's authorities: nothing is asked.
    let refused = strangers.fetch(NamedDataset::Shakespeare, dir.path(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(refused, DownloadError::Unusable { .. } | DownloadError::Broken { .. }),
        "{refused}"
    );
    assert_eq!(server.starts.lock().unwrap().len(), 4);
}

#[test]
fn authorities_that_are_none_are_refused_by_name() {
    let downloader = || Downloader::new(Some("https://localhost".to_owned()));
    assert!(matches!(downloader().trusting(b"").unwrap_err(), DownloadError::NoAuthority));
    assert!(matches!(downloader().trusting(KEY).unwrap_err(), DownloadError::NoAuthority));
    let cut = &CERTIFICATE[..CERTIFICATE.len() / 2];
    assert!(downloader().trusting(cut).is_err());
    // Whoever names authorities wants TLS.
    let plain =
        Downloader::new(Some("http://localhost:9".to_owned())).trusting(CERTIFICATE).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let refused = plain.fetch(NamedDataset::Heart, dir.path(), &mut |_| {}).unwrap_err();
    assert!(matches!(refused, DownloadError::Unusable { .. }), "{refused}");
}
