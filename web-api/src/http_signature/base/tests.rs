//! RFC 9421's own vector, and what must not hold.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(field).collect()
}

/// RFC 9421, B.2.6 "Signing a Request Using ed25519", with the key of B.1.4 and the request of B.2.
#[test]
fn the_vector_of_rfc_9421_holds() {
    let headers = headers(&[
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ]);
    let uri: Uri = "/foo?param=Value&Pet=dog".parse().unwrap();
    let request = Covered { method: &Method::POST, uri: &uri, headers: &headers };
    let input = Input::parse(
        "sig-b26=(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\")\
         ;created=1618884473;keyid=\"test-key-ed25519\"",
    )
    .unwrap();
    let base = signature_base(&request, &input).unwrap();
    let expected = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
                    \"@authority\": example.com\n\"content-type\": application/json\n\
                    \"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \
                    \"@authority\" \"content-type\" \"content-length\");created=1618884473;\
                    keyid=\"test-key-ed25519\"";
    assert_eq!(base, expected);
    let key = BASE64_STANDARD.decode("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=").unwrap();
    let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
    let signature = fields::signature(
        "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
        "sig-b26",
    )
    .unwrap();
    key.verify_strict(base.as_bytes(), &Signature::from_bytes(&signature)).unwrap();
}

const NOW_S: u64 = 1_700_000_000;
const BODY: &[u8] = b"{\"hello\": \"world\"}";
const COMPONENTS: &str = "\"@method\" \"@authority\" \"@path\" \"@query\" \"content-digest\"";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A signed request with these components and parameters, and its path and body changed on the way, perhaps.
fn sent(
    (components, parameters): (&str, &str),
    (uri, body): (&str, &[u8]),
) -> Result<Checked, SignatureError> {
    let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(BODY)));
    let key_id = hex::encode(key().verifying_key().as_bytes());
    let params = format!("({components}){parameters};keyid=\"{key_id}\"");
    let mut headers = headers(&[("host", "dao.example"), ("content-digest", &digest)]);
    let signed: Uri = "/v1/keys?a=b".parse().unwrap();
    let input = Input::parse(&format!("sig={params}"))?;
    let request = Covered { method: &Method::POST, uri: &signed, headers: &headers };
    let signature = key().sign(signature_base(&request, &input)?.as_bytes()).to_bytes();
    let signature = format!("sig=:{}:", BASE64_STANDARD.encode(signature));
    headers.insert("signature-input", format!("sig={params}").parse().unwrap());
    headers.insert("signature", signature.parse().unwrap());
    let uri: Uri = uri.parse().unwrap();
    let request = Covered { method: &Method::POST, uri: &uri, headers: &headers };
    check(&request, body, &["dao.example".to_owned()], NOW_S)
}

fn whole() -> String {
    format!(";created={NOW_S};nonce=\"0123456789abcdef\"")
}

#[test]
fn a_request_that_arrives_as_it_was_signed_is_its_keys() {
    let checked = sent((COMPONENTS, &whole()), ("/v1/keys?a=b", BODY)).unwrap();
    assert_eq!(checked.key, key().verifying_key().to_bytes());
    assert_eq!(checked.nonce, "0123456789abcdef");
}

#[test]
fn what_was_changed_or_left_out_or_is_late_is_refused() {
    use SignatureError as E;
    let (uri, whole) = ("/v1/keys?a=b", whole());
    let refused = |sealed, arrived, expected: E| {
        assert_eq!(sent(sealed, arrived), Err(expected), "{sealed:?}");
    };
    refused((COMPONENTS, &whole), ("/v1/keys?a=c", BODY), E::Wrong);
    refused((COMPONENTS, &whole), ("/v1/key?a=b", BODY), E::Wrong);
    refused((COMPONENTS, &whole), (uri, b"{}"), E::Digest);
    for left_out in ["@method", "@authority", "@query", "content-digest"] {
        let fewer = COMPONENTS.replace(&format!("\"{left_out}\""), "");
        assert!(matches!(sent((&fewer, &whole), (uri, BODY)), Err(E::NotCovered(_))), "{left_out}");
    }
    let nonce = ";nonce=\"0123456789abcdef\"";
    for created_s in [NOW_S - SKEW_S_MAX - 1, NOW_S + SKEW_S_MAX + 1] {
        let parameters: &'static str = format!(";created={created_s}{nonce}").leak();
        refused((COMPONENTS, parameters), (uri, BODY), E::Time { created_s, now_s: NOW_S });
    }
    let over = format!(";created={NOW_S};expires={NOW_S}{nonce}");
    refused((COMPONENTS, &over), (uri, BODY), E::Time { created_s: NOW_S, now_s: NOW_S });
    refused((COMPONENTS, nonce), (uri, BODY), E::NoParameter("created"));
    let without = format!(";created={NOW_S}");
    refused((COMPONENTS, &without), (uri, BODY), E::NoParameter("nonce"));
    let other = format!("{whole};alg=\"rsa-pss-sha512\"");
    refused((COMPONENTS, &other), (uri, BODY), E::Algorithm);
    let unknown = format!("{COMPONENTS} \"x-none\"");
    refused((&unknown, &whole), (uri, BODY), E::NoComponent("x-none".to_owned()));
    let twice = format!("{COMPONENTS} \"@method\"");
    refused((&twice, &whole), (uri, BODY), E::Malformed);
}

#[test]
fn a_request_for_another_node_is_refused() {
    let headers = headers(&[
        ("host", "other.example"),
        (
            "signature-input",
            "sig=(\"@method\" \"@authority\" \"@path\" \"@query\");created=1700000000;keyid=\"00\"",
        ),
        ("signature", &format!("sig=:{}:", BASE64_STANDARD.encode([0; 64]))),
    ]);
    let uri: Uri = "/".parse().unwrap();
    let request = Covered { method: &Method::GET, uri: &uri, headers: &headers };
    let refused = check(&request, b"", &["dao.example".to_owned()], NOW_S);
    assert_eq!(refused, Err(SignatureError::Authority("other.example".to_owned())));
}

proptest! {
    #[test]
    fn any_field_is_parsed_or_refused(text in "[ -~]{0,80}", near in "[a-z=(\");:0-9,\\\\ ]{0,60}") {
        for text in [text, near] {
            if let Ok(input) = Input::parse(&text) {
                let again = Input::parse(&format!("{}={}", input.label, input.params())).unwrap();
                prop_assert_eq!(again, input);
            }
            prop_assert!(fields::digest(&text, "sha-256").is_ok() || fields::signature(&text, "sig").is_err());
        }
    }
}
