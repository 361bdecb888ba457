//! A version's licence as buyers, cards and model hubs see it.

use data_dao_governance::Licence;
use data_dao_journal::Refusal;
use privacy_identity::Digest;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api_error::ApiError;

/// What the reader of a card takes a model for that names no licence.
const UNKNOWN: &str = "unknown";
/// What it takes one for whose licence is not in its list.
const OTHER: &str = "other";
/// The licences of the SPDX list that model hubs know by their own ids, which are the SPDX ids in lower case
/// (huggingface.co/docs/hub/repositories-licenses, without families of licences and those that SPDX has not).
const OF_HUBS: &str = "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 cc0-1.0 \
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 \
    cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cdla-permissive-1.0 \
    cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 gpl-2.0 gpl-3.0 isc lgpl-2.1 lgpl-3.0 \
    lppl-1.3c mit mpl-2.0 ms-pl ncsa ofl-1.1 osl-3.0 postgresql unlicense wtfpl zlib";

/// A licence: what a buyer agrees to with the plan `download`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LicenceView {
    /// What it is called: an SPDX expression, or its own name.
    #[schema(example = "CC-BY-NC-4.0")]
    name: String,
    /// The same if it is an SPDX expression.
    spdx: Option<String>,
    /// Where its text is; none for an expression of several licences.
    link: Option<String>,
    /// SHA-256 of that text, byte for byte, in hexadecimal; none of an SPDX licence, whose id names its text.
    sha256: Option<String>,
}

impl LicenceView {
    pub(crate) fn new(licence: &Licence) -> Self {
        let (spdx, sha256) = match licence {
            Licence::Spdx(expression) => (Some(expression.clone()), None),
            Licence::Other { sha256, .. } => (None, Some(sha256.to_string())),
        };
        Self { name: licence.name().to_owned(), spdx, link: link(licence), sha256 }
    }
}

/// Which licence somebody agrees to, as far as it says.
///
/// Threat: the text behind a link becomes another one, or another version becomes the newest, between reading and agreeing. A
/// name can stay when a text does not; its digest cannot.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgreedLicence {
    name: Option<String>,
    sha256: Option<Digest>,
}

impl AgreedLicence {
    /// * `sha256` — of the text, in hexadecimal.
    ///
    /// # Errors
    /// [`ApiError::Invalid`] if `sha256` is none.
    pub(crate) fn new(name: Option<String>, sha256: Option<&str>) -> Result<Self, ApiError> {
        let told =
            "licence_sha256: expected 64 hexadecimal digits, the SHA-256 of the licence's text";
        let sha256 = sha256.map(str::parse).transpose();
        Ok(Self { name, sha256: sha256.map_err(|_source| ApiError::Invalid(told.to_owned()))? })
    }

    /// Whether it says anything.
    pub(crate) const fn is_said(&self) -> bool {
        self.name.is_some() || self.sha256.is_some()
    }

    /// Refuses another licence than the one that was agreed to.
    ///
    /// # Errors
    /// [`Refusal::Differs`], with what there is and what was said.
    pub(crate) fn check(&self, licence: Option<&Licence>) -> Result<(), ApiError> {
        let text = match licence {
            Some(Licence::Other { sha256, .. }) => Some(sha256.to_string()),
            _ => None,
        };
        same("licence", licence.map(Licence::name), self.name.as_deref())?;
        let agreed = self.sha256.map(|sha256| sha256.to_string());
        same("licence_sha256", text.as_deref(), agreed.as_deref())
    }
}

fn same(what: &str, expected: Option<&str>, got: Option<&str>) -> Result<(), ApiError> {
    let Some(got) = got.filter(|got| Some(*got) != expected) else { return Ok(()) };
    let (expected, got) = (expected.unwrap_or("none").to_owned(), got.to_owned());
    Err(ApiError::Refused(Box::new(Refusal::Differs { what: what.to_owned(), expected, got })))
}

/// Where the licence's text is, if it is one.
pub(crate) fn link(licence: &Licence) -> Option<String> {
    match licence {
        Licence::Spdx(expression) => {
            let one = expression.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
            one.then(|| format!("https://spdx.org/licenses/{expression}.html"))
        }
        Licence::Other { link, .. } => Some(link.clone()),
    }
}

/// The lines of a card's front-matter about the licence: `license`, and `license_name` and `license_link` for those that
/// model hubs do not know. Texts are written as JSON, which is a part of YAML.
pub(crate) fn front_matter(licence: Option<&Licence>) -> String {
    let Some(licence) = licence else { return format!("license: {UNKNOWN}\n") };
    if let Licence::Spdx(expression) = licence
        && let Some(known) = id_of_hubs(expression)
    {
        return format!("license: {known}\n");
    }
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut lines = format!("license: {OTHER}\nlicense_name: {}\n", quoted(licence.name()));
    if let Some(link) = link(licence) {
        lines += &format!("license_link: {}\n", quoted(&link));
    }
    lines
}

/// The id under which model hubs know a licence. They do not tell `-only` from `-or-later`: the card's table does.
fn id_of_hubs(expression: &str) -> Option<&'static str> {
    let id = expression.to_ascii_lowercase();
    let id = id.strip_suffix("-only").or_else(|| id.strip_suffix("-or-later")).unwrap_or(&id);
    OF_HUBS.split_ascii_whitespace().find(|known| *known == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_read_the_licence_that_was_named() {
        let spdx = |text: &str| Licence::Spdx(text.to_owned());
        assert_eq!(front_matter(None), "license: unknown\n");
        assert_eq!(front_matter(Some(&spdx("CC-BY-NC-4.0"))), "license: cc-by-nc-4.0\n");
        assert_eq!(front_matter(Some(&spdx("AGPL-3.0-only"))), "license: agpl-3.0\n");
        let both = "license: other\nlicense_name: \"MIT OR Apache-2.0\"\n";
        assert_eq!(front_matter(Some(&spdx("MIT OR Apache-2.0"))), both);
        let rare = "license: other\nlicense_name: \"Zed\"\nlicense_link: \"https://spdx.org/licenses/Zed.html\"\n";
        assert_eq!(front_matter(Some(&spdx("Zed"))), rare);
        let other = Licence::Other {
            name: "Ours: \"first\" --- {}".into(),
            link: "https://dao.example/licence.txt".into(),
            sha256: Digest([1; 32]),
        };
        let lines = front_matter(Some(&other));
        assert_eq!(
            lines,
            "license: other\nlicense_name: \"Ours: \\\"first\\\" --- {}\"\nlicense_link: \"https://dao.example/licence.txt\"\n"
        );
        let view = LicenceView::new(&other);
        assert_eq!((view.spdx, view.sha256), (None, Some("01".repeat(32))));
    }
}
