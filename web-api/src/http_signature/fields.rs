//! The two fields of a signature, parsed: as much of RFC 9651 as RFC 9421 needs.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::SignatureError;

/// Longest value of either field, in bytes: one signature over a dozen components fits many times.
const FIELD_BYTES_MAX: usize = 4_096;
/// Most components and parameters of a signature.
const ITEMS_MAX: usize = 32;

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(u64),
    Text(String),
}

/// What a signature says that it covers: component names and parameters, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) label: String,
    pub(crate) components: Vec<String>,
    pub(crate) parameters: Vec<(String, Value)>,
}

impl Input {
    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        match self.parameter(name)? {
            Value::Integer(number) => Some(*number),
            Value::Text(_) => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.parameter(name)? {
            Value::Text(text) => Some(text),
            Value::Integer(_) => None,
        }
    }

    fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The value as `@signature-params` has it: the one form of RFC 9651 §4.1.
    pub(crate) fn params(&self) -> String {
        let quoted: Vec<String> =
            self.components.iter().map(|name| format!("\"{name}\"")).collect();
        let mut text = format!("({})", quoted.join(" "));
        for (name, value) in &self.parameters {
            text.push(';');
            text.push_str(name);
            text.push('=');
            match value {
                Value::Integer(number) => text.push_str(&number.to_string()),
                Value::Text(value) => {
                    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                    text.push('"');
                    text.push_str(&escaped);
                    text.push('"');
                }
            }
        }
        text
    }

    /// Parses `Signature-Input`, which has to be of one signature: which of several to believe is nobody's to guess.
    pub(crate) fn parse(text: &str) -> Result<Self, SignatureError> {
        let mut rest = Rest::new(text)?;
        let label = rest.key()?;
        rest.expect(b'=')?;
        rest.expect(b'(')?;
        let mut components = Vec::new();
        loop {
            rest.spaces();
            if rest.next_is(b')') {
                break;
            }
            let component = rest.text()?;
            // Parameters of components (`;req`, `;bs`) are for answers and oddities: none is signed here.
            if rest.peek() == Some(b';') || components.contains(&component) {
                return Err(SignatureError::Malformed);
            }
            components.push(component);
            if components.len() > ITEMS_MAX {
                return Err(SignatureError::Malformed);
            }
        }
        let mut parameters: Vec<(String, Value)> = Vec::new();
        while rest.next_is(b';') {
            rest.spaces();
            let name = rest.key()?;
            rest.expect(b'=')?;
            let value = match rest.peek() {
                Some(b'"') => Value::Text(rest.text()?),
                _ => Value::Integer(rest.integer()?),
            };
            if parameters.len() >= ITEMS_MAX || parameters.iter().any(|(known, _)| *known == name) {
                return Err(SignatureError::Malformed);
            }
            parameters.push((name, value));
        }
        rest.end()?;
        Ok(Self { label, components, parameters })
    }
}

/// The bytes of a dictionary's one member: `Signature` under `label`.
pub(crate) fn signature(text: &str, label: &str) -> Result<[u8; 64], SignatureError> {
    let mut rest = Rest::new(text)?;
    if rest.key()? != label {
        return Err(SignatureError::Malformed);
    }
    rest.expect(b'=')?;
    let bytes = rest.bytes()?;
    rest.end()?;
    bytes.try_into().map_err(|_bytes| SignatureError::Malformed)
}

/// The value of `algorithm` in `Content-Digest` (RFC 9530 §2); others may stand beside it.
pub(crate) fn digest(text: &str, algorithm: &str) -> Result<Option<Vec<u8>>, SignatureError> {
    let mut rest = Rest::new(text)?;
    let mut found = None;
    loop {
        let key = rest.key()?;
        rest.expect(b'=')?;
        let bytes = rest.bytes()?;
        if key == algorithm {
            found = Some(bytes);
        }
        rest.spaces();
        if !rest.next_is(b',') {
            break;
        }
        rest.spaces();
    }
    rest.end()?;
    Ok(found)
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn new(text: &'a str) -> Result<Self, SignatureError> {
        if text.len() > FIELD_BYTES_MAX {
            Err(SignatureError::Malformed)
        } else {
            Ok(Self(text.trim().as_bytes()))
        }
    }

    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn take_while(&mut self, is: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !is(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    fn next_is(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), SignatureError> {
        if self.next_is(byte) { Ok(()) } else { Err(SignatureError::Malformed) }
    }

    fn end(&self) -> Result<(), SignatureError> {
        if self.0.is_empty() { Ok(()) } else { Err(SignatureError::Malformed) }
    }

    fn key(&mut self) -> Result<String, SignatureError> {
        let first = self.peek().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'*');
        let key = self.take_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        });
        if first { Ok(ascii(key)) } else { Err(SignatureError::Malformed) }
    }

    fn integer(&mut self) -> Result<u64, SignatureError> {
        // At most 15 digits (RFC 9651 §3.3.1), and no leading zeros: one form for each number.
        let digits = ascii(self.take_while(|byte| byte.is_ascii_digit()));
        let fits = (1..=15).contains(&digits.len()) && (digits == "0" || !digits.starts_with('0'));
        digits.parse().ok().filter(|_| fits).ok_or(SignatureError::Malformed)
    }

    fn text(&mut self) -> Result<String, SignatureError> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            let plain = self
                .take_while(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\');
            text.push_str(&ascii(plain));
            match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return Ok(text);
                }
                [b'\\', escaped @ (b'"' | b'\\'), rest @ ..] => {
                    text.push(char::from(*escaped));
                    self.0 = rest;
                }
                _ => return Err(SignatureError::Malformed),
            }
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, SignatureError> {
        self.expect(b':')?;
        let text = self.take_while(|byte| byte != b':');
        self.expect(b':')?;
        BASE64_STANDARD.decode(text).map_err(|_source| SignatureError::Malformed)
    }
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
