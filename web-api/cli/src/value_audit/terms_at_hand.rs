//! The terms under which rounds were run: those that the ledger names by digest, looked for among files.
//!
//! **Threat.** Whoever hands out the files could hand out others, or alter one. A file counts under the digest of what is in
//! it and under no other, and only if the DAO node of the log's first entry signed it; terms that the ledger names and
//! nobody has are named, with their rounds.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use aggregator_protocol::FederationTerms;
use anyhow::{Context as _, ensure};
use privacy_identity::{Decode as _, Digest, Signed, Tag, VerifyingKey};

use super::log::Round;

/// Terms by their digest.
pub(super) struct TermsAtHand(BTreeMap<Digest, FederationTerms>);

impl TermsAtHand {
    /// Reads them.
    ///
    /// * `node` — the DAO node's folder: `terms.bin`, and `terms-<digest>.bin` of former ones.
    /// * `more` — files, or folders with files of these names.
    /// * `dao_node` — who must have signed them.
    pub(super) fn read(
        node: &Path,
        more: &[PathBuf],
        dao_node: &VerifyingKey,
    ) -> anyhow::Result<Self> {
        let mut found = BTreeMap::new();
        let paths = std::iter::once(node).chain(more.iter().map(PathBuf::as_path));
        for path in paths {
            let files = if path.is_dir() { terms_files(path)? } else { vec![path.to_owned()] };
            for file in files {
                let terms = signed_terms(&file, dao_node)?;
                found.insert(terms.id(), terms);
            }
        }
        Ok(Self(found))
    }

    /// Those that `rounds` were run under, each with its digest.
    ///
    /// # Errors
    /// Which are not at hand, and of which rounds they are.
    pub(super) fn of<'a>(
        &'a self,
        rounds: &[Round],
    ) -> anyhow::Result<BTreeMap<Digest, &'a FederationTerms>> {
        let (mut used, mut missing) = (BTreeMap::new(), BTreeMap::<Digest, Vec<String>>::new());
        for round in rounds {
            match self.0.get(&round.terms) {
                Some(terms) => drop(used.insert(round.terms, terms)),
                None => {
                    missing.entry(round.terms).or_default().push(round.settled.round.to_string())
                }
            }
        }
        let missing = missing.iter().map(|(terms, rounds)| {
            format!("the ledger names the terms {terms} for round {}", rounds.join(", "))
        });
        let missing: Vec<String> = missing.collect();
        ensure!(
            missing.is_empty(),
            "{}: they are not at hand, and those rounds cannot be recomputed without them; give them with --terms",
            missing.join("; ")
        );
        Ok(used)
    }
}

/// The files with terms in a folder, in the order of their names.
fn terms_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "terms.bin" || (name.starts_with("terms-") && name.ends_with(".bin")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn signed_terms(path: &Path, dao_node: &VerifyingKey) -> anyhow::Result<FederationTerms> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let understanding = || format!("understanding {}", path.display());
    let terms = Signed::<FederationTerms>::from_bytes(&bytes).with_context(understanding)?;
    let terms = terms.verify_by(Tag::Terms, dao_node);
    let terms = terms
        .with_context(|| format!("{}: not terms that the log's DAO node signed", path.display()))?;
    Ok(terms.body().clone())
}
