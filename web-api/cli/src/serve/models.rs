//! The models that the node can compute: those of its vault, in memory as far as there is room.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, bail};
use trainer_model::{Architecture, Parameters};
use web_api::{ModelShelf, ModelSigner, ShelfError, ShelvedModel};

use super::{
    config::{FederationConfig, ServeConfig},
    founding,
    founding::Tables,
    initial_parameters,
    vault::Vault,
};
use crate::process::private_file;

/// File of the key that signs models, in PKCS #8.
const SIGNING_KEY_FILE: &str = "model-signing.p8";
/// Longest header of a file with an initial model.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// What puts a released model where predictions are computed.
pub(super) type Publish = Box<dyn Fn(&Parameters) -> anyhow::Result<()> + Send + Sync>;

/// A shelf that reads what it lacks from the vault.
pub(super) fn shelf(
    config: &ServeConfig,
    vault: &Vault,
    tables: &Tables,
    memory_mib: u32,
) -> anyhow::Result<ModelShelf> {
    let schema = founding::schema(&config.federation)?;
    let architecture = founding::architecture(&config.federation)?;
    let (vault, standardiser) = (vault.clone(), tables.standardiser.clone());
    let bytes_max = usize::try_from(u64::from(memory_mib) << 20)?;
    Ok(ModelShelf::with_source(bytes_max, move |digest| {
        if !vault.has_model(digest) {
            return Ok(None);
        }
        let parameters = vault.model(digest);
        let parameters =
            parameters.map_err(|error| ShelfError::Unreadable(format!("{error:#}")))?;
        let (architecture, standardiser) = (architecture.clone(), standardiser.clone());
        ShelvedModel::new(architecture, parameters, standardiser, schema.clone()).map(Some)
    }))
}

/// What puts a released model onto the shelf.
pub(super) fn publisher(
    config: &ServeConfig,
    architecture: Architecture,
    tables: Tables,
    shelf: ModelShelf,
) -> anyhow::Result<Publish> {
    let schema = founding::schema(&config.federation)?;
    Ok(Box::new(move |parameters| {
        let (architecture, parameters) = (architecture.clone(), parameters.clone());
        let standardiser = tables.standardiser.clone();
        let model = ShelvedModel::new(architecture, parameters, standardiser, schema.clone())?;
        shelf.put(model)?;
        Ok(())
    }))
}

/// The parameters from which the first round starts: those of a file, or random ones.
///
/// * `is_trained` — whether a round was settled: then the file is not needed any more.
pub(super) fn initial(
    architecture: &Architecture,
    federation: &FederationConfig,
    is_trained: bool,
) -> anyhow::Result<Parameters> {
    let path = federation.initial_model.as_deref();
    initial_from(architecture, path, federation.seed, is_trained)
}

fn initial_from(
    architecture: &Architecture,
    path: Option<&Path>,
    seed: u64,
    is_trained: bool,
) -> anyhow::Result<Parameters> {
    let path = path.filter(|_| !is_trained);
    let Some(path) = path else { return Ok(initial_parameters(architecture, seed)) };
    let what = || format!("federation.initial_model: {}", path.display());
    let length = fs::metadata(path).with_context(what)?.len();
    let most = 4 * architecture.parameter_count() as u64 + HEADER_BYTES_MAX;
    if length > most {
        bail!("{}: {length} bytes are more than the architecture's {most}", what());
    }
    let bytes = fs::read(path).with_context(what)?;
    let parameters = Parameters::from_safetensors(&architecture.layout(), &bytes);
    parameters.with_context(|| {
        format!("{} is no model of the architecture {}", what(), architecture.to_json())
    })
}

/// The key that signs models: of the node's state, or a new one.
pub(super) fn signer(state_dir: &Path) -> anyhow::Result<ModelSigner> {
    let path = state_dir.join(SIGNING_KEY_FILE);
    let what = || format!("the key that signs models, {}", path.display());
    let key = match fs::read(&path) {
        Ok(key) => key,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = ModelSigner::generate_pkcs8()?;
            // Whole or not at all, and nobody else's to read.
            let partial = path.with_extension("partial");
            let mut file = private_file(&partial).with_context(what)?;
            file.write_all(&key).with_context(what)?;
            file.sync_all().with_context(what)?;
            fs::rename(&partial, &path).with_context(what)?;
            key
        }
        Err(error) => return Err(error).with_context(what),
    };
    ModelSigner::from_pkcs8(&key).with_context(what)
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;
    use trainer_model::MlpShape;

    use super::*;

    #[test]
    fn the_key_of_models_is_made_once_and_is_nobody_elses() {
        let dir = TempDir::new().unwrap();
        let first = signer(dir.path()).unwrap().public_key_pem().to_owned();
        assert_eq!(signer(dir.path()).unwrap().public_key_pem(), first);
        let path = dir.path().join(SIGNING_KEY_FILE);
        #[cfg(unix)]
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"no key").unwrap();
        let refused = format!("{:#}", signer(dir.path()).unwrap_err());
        assert!(refused.contains("model-signing.p8") && refused.contains("PKCS #8"), "{refused}");
    }

    #[test]
    fn an_initial_model_is_taken_if_it_fits_and_refused_by_name_if_not() {
        let dir = TempDir::new().unwrap();
        let architecture = |hidden| Architecture::mlp(MlpShape { inputs: 2, hidden, classes: 2 });
        let (right, other) = (architecture(vec![]).unwrap(), architecture(vec![3]).unwrap());
        let parameters = Parameters::new(&right.layout(), vec![0.25; 6]).unwrap();
        let path = dir.path().join("start.safetensors");
        fs::write(&path, parameters.to_safetensors(&right.layout()).unwrap()).unwrap();
        let read = |architecture: &Architecture, is_trained| {
            initial_from(architecture, Some(&path), 7, is_trained)
        };
        assert_eq!(read(&right, false).unwrap(), parameters);
        let refused = format!("{:#}", read(&other, false).unwrap_err());
        assert!(refused.contains("start.safetensors") && refused.contains("shape"), "{refused}");
        let random = initial_parameters(&other, 7);
        assert_eq!(read(&other, true).unwrap(), random, "a trained federation needs it no more");
        fs::write(&path, vec![0; 2 << 20]).unwrap();
        assert!(format!("{:#}", read(&right, false).unwrap_err()).contains("bytes"));
        fs::remove_file(&path).unwrap();
        assert!(read(&right, false).is_err());
    }
}
