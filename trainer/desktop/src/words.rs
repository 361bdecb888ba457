//! The texts of the window: one file per language, embedded.

use std::collections::BTreeMap;

use crate::settings::Language;

/// The texts of one language.
#[derive(Debug, Clone)]
pub struct Words(BTreeMap<String, String>);

impl Words {
    /// The texts of `language`.
    ///
    /// # Panics
    /// Never: that the embedded files are proper is tested.
    #[must_use]
    pub fn of(language: Language) -> Self {
        let text = match language {
            Language::English => include_str!("../locales/en.toml"),
            Language::Hindi => include_str!("../locales/hi.toml"),
        };
        Self(toml::from_str(text).expect("embedded texts are a flat table of strings"))
    }

    /// The text called `key`; the key itself if there is none, so that a gap shows.
    #[must_use]
    pub fn text<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, String::as_str)
    }

    /// The text called `key`, with `{name}` replaced by its value.
    #[must_use]
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut text = self.text(key).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn holes(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn all_languages_have_the_same_texts_with_the_same_arguments() {
        let english = Words::of(Language::English);
        for language in Language::ALL {
            let other = Words::of(language);
            assert!(
                english.0.keys().eq(other.0.keys()),
                "{language:?} {:?}",
                english
                    .0
                    .keys()
                    .collect::<BTreeSet<_>>()
                    .symmetric_difference(&other.0.keys().collect())
                    .collect::<Vec<_>>()
            );
            for (key, text) in &english.0 {
                assert_eq!(holes(text), holes(other.text(key)), "{key} in {language:?}");
            }
        }
    }

    #[test]
    fn every_text_that_the_window_asks_for_is_there() {
        let english = Words::of(Language::English);
        let source = std::path::Path::new("src");
        let mut asked = 0;
        for file in std::fs::read_dir(source.join("ui")).unwrap() {
            let code = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for call in ["view.t(", ".fill(", "heading(ui, view, "] {
                for part in code.split(call).skip(1) {
                    // What is no literal is a key by another name, whose literal stands elsewhere.
                    let Some(part) = part.trim_start().strip_prefix('"') else { continue };
                    let key = part.split('"').next().unwrap();
                    assert!(english.0.contains_key(key), "no text {key:?}");
                    asked += 1;
                }
            }
        }
        assert!(asked > 100, "{asked} calls were understood");
    }

    #[test]
    fn holes_are_filled() {
        let words = Words([("a".to_owned(), "{x} of {y}".to_owned())].into());
        assert_eq!(words.fill("a", &[("x", "1"), ("y", "2")]), "1 of 2");
        assert_eq!(words.text("none"), "none");
    }
}
