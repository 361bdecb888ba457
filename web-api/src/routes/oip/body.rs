//! Bodies of the protocol on the wire: compressed or not, JSON with binary tensors behind it.
//!
//! ```text
//!  Content-Encoding ─► inflate ─► Inference-Header-Content-Length ─► JSON | binary tensors
//! ```
//! Threat: a small body that inflates to gigabytes. What comes out is bounded as what may come in.

use std::io::Read;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use flate2::{
    Compression,
    read::{GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder},
};
use serde::{Serialize, de::DeserializeOwned};

use super::tensor::refused;
use crate::api_error::ApiError;
use crate::router::INFER_BODY_BYTES_MAX;

/// The length of a body's JSON, where binary tensors follow it.
pub(super) const HEADER_LENGTH: HeaderName =
    HeaderName::from_static("inference-header-content-length");
/// Shorter responses are not compressed: the client would gain less than a packet.
const COMPRESSED_BYTES_MIN: usize = 1_024;
/// Longer bodies are inflated on a thread of their own.
const INFLATED_HERE_BYTES_MAX: usize = 4 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    /// In the zlib format, as RFC 9110 has it.
    Deflate,
}

impl Coding {
    /// How a request's body is compressed.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(Self::Identity) };
        match value.as_bytes().to_ascii_lowercase().as_slice() {
            b"identity" => Ok(Self::Identity),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            _ => Err(ApiError::UnsupportedEncoding),
        }
    }

    /// How the client would have the response: gzip if it takes both.
    pub(super) fn of_response(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_ENCODING);
        let takes = |name: &str| {
            values.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')).any(
                |item| {
                    let mut parts = item.split(';').map(str::trim);
                    let is_it =
                        parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(name));
                    let weight = parts.find_map(|part| part.strip_prefix("q="));
                    is_it && weight.and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0)
                },
            )
        };
        match (takes("gzip"), takes("deflate")) {
            (true, _) => Self::Gzip,
            (false, true) => Self::Deflate,
            (false, false) => Self::Identity,
        }
    }
}

/// A request's body in its parts.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Bytes,
    /// Where the JSON ends.
    json_len: usize,
}

impl Body {
    /// Inflates a body and finds its parts.
    pub(super) async fn read(headers: &HeaderMap, bytes: Bytes) -> Result<Self, ApiError> {
        check_content_type(headers)?;
        let coding = Coding::of_request(headers)?;
        let bytes = if coding == Coding::Identity {
            bytes
        } else if bytes.len() <= INFLATED_HERE_BYTES_MAX {
            inflated(coding, &bytes)?
        } else {
            let task = tokio::task::spawn_blocking(move || inflated(coding, &bytes));
            task.await.map_err(ApiError::internal)??
        };
        let json_len = match headers.get(HEADER_LENGTH) {
            None => bytes.len(),
            Some(value) => {
                let length = value.to_str().ok().and_then(|text| text.parse().ok());
                length.filter(|length| *length <= bytes.len()).ok_or_else(|| {
                    let got = bytes.len();
                    refused(format!("{HEADER_LENGTH} is not a number up to the body's {got} bytes"))
                })?
            }
        };
        Ok(Self { bytes, json_len })
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.bytes[..self.json_len]).map_err(|error| {
            let text = error.to_string();
            if error.is_data() { ApiError::Invalid(text) } else { ApiError::Malformed(text) }
        })
    }

    pub(super) fn binary(&self) -> &[u8] {
        &self.bytes[self.json_len..]
    }
}

/// JSON, or what has JSON in front; clients that name no type mean this.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let known = [
        "application/json",
        "application/octet-stream",
        "application/vnd.sagemaker-triton.binary+json",
    ];
    if known.contains(&essence.as_str()) { Ok(()) } else { Err(ApiError::UnsupportedMediaType) }
}

fn inflated(coding: Coding, bytes: &[u8]) -> Result<Bytes, ApiError> {
    match coding {
        Coding::Identity => Ok(Bytes::copy_from_slice(bytes)),
        Coding::Gzip => read_bounded(MultiGzDecoder::new(bytes)),
        Coding::Deflate => read_bounded(ZlibDecoder::new(bytes)),
    }
}

