//! People who come in by ssh, to a machine that says which host it is: the real `ssh` and a real `sshd`.

#![allow(clippy::disallowed_methods, reason = "an sshd is started, waited for and stopped")]

use super::{Cloud, environments, is_empty};
use crate::place::skipped;
use serde_json::json;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn blueprint(ada: &str, bob: &str) -> String {
    let resources = format!(
        r#"blueprint: desks
resources:
  net: {{kind: network, cidr: 10.1.0.0/16, nat: none}}
  ada: {{kind: key, public_key: "{ada}"}}
  team: {{kind: key, for_each: {{bob: "{bob}"}}, public_key: "${{each.value}}"}}
  desk:
    kind: machine
    cpus: 2
    access:
      - {{who: ada, how: ssh, from: 203.0.113.0/24}}
      - {{who: team, how: ssh, from: 203.0.113.0/24, until: 2027-01-31}}
    services: {{web: {{run: serve, port: 8888}}}}
"#
    );
    format!("{resources}{}", environments(", ephemeral: true"))
}

/// A key without a passphrase; returns its public half.
fn generate(path: &Path) -> String {
    let ran = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f"])
        .arg(path)
        .status();
    assert!(ran.expect("ssh-keygen").success());
    let public = std::fs::read_to_string(path.with_extension("pub")).expect("its public half");
    public.trim().to_owned()
}

/// An sshd of one's own that lets in who has a key; it stands for the machine.
struct Sshd {
    child: Child,
    port: u16,
    host_key: String,
}

impl Sshd {
    /// `None` where there is none, which is said: whoever has one has `ssh` and `ssh-keygen` too.
    fn program() -> Option<&'static Path> {
        let mut found = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().map(Path::new);
        let found = found.find(|program| program.exists());
        if found.is_none() {
            skipped("there is no sshd: install openssh-server");
        }
        found
    }

    /// Starts it.
    fn start(program: &Path, folder: &Path, authorized: &str) -> Sshd {
        let host_key = generate(&folder.join("host"));
        let keys = folder.join("authorized_keys");
        std::fs::write(&keys, format!("{authorized}\n")).expect("our folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = port.local_addr().expect("bound").port();
        // It wants to find this folder when it is root.
        let _ = std::fs::create_dir("/run/sshd");
        let child = Command::new(program)
            .args(["-D", "-e", "-f", "/dev/null", "-oListenAddress=127.0.0.1", "-oPidFile=none"])
            .args(["-oStrictModes=no", "-oUsePAM=no", "-oPermitRootLogin=yes"])
            .arg("-oPasswordAuthentication=no")
            .arg(format!("-oPort={port}"))
            .arg(format!("-oHostKey={}", folder.join("host").display()))
            .arg(format!("-oAuthorizedKeysFile={}", keys.display()))
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        let sshd = Sshd { child, port, host_key };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "sshd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        sshd
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for `PATH` whose `ssh` is the real one, on its way to our sshd instead of an address at AWS.
fn detour(folder: &Path, port: u16) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("our folder");
    let script = format!(
        r#"#!/bin/sh
set -- -F /dev/null -p {port} -o BatchMode=yes -o IdentitiesOnly=yes -i {key} "$@"
for word do
  shift
  case $word in dsenv@*) word=$(id -un)@127.0.0.1 ;; esac
  set -- "$@" "$word"
done
exec /usr/bin/ssh "$@"
"#,
        key = folder.join("ada").display()
    );
    std::fs::write(bin.join("ssh"), script).expect("our folder");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(bin.join("ssh"), executable).expect("our folder");
    bin
}

#[test]
fn people_come_in_by_their_keys() {
    let Some(program) = Sshd::program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (ada, bob) = (generate(&folder.join("ada")), generate(&folder.join("bob")));
    let sshd = Sshd::start(program, folder, &ada);
    let Some(cloud) = Cloud::new(&blueprint(&ada, &bob)) else { return };
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", detour(folder, sshd.port).display());
    let cloud = Cloud { place: cloud.place.with_variable("PATH", path), ..cloud };
    cloud.apply();
    cloud.is_settled();
    let (seen, ids) = (cloud.look(), cloud.resources());
    let rules = seen["rules"].as_array().expect("rules");
    let [rule] = rules.as_slice() else { panic!("{rules:#?}") };
    assert_eq!((&rule["port"], &rule["cidr"]), (&22.into(), &"203.0.113.0/24".into()));
    assert!(seen["instances"][0]["public"].is_string());
    let told = |cloud: &Cloud| {
        let mailbox = &ids["desk.mailbox"];
        cloud.boto3(&format!(
            "show(json.load(s3.get_object(Bucket='{mailbox}', Key='boot.json')['Body'])['people'])"
        ))
    };
    let both = json!([
        {"who": "ada", "keys": [ada]},
        {"who": "team", "keys": [bob], "until": "2027-01-31"},
    ]);
    assert_eq!(told(&cloud), both);

    // Nobody enters a host that has not said who it is, or that says otherwise than what it is.
    let silent = cloud.place.run(&["exec", "-e", "prod", "desk", "--", "true"]);
    assert_ne!(silent.code, 0);
    assert!(silent.err.contains("nothing was heard of `desk`"), "{}", silent.err);
    let says = |host_key: &str| {
        let status = json!({"format": "dsenv-status/1", "ssh": {"host_keys": [host_key]}});
        let (mailbox, id) = (&ids["desk.mailbox"], &ids["desk"]);
        cloud.boto3(&format!(
            "s3.put_object(Bucket='{mailbox}', Key='status/{id}.json', Body='{status}')\nshow(None)"
        ));
    };
    says(&bob);
    let other = cloud.place.run(&["exec", "-e", "prod", "desk", "--", "echo", "in"]);
    assert_eq!((other.code, other.out.as_str()), (255, ""), "{}", other.err);
    assert!(other.err.contains("verification failed"), "{}", other.err);
    says(&sshd.host_key);
    let words = ["exec", "-e", "prod", "desk", "--", "printf", "%s|", "a  b", "it's", "$HOME"];
    let ran = cloud.place.ok(&words);
    assert_eq!(ran.out, "a  b|it's|$HOME|");
    let fails = cloud.place.run(&["exec", "-e", "prod", "desk", "--", "sh", "-c", "exit 7"]);
    assert_eq!(fails.code, 7, "{}", fails.err);

    // Another key, and one way in less, change what the machine is told, and not the machine.
    cloud.place.edit("dsenv.yaml", &ada, &bob);
    cloud.place.edit(
        "dsenv.yaml",
        "      - {who: team, how: ssh, from: 203.0.113.0/24, until: 2027-01-31}\n",
        "",
    );
    cloud.apply();
    assert_eq!(told(&cloud), json!([{"who": "ada", "keys": [bob]}]));
    assert_eq!(cloud.resources()["desk"], ids["desk"]);
    cloud.place.ok(&["destroy", "-e", "prod", "--yes"]);
    is_empty(&cloud.look());
}

#[test]
fn who_has_no_key_is_refused_before_anything_is_made() {
    let resources = r#"blueprint: desks
resources:
  net: {kind: network, cidr: 10.1.0.0/16}
  desk:
    kind: machine
    cpus: 2
    access: [{who: ada, how: ssh, from: 203.0.113.0/24}]
"#;
    let Some(cloud) = Cloud::new(&format!("{resources}{}", environments(""))) else { return };
    let refused = cloud.place.refuses(&["apply", "-e", "prod", "--yes"], 1, "E0701");
    assert!(refused.err.contains("there is no key of that name"), "{}", refused.err);
    assert!(cloud.changes().is_empty());
}
