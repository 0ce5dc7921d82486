//! How a person comes in to a machine: by the `ssh` of this machine, as the user that services run as.
//!
//! Who comes in is said by `access` in the blueprint; the machine says which keys of its own it has, so
//! that nobody is asked whether an unknown host is the right one. The private half of the person's key is
//! found as `ssh` finds it: by its agent and its configuration.

use super::machines::{self, Machine};
use crate::connection::AwsConnection;
use dsenv_sdk::provider::{Entry, OpErrorClass};
use dsenv_sdk::value::Value;
use dsenv_sdk::{Addr, OpError};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// Whom services run as. Not as the machine says: it could say more than a name.
const USER: &str = "dsenv";

/// Where the keys of hosts are kept, below the folder of the connection.
pub(crate) const KNOWN_HOSTS: &str = "known_hosts";

/// What the agent writes for shells of people.
const ENVIRONMENT: &str = "/opt/dsenv/environment";

/// What `ssh` is told of the user's own environment: where it is, who asks, and which agent has the keys.
const PASSED_ON: &[&str] = &[
    "DISPLAY",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "USER",
];

/// Finds the machine and says how to run a command in it; of a pool, in the first member that runs.
pub(super) async fn enter(
    connection: &AwsConnection,
    addr: &Addr,
    argv: &[String],
) -> Result<Entry, OpError> {
    let aws = &connection.aws;
    let (machines, mailboxes) =
        futures::try_join!(machines::instances(aws), machines::mailboxes(aws))?;
    let machine = machines.iter().find(|it| addr.covers(&it.addr) && it.is_there());
    let Some(machine) = machine else {
        let message = format!("on aws nobody enters `{addr}`: it has no instance");
        let help = "a database is worked with from a machine that `uses` it; `dsenv status` lists the \
                    machines";
        return Err(OpError::new(OpErrorClass::Invalid, message).help(help));
    };
    let said = match mailboxes.get(&machine.addr) {
        Some(mailbox) => machines::said(aws, mailbox, &machine.id).await?,
        None => None,
    };
    let door = door(addr, machine, said.as_ref().map(|(said, _)| said), &aws.region)?;
    let known_hosts = connection.dir.join(KNOWN_HOSTS).join(&machine.id);
    write(&known_hosts, &door.known_hosts)?;
    let variable = |name: &&str| {
        let value = connection.variables.get(*name)?;
        Some(((*name).to_owned(), Value::text(value)))
    };
    Ok(Entry {
        argv: door.argv(&known_hosts, argv),
        env: PASSED_ON.iter().filter_map(variable).collect(),
        dir: PathBuf::from("/"),
    })
}

fn write(path: &Path, text: &str) -> Result<(), OpError> {
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    written.and_then(|()| std::fs::write(path, text)).map_err(|error| {
        let message = format!("{} cannot be written: {error}", path.display());
        OpError::new(OpErrorClass::Invalid, message)
    })
}

/// How one machine is entered.
struct Door {
    host: String,
    /// Under which name `ssh` knows it: addresses are given to others, ids are not.
    alias: String,
    known_hosts: String,
}

/// Reads from what a machine said whether and how it is entered.
fn door(
    addr: &Addr,
    machine: &Machine,
    said: Option<&Json>,
    region: &str,
) -> Result<Door, OpError> {
    let id = &machine.id;
    let refused = |message: String, help: String| {
        Err(OpError::new(OpErrorClass::Invalid, message).help(help))
    };
    let Some(said) = said else {
        let help = "`dsenv status` shows when it is there";
        return refused(format!("nothing was heard of `{addr}` ({id}) yet"), help.to_owned());
    };
    let keys = said["ssh"]["host_keys"].as_array().into_iter().flatten();
    let one_line = |key: &&str| !key.chars().any(char::is_control);
    let keys: Vec<&str> = keys.filter_map(Json::as_str).filter(one_line).collect();
    if keys.is_empty() {
        let help = format!(
            "add `access: [{{who: ada, how: ssh, from: 203.0.113.0/24}}]` to it and your key, `ada: \
             {{kind: key, public_key: \"ssh-ed25519 AAAA...\"}}`, then apply. Without: `aws ssm \
             start-session --target {id} --region {region}`, where the account's Default Host \
             Management Configuration is on"
        );
        return refused(format!("nobody comes in to `{addr}` ({id}) by ssh"), help);
    }
    let Some(host) = machine.host.clone() else {
        let help = "`dsenv status` shows how it stands";
        return refused(format!("`{addr}` ({id}) has no address"), help.to_owned());
    };
    let known_hosts = keys.iter().map(|key| format!("{id} {key}\n")).collect();
    Ok(Door { host, alias: id.clone(), known_hosts })
}

