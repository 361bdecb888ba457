//! An architecture as JSON, by which federations and the catalogue name it.

use serde::{Deserialize, Serialize};

use crate::{Architecture, ArchitectureError, Mlp, MlpShape};

/// The longest JSON text of an architecture that is read: sixteen widths fit many times over.
pub const ARCHITECTURE_JSON_BYTES_MAX: usize = 4_096;

/// Why a text is not an architecture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureJsonError {
    /// The text is longer than [`ARCHITECTURE_JSON_BYTES_MAX`].
    #[error("{got} bytes are more than {ARCHITECTURE_JSON_BYTES_MAX}")]
    TooLong {
        /// The length given.
        got: usize,
    },
    /// The text is not JSON of the expected form.
    #[error("expected JSON like {{\"kind\":\"mlp\",\"inputs\":11,\"hidden\":[32],\"classes\":2}}")]
    Malformed(#[source] serde_json::Error),
    /// The sizes are out of bounds.
    #[error("the architecture is out of bounds")]
    Architecture(#[from] ArchitectureError),
}

/// The JSON form of an [`Architecture`].
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum ArchitectureJson {
    Mlp { inputs: usize, hidden: Vec<usize>, classes: usize },
}

impl Architecture {
    /// The architecture as one line of JSON.
    ///
    /// # Panics
    /// Never: names and integers always serialise.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::Mlp(mlp) => {
                let MlpShape { inputs, hidden, classes } = mlp.shape().clone();
                ArchitectureJson::Mlp { inputs, hidden, classes }
            }
        };
        serde_json::to_string(&json).expect("names and integers always serialise")
    }

    /// Reads an architecture from JSON.
    ///
    /// # Errors
    /// [`ArchitectureJsonError`] if the text is too long, not of the form, or out of bounds.
    pub fn from_json(text: &str) -> Result<Self, ArchitectureJsonError> {
        if text.len() > ARCHITECTURE_JSON_BYTES_MAX {
            return Err(ArchitectureJsonError::TooLong { got: text.len() });
        }
        match serde_json::from_str(text).map_err(ArchitectureJsonError::Malformed)? {
            ArchitectureJson::Mlp { inputs, hidden, classes } => {
                Ok(Self::Mlp(Mlp::new(MlpShape { inputs, hidden, classes })?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINE: &str = r#"{"kind":"mlp","inputs":11,"hidden":[32],"classes":2}"#;

    #[test]
    fn the_json_form_is_pinned_and_read_back() {
        let architecture = Architecture::from_json(WINE).unwrap();
        assert_eq!(architecture.to_json(), WINE);
    }

    #[test]
    fn other_json_is_refused() {
        let refused = |text: &str| Architecture::from_json(text).unwrap_err();
        let malformed = [
            "",
            "{}",
            r#"{"kind":"cnn"}"#,
            r#"{"kind":"mlp","inputs":-1,"hidden":[],"classes":2}"#,
            r#"{"kind":"mlp","inputs":1,"hidden":[],"classes":2,"dropout":0.5}"#,
        ];
        for text in malformed {
            assert!(matches!(refused(text), ArchitectureJsonError::Malformed(_)), "{text}");
        }
        let out_of_bounds = refused(r#"{"kind":"mlp","inputs":0,"hidden":[],"classes":2}"#);
        assert!(matches!(out_of_bounds, ArchitectureJsonError::Architecture(_)));
        let long = format!("{WINE}{}", " ".repeat(ARCHITECTURE_JSON_BYTES_MAX));
        assert!(matches!(refused(&long), ArchitectureJsonError::TooLong { .. }));
    }
}
