//! What a JupyterLab service needs around it so that several of them live on one machine.
//!
//! Pure: paths in, variables out. The token is not among them: the blueprint gives it as
//! `JUPYTER_TOKEN`, a secret, in the environment and never on a command line.

use std::path::Path;

/// Returns the variables of a Jupyter service that keeps its files below `folder`.
///
/// Config, data, runtime and IPython folders are its own: shared ones mix the kernels and the
/// running-server records of two notebooks, and a user's own Jupyter settings would leak into a
/// service. `JUPYTER_PORT_RETRIES` 0 makes a port in use an error; without it Jupyter takes the next
/// port (up to 50) and answers where nobody looks. A flag on the command line still wins.
pub fn environment(folder: &Path) -> Vec<(String, String)> {
    let below = |name: &str| folder.join(name).to_string_lossy().into_owned();
    vec![
        ("IPYTHONDIR".into(), below("ipython")),
        ("JUPYTER_CONFIG_DIR".into(), below("config")),
        ("JUPYTER_DATA_DIR".into(), below("data")),
        ("JUPYTER_PORT_RETRIES".into(), "0".into()),
        ("JUPYTER_RUNTIME_DIR".into(), below("runtime")),
    ]
}

/// Name and text of a settings file for `JUPYTER_CONFIG_DIR`, needed where the service runs as root.
///
/// Jupyter refuses to run as root unless told to, and has no variable for it. On a machine where
/// dsenv itself is root (a container) there is no other account for the service to be.
pub const ALLOW_ROOT: (&str, &str) =
    ("jupyter_server_config.json", "{\"ServerApp\": {\"allow_root\": true}}\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_below_the_one_given() {
        let vars = environment(Path::new("/machines/notebook/jupyter"));
        let folders: Vec<_> = vars.iter().filter(|(_, value)| value != "0").collect();
        assert_eq!(folders.len(), 4);
        assert!(folders.iter().all(|(_, value)| value.starts_with("/machines/notebook/jupyter/")));
        assert!(vars.contains(&("JUPYTER_PORT_RETRIES".into(), "0".into())));
    }
}
