//! An architecture as JSON, by which federations and the catalogue name it.

use serde::{Deserialize, Serialize};

use crate::{
    Architecture, ArchitectureError, Categorical, CharGruShape, Cnn, CnnShape, Convolution, Mlp,
    MlpShape, Padding, Pooling, TableMlpShape,
};

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
    Mlp {
        inputs: usize,
        hidden: Vec<usize>,
        classes: usize,
    },
    Cnn {
        channels: usize,
        height: usize,
        width: usize,
        convolutions: Vec<ConvolutionJson>,
        hidden: Vec<usize>,
        classes: usize,
    },
    CharGru {
        vocabulary: usize,
        embedding: usize,
        hidden: usize,
        layers: usize,
        context: usize,
    },
    TableMlp {
        numeric: usize,
        categorical: Vec<CategoricalJson>,
        hidden: Vec<usize>,
        classes: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoricalJson {
    levels: usize,
    dimension: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvolutionJson {
    channels: usize,
    kernel: usize,
    padding: PaddingJson,
    pooling: PoolingJson,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PaddingJson {
    Same,
    Valid,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PoolingJson {
    None,
    Max2,
}

impl From<Convolution> for ConvolutionJson {
    fn from(convolution: Convolution) -> Self {
        let Convolution { channels, kernel, padding, pooling } = convolution;
        let padding = match padding {
            Padding::Same => PaddingJson::Same,
            Padding::Valid => PaddingJson::Valid,
        };
        let pooling = match pooling {
            Pooling::None => PoolingJson::None,
            Pooling::Max2 => PoolingJson::Max2,
        };
        Self { channels, kernel, padding, pooling }
    }
}

impl From<ConvolutionJson> for Convolution {
    fn from(json: ConvolutionJson) -> Self {
        let ConvolutionJson { channels, kernel, padding, pooling } = json;
        let padding = match padding {
            PaddingJson::Same => Padding::Same,
            PaddingJson::Valid => Padding::Valid,
        };
        let pooling = match pooling {
            PoolingJson::None => Pooling::None,
            PoolingJson::Max2 => Pooling::Max2,
        };
        Self { channels, kernel, padding, pooling }
    }
}

impl From<&Architecture> for ArchitectureJson {
    fn from(architecture: &Architecture) -> Self {
        match architecture {
            Architecture::Mlp(mlp) => {
                let MlpShape { inputs, hidden, classes } = mlp.shape().clone();
                Self::Mlp { inputs, hidden, classes }
            }
            Architecture::Cnn(cnn) => {
                let CnnShape { channels, height, width, convolutions, hidden, classes } =
                    cnn.shape().clone();
                let convolutions = convolutions.into_iter().map(ConvolutionJson::from).collect();
                Self::Cnn { channels, height, width, convolutions, hidden, classes }
            }
            Architecture::CharGru(gru) => {
                let CharGruShape { vocabulary, embedding, hidden, layers, context } =
                    gru.shape().clone();
                Self::CharGru { vocabulary, embedding, hidden, layers, context }
            }
            Architecture::TableMlp(table) => {
                let TableMlpShape { numeric, categorical, hidden, classes } = table.shape().clone();
                let column =
                    |Categorical { levels, dimension }| CategoricalJson { levels, dimension };
                let categorical = categorical.into_iter().map(column).collect();
                Self::TableMlp { numeric, categorical, hidden, classes }
            }
        }
    }
}

impl TryFrom<ArchitectureJson> for Architecture {
    type Error = ArchitectureError;

    fn try_from(json: ArchitectureJson) -> Result<Self, ArchitectureError> {
        match json {
            ArchitectureJson::Mlp { inputs, hidden, classes } => {
                Ok(Self::Mlp(Mlp::new(MlpShape { inputs, hidden, classes })?))
            }
            ArchitectureJson::Cnn { channels, height, width, convolutions, hidden, classes } => {
                let convolutions = convolutions.into_iter().map(Convolution::from).collect();
                let shape = CnnShape { channels, height, width, convolutions, hidden, classes };
                Ok(Self::Cnn(Cnn::new(shape)?))
            }
            ArchitectureJson::CharGru { vocabulary, embedding, hidden, layers, context } => {
                Self::char_gru(CharGruShape { vocabulary, embedding, hidden, layers, context })
            }
            ArchitectureJson::TableMlp { numeric, categorical, hidden, classes } => {
                let column =
                    |CategoricalJson { levels, dimension }| Categorical { levels, dimension };
                let categorical = categorical.into_iter().map(column).collect();
                Self::table_mlp(TableMlpShape { numeric, categorical, hidden, classes })
            }
        }
    }
}

impl Architecture {
    /// The architecture as one line of JSON.
    ///
    /// # Panics
    /// Never: names and integers always serialise.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&ArchitectureJson::from(self))
            .expect("names and integers always serialise")
    }

    /// Reads an architecture from JSON.
    ///
    /// # Errors
    /// [`ArchitectureJsonError`] if the text is too long, not of the form, or out of bounds.
    pub fn from_json(text: &str) -> Result<Self, ArchitectureJsonError> {
        if text.len() > ARCHITECTURE_JSON_BYTES_MAX {
            return Err(ArchitectureJsonError::TooLong { got: text.len() });
        }
        let json: ArchitectureJson =
            serde_json::from_str(text).map_err(ArchitectureJsonError::Malformed)?;
        Ok(json.try_into()?)
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
    fn the_json_form_of_a_convolutional_network_is_pinned_and_read_back() {
        let text = concat!(
            r#"{"kind":"cnn","channels":1,"height":28,"width":28,"convolutions":["#,
            r#"{"channels":16,"kernel":5,"padding":"valid","pooling":"max2"},"#,
            r#"{"channels":32,"kernel":5,"padding":"valid","pooling":"max2"}],"#,
            r#""hidden":[128],"classes":10}"#
        );
        let architecture = Architecture::from_json(text).unwrap();
        assert_eq!(architecture, Architecture::Cnn(Cnn::small()));
        assert_eq!(architecture.to_json(), text);
    }

    #[test]
    fn the_json_forms_of_the_others_are_pinned_and_read_back() {
        let gru = r#"{"kind":"char_gru","vocabulary":80,"embedding":8,"hidden":256,"layers":2,"context":64}"#;
        let table = r#"{"kind":"table_mlp","numeric":2,"categorical":[{"levels":7,"dimension":3}],"hidden":[9],"classes":2}"#;
        for text in [gru, table] {
            assert_eq!(Architecture::from_json(text).unwrap().to_json(), text);
        }
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