impl Door {
    /// The command line of `ssh`; an empty command is a shell.
    fn argv(&self, known_hosts: &Path, command: &[String]) -> Vec<String> {
        let options = [
            ("CheckHostIP", "no".to_owned()),
            ("GlobalKnownHostsFile", "/dev/null".to_owned()),
            ("HostKeyAlias", self.alias.clone()),
            ("StrictHostKeyChecking", "yes".to_owned()),
            // A percent sign begins what `ssh` fills in.
            (
                "UserKnownHostsFile",
                format!("\"{}\"", known_hosts.display().to_string().replace('%', "%%")),
            ),
        ];
        let mut argv = vec!["ssh".to_owned()];
        argv.extend(options.map(|(name, value)| format!("-o{name}={value}")));
        argv.extend(command.is_empty().then(|| "-t".to_owned()));
        argv.push(format!("{USER}@{}", self.host));
        argv.push(remote(command));
        argv
    }
}

/// What the machine's shell is told: the variables of its services, then the command.
fn remote(command: &[String]) -> String {
    // Not a login shell: that would forget the packages' own place in PATH.
    let shell = ["bash".to_owned(), "-i".to_owned()];
    let words = if command.is_empty() { &shell[..] } else { command };
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("if [ -r {ENVIRONMENT} ]; then . {ENVIRONMENT}; fi; exec {}", words.join(" "))
}

/// A word as POSIX shells read it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::InstanceStateName;
    use expect_test::{Expect, expect};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn check(said: Option<Json>, command: &[&str], expected: Expect) {
        let machine = Machine {
            addr: Addr::resource("notebook"),
            id: "i-0abc".to_owned(),
            is_member: false,
            state: InstanceStateName::Running,
            host: Some("198.51.100.7".to_owned()),
            urls: BTreeMap::new(),
        };
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let text = match door(&machine.addr, &machine, said.as_ref(), "eu-west-1") {
            Ok(door) => {
                let argv = door.argv(Path::new("/a b/known_hosts"), &command);
                format!("{}\n{}", argv.join("\n"), door.known_hosts)
            }
            Err(error) => format!("{}\n{}\n", error.message, error.help.unwrap_or_default()),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn a_machine_is_entered_as_it_says() {
        let said = json!({"ssh": {"host_keys": ["ssh-ed25519 AAAA", "ssh-rsa BBBB", "a\nb"]}});
        check(
            Some(said.clone()),
            &[],
            expect![[r#"
            ssh
            -oCheckHostIP=no
            -oGlobalKnownHostsFile=/dev/null
            -oHostKeyAlias=i-0abc
            -oStrictHostKeyChecking=yes
            -oUserKnownHostsFile="/a b/known_hosts"
            -t
            dsenv@198.51.100.7
            if [ -r /opt/dsenv/environment ]; then . /opt/dsenv/environment; fi; exec 'bash' '-i'
            i-0abc ssh-ed25519 AAAA
            i-0abc ssh-rsa BBBB
        "#]],
        );
        check(
            Some(said),
            &["python", "-c", "print('a b')"],
            expect![[r#"
            ssh
            -oCheckHostIP=no
            -oGlobalKnownHostsFile=/dev/null
            -oHostKeyAlias=i-0abc
            -oStrictHostKeyChecking=yes
            -oUserKnownHostsFile="/a b/known_hosts"
            dsenv@198.51.100.7
            if [ -r /opt/dsenv/environment ]; then . /opt/dsenv/environment; fi; exec 'python' '-c' 'print('\''a b'\'')'
            i-0abc ssh-ed25519 AAAA
            i-0abc ssh-rsa BBBB
        "#]],
        );
    }

    #[test]
    fn who_may_not_come_in_is_told_what_to_write() {
        check(
            None,
            &[],
            expect![[r#"
            nothing was heard of `notebook` (i-0abc) yet
            `dsenv status` shows when it is there
        "#]],
        );
        check(
            Some(json!({"ssh": null})),
            &[],
            expect![[r#"
            nobody comes in to `notebook` (i-0abc) by ssh
            add `access: [{who: ada, how: ssh, from: 203.0.113.0/24}]` to it and your key, `ada: {kind: key, public_key: "ssh-ed25519 AAAA..."}`, then apply. Without: `aws ssm start-session --target i-0abc --region eu-west-1`, where the account's Default Host Management Configuration is on
        "#]],
        );
    }
}
