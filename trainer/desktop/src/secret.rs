//! A text that nobody else should read.

use zeroize::{Zeroize as _, Zeroizing};

/// A secret text: erased from memory when it is dropped, and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Takes the text out of a field of the window, which is empty afterwards.
    #[must_use]
    pub fn take(field: &mut String) -> Self {
        let text = field.clone();
        field.zeroize();
        Self::new(text)
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
