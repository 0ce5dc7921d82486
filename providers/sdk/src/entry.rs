//! How people come in to machines: what a blueprint's `access` says, the same in every cloud. Pure.

use crate::provider::{Access, Finding, Neutral, refuses, substitutes};
use crate::term::{Ref, Term};

/// `access.how` of whoever comes in by ssh.
pub const SSH: &str = "ssh";
/// Where sshd listens, as images have it.
pub const SSH_PORT: i64 = 22;

/// What the ways in of a machine are refused for. `ports` are those of its services.
pub fn check(cloud: &str, resource: &Neutral, ports: &[(String, i64)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, access) in resource.access.iter().enumerate() {
        let at = at.to_string();
        if access.from.is_none() {
            let message = format!("nobody says from where `{}` comes in", access.who);
            let help = "add `from:` with a range of addresses: `from: 203.0.113.0/24`";
            findings.push(refuses(&["access", &at], message, help));
        }
        if access.how == SSH {
            findings.extend(check_ssh(access, &at, ports));
        }
        if access.how == "sql" {
            let message =
                format!("on {cloud} nobody comes in to a database from outside its network");
            let help = "work from a machine that `uses` it";
            findings.push(refuses(&["access", &at, "how"], message, help));
        }
        if access.how == "web" && ports.is_empty() {
            let message = "`web` opens the ports of services, and none has one";
            findings.push(refuses(&["access", &at, "how"], message, "add `port:` to a service"));
        }
        // By ssh, the key itself has an end.
        if let Some(until) = access.until.as_ref().filter(|_| access.how != SSH) {
            let message = format!(
                "on {cloud} nothing closes it by itself on {until}: take the entry out then, and apply"
            );
            findings.push(substitutes(&["access", &at, "until"], message));
        }
    }
    findings
}

fn check_ssh(access: &Access, at: &str, ports: &[(String, i64)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if access.keys.is_empty() {
        let message = format!("`{}` comes in by ssh, and there is no key of that name", access.who);
        let help = "add a key and name it: `ada: {kind: key, public_key: \"ssh-ed25519 AAAA...\"}` among \
                    the resources, and `who: ada` here";
        findings.push(refuses(&["access", at, "who"], message, help));
    }
    if let Some((name, _)) = ports.iter().find(|(_, port)| *port == SSH_PORT) {
        let message = format!("sshd and the service `{name}` cannot both have port {SSH_PORT}");
        findings.push(refuses(&["access", at, "how"], message, "give the service another port"));
    }
    findings
}

/// Says whether people come in to the services of a machine, and not by ssh alone.
pub fn has_visitors(resource: &Neutral) -> bool {
    resource.access.iter().any(|access| access.how != SSH)
}

/// Returns who comes in by ssh, in the order of the blueprint, with their keys; `None` for nobody.
pub fn people(resource: &Neutral) -> Option<Term> {
    let one = |access: &Access| {
        let keys = access.keys.iter();
        let keys = keys.map(|key| Term::Ref(Ref::attribute(key.clone(), "public_key"))).collect();
        let until = access.until.as_ref().map(|until| ("until".to_owned(), Term::text(until)));
        let said = [("who".to_owned(), Term::text(&access.who)), ("keys".into(), Term::list(keys))];
        Term::map(said.into_iter().chain(until).collect())
    };
    let people = resource.access.iter().filter(|access| access.how == SSH);
    let people: Vec<Term> = people.map(one).collect();
    (!people.is_empty()).then(|| Term::list(people))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Addr;
    use expect_test::expect;

    fn access(who: &str, how: &str) -> Access {
        Access {
            who: who.to_owned(),
            how: how.to_owned(),
            from: Some("203.0.113.0/24".to_owned()),
            until: Some("2026-12-31".to_owned()),
            keys: vec![Addr::resource("ada")],
        }
    }

    fn checked(access: Vec<Access>, ports: &[(String, i64)]) -> String {
        let machine = Neutral { access, ..Neutral::nameless() };
        let lines = check("aws", &machine, ports);
        let lines = lines.into_iter().map(|it| format!("{}: {}\n", it.path.join("."), it.message));
        lines.collect()
    }

    #[test]
    fn every_way_in_is_looked_at() {
        let nobody = Access { keys: Vec::new(), from: None, ..access("eve", "ssh") };
        let all = vec![access("ada", "ssh"), nobody, access("bob", "sql"), access("al", "web")];
        expect![[r#"
            access.1: nobody says from where `eve` comes in
            access.1.who: `eve` comes in by ssh, and there is no key of that name
            access.2.how: on aws nobody comes in to a database from outside its network
            access.2.until: on aws nothing closes it by itself on 2026-12-31: take the entry out then, and apply
            access.3.how: `web` opens the ports of services, and none has one
            access.3.until: on aws nothing closes it by itself on 2026-12-31: take the entry out then, and apply
        "#]]
        .assert_eq(&checked(all, &[]));
        expect![[r#"
            access.0.how: sshd and the service `inner` cannot both have port 22
        "#]]
        .assert_eq(&checked(vec![access("ada", "ssh")], &[("inner".to_owned(), 22)]));
    }

    #[test]
    fn people_are_those_who_come_in_by_ssh() {
        let both = vec![access("ada", "ssh"), access("al", "web")];
        let people =
            people(&Neutral { access: both, ..Neutral::nameless() }).expect("one comes in");
        let Term::List(people) = people else { panic!("a list with a hole") };
        assert_eq!(people.len(), 1);
        assert_eq!(people[0].step("until"), Some(Term::text("2026-12-31")));
        assert_eq!(super::people(&Neutral::nameless()), None);
    }
}
