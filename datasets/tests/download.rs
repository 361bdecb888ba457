//! Published files from a server that breaks off, lies, sends other bytes, and knows no ranges.

#![cfg(feature = "download")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use datasets::{DownloadError, Downloader, NamedDataset, Progress};
use tempfile::{TempDir, tempdir};

/// What the server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Sends what is asked for.
    Well,
    /// Breaks off after so many bytes, having promised all.
    BreaksOff(usize),
    /// Sends all, whatever range is asked for.
    WithoutRanges,
    /// Says that there is more than there is.
    Longer,
    /// Says that there is less than there is.
    Shorter,
    /// Sends other bytes.
    Wrong,
    /// Answers so.
    Status(u16),
    /// Closes the connection without a word.
    Silent,
    /// Begins elsewhere than asked for.
    OtherRange,
}

struct Server {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

/// Serves `content` under every name; the n-th request in the n-th manner, the last one for all that follow.
fn serve(content: Vec<u8>, manners: Vec<Manner>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    thread::spawn(move || {
        for (at, stream) in listener.incoming().enumerate() {
            let manner = manners[at.min(manners.len() - 1)];
            // A client that closes first is no failure of the server.
            let _served = answer(stream.unwrap(), &content, manner, &told).is_ok();
        }
    });
    Server { url, heard }
}

fn answer(
    mut stream: TcpStream,
    content: &[u8],
    manner: Manner,
    told: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let (mut range, mut request) = (None, String::new());
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(start) = lower.strip_prefix("range: bytes=") {
            range = start.trim_end_matches('-').parse::<usize>().ok();
        }
        request += &format!("{lower}\n");
    }
    told.lock().unwrap().push(request);
    let start = range
        .filter(|start| *start < content.len() && manner != Manner::WithoutRanges)
        .unwrap_or(0);
    let mut body = content[start..].to_vec();
    let mut said = body.len();
    match manner {
        Manner::Longer => said += 1_000,
        Manner::Shorter => said -= 1_000,
        Manner::Wrong => body.iter_mut().for_each(|byte| *byte ^= 1),
        Manner::Silent => return Ok(()),
        Manner::Status(status) => {
            return write!(
                stream,
                "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        _ => {}
    }
    let first = if manner == Manner::OtherRange { start / 2 } else { start };
    let total = content.len();
    let head = if start > 0 {
        format!("206 Partial Content\r\ncontent-range: bytes {first}-{}/{total}", total - 1)
    } else {
        "200 OK".to_owned()
    };
    write!(stream, "HTTP/1.1 {head}\r\ncontent-length: {said}\r\nconnection: close\r\n\r\n")?;
    let sent =
        if let Manner::BreaksOff(after) = manner { &body[..after.min(body.len())] } else { &body };
    stream.write_all(sent)
}

/// The text of the plays, if it is there: what is fetched has to be published bytes.
fn plays() -> Option<Vec<u8>> {
    let Some(dir) = std::env::var_os("SAHAKAR_DATA_DIR") else {
        eprintln!("skipped: SAHAKAR_DATA_DIR is not set");
        return None;
    };
    Some(fs::read(Path::new(&dir).join("shakespeare/input.txt")).unwrap())
}

struct Fetched {
    dir: TempDir,
    server: Server,
    result: Result<Vec<PathBuf>, DownloadError>,
    resumed_at: Vec<u64>,
}

impl Fetched {
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path().join("shakespeare")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn requests(&self) -> usize {
        self.server.heard.lock().unwrap().len()
    }
}

fn fetch_into(dir: TempDir, content: Vec<u8>, manners: &[Manner]) -> Fetched {
    let server = serve(content, manners.to_vec());
    let downloader = Downloader::new(Some(server.url.clone())).with_pause(Duration::ZERO);
    let mut resumed_at = Vec::new();
    let mut progress = |progress: Progress<'_>| {
        if progress.resumed {
            resumed_at.push(progress.bytes);
        }
    };
    let result = downloader.fetch(NamedDataset::Shakespeare, dir.path(), &mut progress);
    Fetched { dir, server, result, resumed_at }
}

fn fetch(content: Vec<u8>, manners: &[Manner]) -> Fetched {
    fetch_into(tempdir().unwrap(), content, manners)
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let Some(plays) = plays() else { return };
    let fetched = fetch(
        plays.clone(),
        &[
            Manner::BreaksOff(300_000),
            Manner::Silent,
            Manner::Status(503),
            Manner::BreaksOff(100_000),
            Manner::Well,
        ],
    );
    assert_eq!(fs::read(&fetched.result.as_ref().unwrap()[0]).unwrap(), plays);
    assert_eq!(fetched.resumed_at, [300_000, 400_000], "and nothing was sent twice");
    assert_eq!(fetched.files(), ["input.txt"], "nothing else is left");
    assert!(NamedDataset::Shakespeare.load(Some(fetched.dir.path())).is_ok());
    let requests = fetched.requests();
    let again = Downloader::new(Some(fetched.server.url.clone()));
    again.fetch(NamedDataset::Shakespeare, fetched.dir.path(), &mut |_| {}).unwrap();
    assert_eq!(fetched.requests(), requests, "what is there is not asked for again");
}

#[test]
fn a_server_without_ranges_or_with_others_sends_all_again() {
    let Some(plays) = plays() else { return };
    for manners in [
        &[Manner::BreaksOff(300_000), Manner::WithoutRanges][..],
        &[Manner::BreaksOff(300_000), Manner::OtherRange, Manner::Well],
        &[Manner::BreaksOff(300_000), Manner::Status(416), Manner::Well],
    ] {
        let fetched = fetch(plays.clone(), manners);
        assert_eq!(fs::read(&fetched.result.as_ref().unwrap()[0]).unwrap(), plays, "{manners:?}");
        assert_eq!(fetched.files(), ["input.txt"], "{manners:?}");
    }
}

#[test]
fn a_length_that_is_a_lie_does_not_make_a_file() {
    let Some(plays) = plays() else { return };
    let longer = fetch(plays.clone(), &[Manner::Longer]);
    assert!(longer.result.is_err(), "{:?}", longer.result);
    let shorter = fetch(plays, &[Manner::Shorter]);
    assert!(
        matches!(shorter.result, Err(DownloadError::DigestMismatch { .. })),
        "{:?}",
        shorter.result
    );
    assert_eq!(shorter.files(), Vec::<String>::new(), "what is wrong is thrown away");
}

#[test]
fn what_an_earlier_run_left_and_is_wrong_is_fetched_anew() {
    let Some(plays) = plays() else { return };
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("shakespeare")).unwrap();
    fs::write(dir.path().join("shakespeare/input.txt.part"), b"of another file").unwrap();
    let fetched = fetch_into(dir, plays.clone(), &[Manner::Well]);
    assert_eq!(fs::read(&fetched.result.as_ref().unwrap()[0]).unwrap(), plays);
    assert_eq!(fetched.resumed_at, [15]);
}

