//! What the tests of real parts take from this machine: its environment, and a uv of their own.
#![allow(dead_code)] // Each test binary uses a part of it.

use dsenv_local::python::{Installer, Interpreter, PythonSpec, Tools, install, resolve};
use dsenv_local::tool::ToolEnv;
use std::path::{Path, PathBuf};

/// The variables of this process that tools need.
pub(crate) fn env() -> ToolEnv {
    ToolEnv::chosen_from(std::env::vars_os())
}

/// A folder that is kept between runs, for what costs a download.
pub(crate) fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("the target folder is ours");
    folder
}

/// Says what a test could not have; in CI that is a failure.
#[allow(clippy::disallowed_methods, clippy::print_stderr)] // A test speaks to its runner.
pub(crate) fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing");
    eprintln!("SKIPPED: {what}");
}

/// Any Python that is not too old, and these packages.
pub(crate) fn spec(packages: &[&str]) -> PythonSpec {
    let packages: Vec<String> = packages.iter().map(|it| (*it).to_owned()).collect();
    PythonSpec::new("3.9+", &packages).expect("a spec")
}

/// Tools with pip, also where there is a uv.
pub(crate) async fn pip_tools(cache: &Path) -> Tools {
    let env = env();
    let interpreter =
        Interpreter::find(spec(&[]).version(), &env).await.expect("a Python 3.9 or newer");
    std::fs::create_dir_all(cache).expect("made");
    let installer =
        Installer::pip(&interpreter, &env, cache, &mut |_| {}).await.expect("pip can be had");
    Tools { interpreter, installer, env, cache: cache.to_owned() }
}

/// Tools with uv, which comes from the index as a wheel, through our own resolve and install.
pub(crate) async fn uv_tools(cache: &Path) -> Tools {
    let pip = pip_tools(cache).await;
    let venv = kept("uv-for-tests");
    let uv = venv.join("bin/uv");
    if !uv.exists() {
        let locked = resolve(&spec(&["uv"]), &pip, &mut |_| {}).await.expect("uv is on the index");
        install(&locked, &venv, &pip, &mut |_| {}).await.expect("uv installs");
    }
    let path = std::env::join_paths([venv.join("bin")].into_iter().chain(pip.env.search_path()));
    let env = pip.env.clone().with("PATH", path.expect("no colons"));
    let tools = Tools::find(spec(&[]).version(), &env, cache, &mut |_| {}).await;
    let tools = tools.expect("tools with uv");
    assert!(matches!(&tools.installer, Installer::Uv { program, .. } if *program == uv));
    tools
}
