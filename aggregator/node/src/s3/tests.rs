use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    thread,
};

use aggregator_protocol::RoundId;
use aggregator_round::{KeptUpdate, PartFault, UpdateId, UpdateStore as _};
use privacy_identity::Digest;

use super::*;
use crate::updates::Updates as _;

/// As much of S3 as an update needs: objects by PUT and GET with a range. It fails every first request for an
/// object, and counts what was not signed.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    failed: Vec<String>,
    unsigned: usize,
}

impl Bucket {
    fn answer(&mut self, head: &[String], body: Vec<u8>) -> (&'static str, Vec<u8>, String) {
        let mut words = head[0].split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let header = |name: &str| {
            let line = head.iter().find(|line| line.to_lowercase().starts_with(name));
            line.map(|line| line[name.len()..].trim().to_owned())
        };
        let signed = header("authorization:").is_some_and(|it| it.starts_with("AWS4-HMAC-SHA256"));
        self.unsigned += usize::from(!signed);
        let first = format!("{method} {target}");
        if !self.failed.contains(&first) {
            self.failed.push(first);
            return ("503 Slow Down", Vec::new(), String::new());
        }
        let etag = "etag: \"1\"\r\nlast-modified: Mon, 23 Nov 2026 05:00:00 GMT\r\n";
        match (method.as_str(), self.objects.get(&target)) {
            ("PUT", _) => {
                self.objects.insert(target, body);
                ("200 OK", Vec::new(), etag.to_owned())
            }
            ("GET", Some(object)) => {
                let range = header("range: bytes=").unwrap();
                let (from, to) = range.split_once('-').unwrap();
                let from: usize = from.parse().unwrap();
                let to = to.parse::<usize>().unwrap().min(object.len() - 1);
                let range = format!("content-range: bytes {from}-{to}/{}\r\n", object.len());
                ("206 Partial Content", object[from..=to].to_vec(), etag.to_owned() + &range)
            }
            _ => ("404 Not Found", Vec::new(), String::new()),
        }
    }
}

fn serve(stream: &mut TcpStream, bucket: &Mutex<Bucket>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let (status, body, headers) = bucket.lock().unwrap().answer(&head, body);
    let length = body.len();
    let front = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(&[front.as_bytes(), &body].concat()).unwrap();
}

/// A bucket on loopback, and where it is.
fn bucket() -> (Arc<Mutex<Bucket>>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bucket = Arc::new(Mutex::new(Bucket::default()));
    let shared = Arc::clone(&bucket);
    // It ends with the test's process.
    drop(thread::spawn(move || {
        for stream in listener.incoming() {
            serve(&mut stream.unwrap(), &shared);
        }
    }));
    (bucket, endpoint)
}

fn updates(endpoint: &str, runtime: &tokio::runtime::Runtime) -> ObjectUpdates {
    let backoff = object_store::BackoffConfig {
        init_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        ..object_store::BackoffConfig::default()
    };
    let retry = RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(2) };
    let objects = AmazonS3Builder::new()
        .with_bucket_name("updates")
        .with_region("here")
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .with_retry(retry)
        .with_http_connector(Connector)
        .build()
        .unwrap();
    ObjectUpdates::new(Arc::new(objects), Path::from("a/b"), runtime.handle().clone())
}

fn runtime() -> tokio::runtime::Runtime {
    // A handle to a runtime of one thread could wait, but nobody would look at its sockets and clocks.
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn updates_go_to_s3_and_come_back_signed_and_through_failures() {
    let (runtime, (bucket, endpoint)) = (runtime(), bucket());
    let updates = updates(&endpoint, &runtime);
    let id = UpdateId { round: RoundId(3), update: Digest([7; 32]) };
    let kept = KeptUpdate { id, parts: vec![vec![1; 3_000], vec![2; 40], Vec::new()] };
    updates.keep(&kept).unwrap();
    for (index, part) in kept.parts.iter().enumerate() {
        assert_eq!(updates.part(id, index), Ok(part.clone()));
    }
    let missing = UpdateId { update: Digest([8; 32]), ..id };
    assert_eq!(updates.part(missing, 0), Err(PartFault::Missing));
    let bucket = bucket.lock().unwrap();
    let expected = format!("/updates/a/b/3/{}", id.update);
    assert_eq!(bucket.objects.keys().collect::<Vec<_>>(), [&expected]);
    assert_eq!(bucket.unsigned, 0);
}

#[test]
fn a_store_that_is_down_is_no_lost_update() {
    let runtime = runtime();
    let endpoint = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let updates = updates(&endpoint, &runtime);
    let id = UpdateId { round: RoundId(3), update: Digest([7; 32]) };
    assert_eq!(updates.part(id, 0), Err(PartFault::Unavailable));
    assert!(updates.failure().is_some());
    assert!(updates.keep(&KeptUpdate { id, parts: Vec::new() }).is_err());
}

#[test]
fn a_place_for_updates_has_a_bucket_and_a_prefix() {
    assert_eq!(parts("s3://bucket/some/prefix/"), Some(("bucket", "some/prefix")));
    for wrong in ["", "bucket/prefix", "s3://bucket", "s3://bucket/", "s3:///prefix", "https://b/p"]
    {
        assert_eq!(parts(wrong), None, "{wrong}");
    }
}
