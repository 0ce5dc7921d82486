//! Real venvs: real packages are resolved, installed, broken and refused, with pip and with uv.
//!
//! Packages come from the index that this machine's pip is set up for, through the variables of the
//! test's own environment.

mod host;

use dsenv_local::python::failure::FailureKind;
use dsenv_local::python::install::{InstallError, differences};
use dsenv_local::python::installer::InstallerError;
use dsenv_local::python::resolve::ResolveError;
use dsenv_local::python::{
    Installer, Interpreter, Locked, LockedPackage, Tools, freeze, install, installed, resolve,
};
use dsenv_local::tool::{Tool, ToolEnv, run_ok};
use dsenv_sdk::software::locked::Platforms;
use host::{missing, pip_tools, spec, uv_tools};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Downloads of a slow index end here, and the test fails.
const PATIENCE: Duration = Duration::from_secs(300);

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("ends in time")
}

/// What must hold with either installer.
async fn locks_installs_and_is_then_a_no_op(tools: &Tools, scratch: &TempDir) {
    let asked = spec(&["six", "idna>=3"]);
    let mut news = Vec::new();
    let locked =
        resolve(&asked, tools, &mut |line| news.push(line.to_owned())).await.expect("locks");
    let names: Vec<_> = locked.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["idna", "six"]);
    assert!(!news.is_empty(), "the user sees what is waited for");
    let again = resolve(&spec(&["idna>=3", "six"]), tools, &mut |_| {}).await.expect("locks");
    assert_eq!(again, locked, "the order of the blueprint does not matter");
    let read: Result<Vec<_>, _> =
        locked.lines().iter().map(|line| LockedPackage::from_line(line)).collect();
    assert_eq!(read.expect("its own lines"), locked.packages);

    let folder = scratch.path().join("venv");
    let made = install(&locked, &folder, tools, &mut |_| {}).await.expect("installs");
    assert_eq!(made.digest, locked.digest());
    let frozen = freeze(&folder, &tools.env).await.expect("freezes");
    let expected: Vec<_> = locked.packages.iter().map(|it| (&it.name, &it.version)).collect();
    assert_eq!(frozen.iter().collect::<Vec<_>>(), expected, "what is locked and nothing else");
    let imports = Tool::new(&made.python, Path::new("/"), &tools.env)
        .args(["-c", "import six, idna; print(six.__version__)"]);
    run_ok(imports, &mut |_| {}).await.expect("the packages import");

    let mut lines = 0;
    let second = install(&locked, &folder, tools, &mut |_| lines += 1).await.expect("is there");
    assert_eq!((second, lines), (made.clone(), 0), "the second install runs no tool");
    assert_eq!(installed(&locked, &folder).await, Some(made));

    let drifted = folder.join("lib").join(format!("python{}", locked.python)).join("site-packages");
    std::fs::remove_file(drifted.join(format!("six-{}.dist-info/METADATA", expected[1].1)))
        .expect("six is installed there");
    std::fs::remove_dir_all(drifted.join(format!("six-{}.dist-info", expected[1].1)))
        .expect("six is installed there");
    let frozen = freeze(&folder, &tools.env).await.expect("freezes");
    assert_eq!(differences(&locked, &frozen).len(), 1, "a removed package is seen");
}

async fn refuses_a_file_with_another_hash(tools: &Tools, scratch: &TempDir) {
    let locked = resolve(&spec(&["six==1.17.0"]), tools, &mut |_| {}).await.expect("locks");
    let mut packages = locked.packages.clone();
    packages[0].hashes = vec![format!("sha256:{}", "a".repeat(64))];
    let tampered =
        Locked::new(locked.python.clone(), locked.tool.clone(), locked.platforms.clone(), packages);
    let tampered = tampered.expect("it has a hash");
    let folder = scratch.path().join("tampered");
    let error = install(&tampered, &folder, tools, &mut |_| {}).await.expect_err("another hash");
    let InstallError::Installer(InstallerError::Refused(failure)) = &error else {
        panic!("{error:?}")
    };
    let package = "six==1.17.0".to_owned();
    assert_eq!(failure.kind, FailureKind::HashMismatch { package }, "{}", failure.tail);
    assert!(error.to_string().contains("`six==1.17.0`"), "{error}");
    assert!(!folder.exists(), "nothing half-usable is left");
    install(&locked, &folder, tools, &mut |_| {}).await.expect("the right hash installs there");
}

async fn names_what_does_not_exist(tools: &Tools) {
    let failure = async |package: &str| {
        let asked = spec(&["six", package]);
        match resolve(&asked, tools, &mut |_| {}).await {
            Err(ResolveError::Installer(InstallerError::Refused(failure))) => failure,
            other => panic!("{other:?}"),
        }
    };
    let absent = failure("dsenv-no-such-package-ever>=1").await;
    let package = "dsenv-no-such-package-ever".to_owned();
    assert_eq!(absent.kind, FailureKind::NoSuchPackage { package }, "{}", absent.tail);
    let version = failure("idna>=99999").await;
    assert_eq!(version.kind, FailureKind::NoMatchingVersion, "{}", version.tail);
    assert!(version.cause.contains("idna"), "{}", version.cause);
    assert!(!version.cause.contains('\n'));
}