#[test]
fn other_bytes_are_refused_and_thrown_away() {
    let fetched = fetch(vec![b'x'; 10_000], &[Manner::Wrong]);
    let error = fetched.result.as_ref().unwrap_err();
    assert!(matches!(error, DownloadError::DigestMismatch { .. }), "{error}");
    assert!(error.to_string().contains("is not the published file"), "{error}");
    assert_eq!(fetched.files(), Vec::<String>::new());
}

#[test]
fn a_refusal_is_told_at_once_and_a_broken_line_after_six_attempts() {
    let fetched = fetch(vec![b'x'; 10_000], &[Manner::Status(404)]);
    let error = fetched.result.as_ref().unwrap_err().to_string();
    assert!(error.contains("status 404") && error.contains("--mirror"), "{error}");
    assert_eq!(fetched.requests(), 1);
    let fetched = fetch(vec![b'x'; 10_000], &[Manner::BreaksOff(1_000)]);
    let error = fetched.result.as_ref().unwrap_err();
    assert!(matches!(error, DownloadError::Broken { attempts: 6, .. }), "{error}");
    assert_eq!(fetched.requests(), 6);
    assert_eq!(fetched.files(), ["input.txt.part"], "what came stays for the next run");
    let part = fs::metadata(fetched.dir.path().join("shakespeare/input.txt.part")).unwrap();
    assert_eq!(part.len(), 6_000);
}

#[test]
fn two_downloads_of_one_file_are_refused() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("shakespeare")).unwrap();
    let part = fs::File::create(dir.path().join("shakespeare/input.txt.part")).unwrap();
    part.try_lock().unwrap();
    let fetched = fetch_into(dir, vec![b'x'; 100], &[Manner::Well]);
    assert!(matches!(fetched.result, Err(DownloadError::InUse { .. })), "{:?}", fetched.result);
}