fn read_bounded(reader: impl Read) -> Result<Bytes, ApiError> {
    let mut out = Vec::new();
    let max = INFER_BODY_BYTES_MAX as u64;
    let read = reader.take(max + 1).read_to_end(&mut out);
    read.map_err(|error| refused(format!("the body is not compressed as it says: {error}")))?;
    if out.len() > INFER_BODY_BYTES_MAX { Err(ApiError::TooLarge) } else { Ok(out.into()) }
}

/// The response of `json` with binary tensors behind it, if there are any, compressed if that helps.
pub(super) fn response<const N: usize>(
    json: &impl Serialize,
    binary: &[u8],
    coding: Coding,
    headers: [(HeaderName, HeaderValue); N],
) -> Result<Response, ApiError> {
    let mut body = serde_json::to_vec(json).map_err(ApiError::internal)?;
    let json_len = body.len();
    body.extend_from_slice(binary);
    let coding = if body.len() < COMPRESSED_BYTES_MIN { Coding::Identity } else { coding };
    let body = match coding {
        Coding::Identity => body,
        Coding::Gzip => deflated(GzEncoder::new(body.as_slice(), Compression::fast()))?,
        Coding::Deflate => deflated(ZlibEncoder::new(body.as_slice(), Compression::fast()))?,
    };
    let mut response = (headers, body).into_response();
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    if binary.is_empty() {
        headers.insert(header::CONTENT_TYPE, fixed("application/json"));
    } else {
        headers.insert(header::CONTENT_TYPE, fixed("application/octet-stream"));
        headers.insert(HEADER_LENGTH, json_len.into());
    }
    headers.insert(header::VARY, fixed("accept-encoding"));
    match coding {
        Coding::Identity => None,
        Coding::Gzip => headers.insert(header::CONTENT_ENCODING, fixed("gzip")),
        Coding::Deflate => headers.insert(header::CONTENT_ENCODING, fixed("deflate")),
    };
    Ok(response)
}

fn deflated(mut reader: impl Read) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::new();
    reader.read_to_end(&mut out).map_err(ApiError::internal)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn accepted(value: &str) -> Coding {
        Coding::of_response(&headers(&[(header::ACCEPT_ENCODING, value)]))
    }

    #[test]
    fn a_response_is_compressed_as_the_client_takes_it() {
        assert_eq!(accepted("gzip, deflate"), Coding::Gzip);
        assert_eq!(accepted("deflate, gzip;q=0"), Coding::Deflate);
        assert_eq!(accepted("identity"), Coding::Identity);
        assert_eq!(accepted("br"), Coding::Identity);
        assert_eq!(Coding::of_response(&HeaderMap::new()), Coding::Identity);
    }

    #[tokio::test]
    async fn a_body_that_inflates_beyond_the_limit_is_refused() {
        let zeros = vec![0_u8; INFER_BODY_BYTES_MAX + 1];
        let small = deflated(GzEncoder::new(zeros.as_slice(), Compression::best())).unwrap();
        assert!(small.len() < 8_192);
        let gzip = headers(&[(header::CONTENT_ENCODING, "gzip")]);
        assert!(matches!(Body::read(&gzip, small.into()).await, Err(ApiError::TooLarge)));
        let broken = Body::read(&gzip, Bytes::from_static(b"{}")).await;
        assert!(matches!(broken, Err(ApiError::Malformed(_))));
        let other = headers(&[(header::CONTENT_ENCODING, "br")]);
        let other = Body::read(&other, Bytes::new()).await;
        assert!(matches!(other, Err(ApiError::UnsupportedEncoding)));
    }

    #[tokio::test]
    async fn the_json_ends_where_the_header_says() {
        let read = async |length: &str| {
            let headers = headers(&[(HEADER_LENGTH, length)]);
            Body::read(&headers, Bytes::from_static(b"{}rest")).await
        };
        let body = read("2").await.unwrap();
        assert_eq!(
            (body.json::<serde_json::Value>().unwrap().to_string(), body.binary()),
            ("{}".to_owned(), &b"rest"[..])
        );
        for wrong in ["7", "-1", "x", ""] {
            assert!(matches!(read(wrong).await, Err(ApiError::Malformed(_))), "{wrong}");
        }
    }
}
