//! Licences as people write them: SPDX expressions, or a name, an address and a text.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use data_dao_governance::Licence;
use privacy_identity::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// Longest text of a licence of one's own, in bytes: the longest of the SPDX list has some 150 000.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Under which licence a federation's models are sold: an SPDX expression such as `"CC-BY-NC-4.0"`, or
/// `{ name = "…", link = "https://…", text = "FILE" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LicenceConfig {
    /// One or more licences of the SPDX list.
    Spdx(String),
    /// Another one.
    Other(OtherLicence),
}

/// A licence that is not in the SPDX list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherLicence {
    /// What it is called, 1 to 200 bytes.
    pub name: String,
    /// Where buyers read it: `https://…`, 500 bytes at most.
    pub link: String,
    /// A file with the same text, byte for byte: its SHA-256 is what buyers agree to.
    pub text: PathBuf,
}

impl LicenceConfig {
    /// The licence as the ledger has it.
    ///
    /// # Errors
    /// An expression that names no licences, an address that is none, a text that cannot be read.
    pub fn licence(&self) -> anyhow::Result<Licence> {
        match self {
            Self::Spdx(expression) => spdx_licence(expression),
            Self::Other(OtherLicence { name, link, text }) => {
                let sha256 = digest_of(text)?;
                let licence = Licence::Other { name: name.clone(), link: link.clone(), sha256 };
                licence.check()?;
                Ok(licence)
            }
        }
    }
}

/// An SPDX expression, checked against the list of its version.
///
/// # Errors
/// What the list does not have, or calls deprecated.
pub(crate) fn spdx_licence(text: &str) -> anyhow::Result<Licence> {
    let parsed = spdx::Expression::parse(text);
    let expression = parsed.map_err(|error| {
        let (reason, what) = (&error.reason, text.get(error.span.clone()).unwrap_or(text));
        anyhow::anyhow!(
            "{text:?} is no SPDX expression: {reason} at {what:?}; for another licence give name, link and text"
        )
    })?;
    if expression.requirements().any(|part| part.req.license.id().is_none()) {
        bail!("{text:?}: what is not in the SPDX list has a name, a link and a text instead");
    }
    let licence = Licence::Spdx(text.to_owned());
    licence.check()?;
    Ok(licence)
}

fn digest_of(path: &Path) -> anyhow::Result<Digest> {
    let reading = || format!("reading the licence's text {}", path.display());
    let length = std::fs::metadata(path).with_context(reading)?.len();
    if !(1..=TEXT_BYTES_MAX).contains(&length) {
        bail!("{} has {length} bytes, allowed are 1 to {TEXT_BYTES_MAX}", path.display());
    }
    let bytes = std::fs::read(path).with_context(reading)?;
    Ok(Digest(sha2::Sha256::digest(bytes).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Section {
        licence: LicenceConfig,
    }

    #[test]
    fn expressions_name_licences_that_there_are() {
        for good in [
            "MIT",
            "CC-BY-NC-4.0",
            "MIT OR Apache-2.0",
            "GPL-3.0-only WITH Classpath-exception-2.0",
        ] {
            assert_eq!(spdx_licence(good).unwrap(), Licence::Spdx(good.to_owned()));
        }
        for bad in
            ["", "mit", "MIT AND", "GPL-3.0", "LicenseRef-ours", "MIT/Apache-2.0", "proprietary"]
        {
            let refused = spdx_licence(bad).unwrap_err().to_string();
            assert!(refused.contains("SPDX"), "{bad}: {refused}");
        }
    }

    #[test]
    fn another_licence_is_a_name_an_address_and_a_text() {
        let folder = tempfile::TempDir::new().unwrap();
        let text = folder.path().join("licence.txt");
        std::fs::write(&text, "Share alike.\n").unwrap();
        let toml = format!(
            "licence = {{ name = \"Ours 1\", link = \"https://dao.example/1\", text = {text:?} }}"
        );
        let read: Section = toml::from_str(&toml).unwrap();
        let Licence::Other { sha256, .. } = read.licence.licence().unwrap() else {
            panic!("it is another one");
        };
        // sha256sum of that file.
        let expected = "5aa0684338cb1889795c100375e97018de3463912dd2b0af48c60b9d67eb9fca";
        assert_eq!(sha256.to_string(), expected);
        let again: Section = toml::from_str(&toml::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
        let plain: Section = toml::from_str("licence = \"MIT\"").unwrap();
        assert_eq!(plain.licence, LicenceConfig::Spdx("MIT".to_owned()));
        for bad in [
            toml.replace("https", "http"),
            toml.replace("licence.txt", "none.txt"),
            toml.replace("Ours 1", ""),
        ] {
            assert!(toml::from_str::<Section>(&bad).unwrap().licence.licence().is_err(), "{bad}");
        }
        assert!(toml::from_str::<Section>("licence = { name = \"x\" }").is_err());
    }
}
