//! Stylesheet, scripts and the mark. Each has a digest of its content in its URL, so that a browser keeps it for ever and
//! never has an old one.

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use super::error_page::PageError;
use crate::CHART_STYLE;
use crate::extract::PathPart;

/// Bytes of the digest in a URL: 64 bits tell versions of a file apart.
const DIGEST_BYTES: usize = 8;
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A static file.
#[derive(Debug)]
pub(super) struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: String,
    digest: String,
}

impl Asset {
    fn new(
        (stem, extension): (&'static str, &'static str),
        content_type: &'static str,
        content: String,
    ) -> Self {
        let digest = hex::encode(&Sha256::digest(&content)[..DIGEST_BYTES]);
        Self { stem, extension, content_type, content, digest }
    }

    fn script(stem: &'static str, content: &str) -> Self {
        Self::new((stem, "js"), "text/javascript; charset=utf-8", content.to_owned())
    }

    fn file_name(&self) -> String {
        format!("{}-{}.{}", self.stem, self.digest, self.extension)
    }

    /// Where it is served.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.file_name())
    }
}

/// What every page looks like.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let content = [CHART_STYLE, include_str!("../../assets/dashboard.css")].concat();
    Asset::new(("dashboard", "css"), "text/css; charset=utf-8", content)
});
/// Updates the parts of a page as the log grows.
pub(super) static LIVE: LazyLock<Asset> =
    LazyLock::new(|| Asset::script("live", include_str!("../../assets/live.js")));
/// Checks an entry's proof.
pub(super) static VERIFY: LazyLock<Asset> =
    LazyLock::new(|| Asset::script("verify", include_str!("../../assets/verify.js")));
/// Buys and asks with the buyer's key.
pub(super) static MARKET: LazyLock<Asset> =
    LazyLock::new(|| Asset::script("market", include_str!("../../assets/market.js")));
/// Writes the command line of a vote.
pub(super) static VOTE: LazyLock<Asset> =
    LazyLock::new(|| Asset::script("vote", include_str!("../../assets/vote.js")));
/// The mark.
pub(super) static MARK: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(("mark", "svg"), "image/svg+xml", include_str!("../../assets/mark.svg").to_owned())
});

static ALL: [&LazyLock<Asset>; 6] = [&STYLE, &LIVE, &VERIFY, &MARKET, &VOTE, &MARK];

/// A static file
pub(super) async fn asset(
    PathPart(name): PathPart<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let found = ALL.iter().find(|asset| asset.file_name() == name);
    let asset = found.ok_or_else(|| PageError::not_found("file", &name))?;
    let tag = format!("\"{}\"", asset.digest);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let fresh = known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal is ASCII");
    let kept = [(header::CACHE_CONTROL, FOREVER), (header::ETAG, tag)];
    if fresh {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let content_type = HeaderValue::from_static(asset.content_type);
    Ok((kept, [(header::CONTENT_TYPE, content_type)], asset.content.as_str()).into_response())
}