async fn says_that_there_is_no_network(tools: &Tools, scratch: &TempDir) {
    // Port 9 of loopback: nothing listens there.
    let nowhere = "http://127.0.0.1:9";
    let env = tools.env.clone().with("HTTPS_PROXY", nowhere).with("https_proxy", nowhere);
    let env = env.with("PIP_RETRIES", "0").with("UV_HTTP_RETRIES", "0");
    let cold = scratch.path().join("cold");
    let env = env.with("PIP_CACHE_DIR", cold.clone()).with("UV_CACHE_DIR", cold);
    let cut_off = Tools { env, ..tools.clone() };
    match resolve(&spec(&["six"]), &cut_off, &mut |_| {}).await {
        Err(ResolveError::Installer(InstallerError::Refused(failure))) => {
            assert_eq!(failure.kind, FailureKind::IndexUnreachable, "{}", failure.tail);
        }
        other => panic!("{other:?}"),
    }
}

async fn an_interrupted_install_is_rebuilt(tools: &Tools, scratch: &TempDir) {
    let locked = resolve(&spec(&["idna"]), tools, &mut |_| {}).await.expect("locks");
    let folder = scratch.path().join("interrupted");
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn({
        let (locked, folder, tools) = (locked.clone(), folder.clone(), tools.clone());
        async move {
            let mut on_line = |_: &str| {
                // The test may have stopped listening.
                let _ = tell.send(());
            };
            install(&locked, &folder, &tools, &mut on_line).await.map(|_| ())
        }
    });
    // The first line of the tool: it is at work now.
    told.recv().await.expect("it says what it does");
    task.abort();
    let _ = task.await;
    assert!(folder.join(".dsenv-building").exists());
    assert_eq!(installed(&locked, &folder).await, None, "unfinished is not installed");
    install(&locked, &folder, tools, &mut |_| {}).await.expect("rebuilds");
    let frozen = freeze(&folder, &tools.env).await.expect("freezes");
    assert!(differences(&locked, &frozen).is_empty());
}

#[tokio::test]
async fn pip_does_all_of_it() {
    let scratch = tempfile::tempdir().expect("a folder");
    let tools = pip_tools(&scratch.path().join("cache")).await;
    within(locks_installs_and_is_then_a_no_op(&tools, &scratch)).await;
    within(refuses_a_file_with_another_hash(&tools, &scratch)).await;
    within(names_what_does_not_exist(&tools)).await;
    within(says_that_there_is_no_network(&tools, &scratch)).await;
    within(an_interrupted_install_is_rebuilt(&tools, &scratch)).await;
}

#[tokio::test]
async fn uv_does_all_of_it() {
    let scratch = tempfile::tempdir().expect("a folder");
    let tools = within(uv_tools(&scratch.path().join("cache"))).await;
    within(locks_installs_and_is_then_a_no_op(&tools, &scratch)).await;
    within(refuses_a_file_with_another_hash(&tools, &scratch)).await;
    within(names_what_does_not_exist(&tools)).await;
    within(says_that_there_is_no_network(&tools, &scratch)).await;
    within(an_interrupted_install_is_rebuilt(&tools, &scratch)).await;
}

#[tokio::test]
async fn an_interpreter_without_pip_gets_a_private_one_once() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut tools = pip_tools(&scratch.path().join("cache")).await;
    if !tools.interpreter.has_ensurepip {
        return missing("ensurepip (Debian: python3-venv)");
    }
    tools.interpreter.pip = Some("21.2.4".into());
    let (cache, env) = (&tools.cache, &tools.env);
    let find = async || Installer::pip(&tools.interpreter, env, cache, &mut |_| {}).await;
    let first = within(find()).await.expect("makes one");
    let Installer::Pip { python, .. } = &first else { panic!("{first:?}") };
    assert!(python.starts_with(cache));
    assert_eq!(find().await.expect("finds it"), first);
    let private = Tools { installer: first, ..tools.clone() };
    within(resolve(&spec(&["six"]), &private, &mut |_| {})).await.expect("it resolves");
}

#[tokio::test]
async fn an_interpreter_without_ensurepip_gives_an_error_that_says_what_to_install() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut tools = pip_tools(&scratch.path().join("cache")).await;
    (tools.interpreter.pip, tools.interpreter.has_ensurepip) = (None, false);
    let found = Installer::pip(&tools.interpreter, &tools.env, &tools.cache, &mut |_| {}).await;
    let error = found.expect_err("no way to pip");
    assert!(matches!(error, InstallerError::NoInstaller { .. }));
    assert!(error.help().is_some_and(|help| help.contains("python3-venv")));
}

#[tokio::test]
async fn a_missing_interpreter_is_reported_with_all_that_was_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let shim = folder.path().join("python3.11");
    std::fs::write(&shim, "#!/bin/sh\necho 'pyenv: not installed' >&2\nexit 127\n").expect("made");
    let runnable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&shim, runnable).expect("ours");
    let env = ToolEnv::default().with("PATH", folder.path());
    let wanted = "3.11".parse().expect("a version");
    let missing = Interpreter::find(wanted, &env).await.expect_err("only a shim");
    assert_eq!(missing.looked.len(), 1);
    let text = missing.to_string();
    assert!(text.contains("Python 3.11") && text.contains("pyenv: not installed"), "{text}");
    assert!(missing.help().contains("python3.11-venv"));
}

#[tokio::test]
async fn a_lock_for_another_platform_is_refused_before_anything_is_made() {
    let scratch = tempfile::tempdir().expect("a folder");
    let tools = pip_tools(&scratch.path().join("cache")).await;
    let other = Platforms::Only("plan9-mips".into());
    let python = tools.interpreter.minor_version();
    let locked = Locked::new(python, "pip".into(), other, Vec::new()).expect("empty is fine");
    let folder = scratch.path().join("venv");
    let error = install(&locked, &folder, &tools, &mut |_| {}).await.expect_err("another platform");
    assert!(error.to_string().contains("plan9-mips"), "{error}");
    assert_eq!(installed(&locked, &folder).await, None);
}
