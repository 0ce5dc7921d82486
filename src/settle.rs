//! Fills the holes of a term as far as what it refers to is known.
//!
//! The plan settles with what is known before anything is done; apply settles again with what exists
//! by then. The same function for both, so that they cannot disagree. Pure.

use crate::expr::{self, Lookup, Outcome};
use crate::resolve::Scope;
use dsenv_sdk::term::{Expr, Ref, Term};
use dsenv_sdk::value::{Map, Value};
use dsenv_sdk::{Addr, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What references are looked up in.
pub trait Facts {
    /// The neutral arguments of a resource, which expressions may name.
    fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>>;

    /// The attributes of a node that are known now. An attribute that is not in it is known after
    /// apply; `None` when all of them are.
    fn attributes(&self, addr: &Addr) -> Option<&Map>;

    /// The argument that an attribute is the same as, as far as it is settled.
    fn mirrored(&self, _addr: &Addr, _attribute: &str) -> Option<&Term> {
        None
    }

    /// What `inputs` and `env` stand for.
    fn scope(&self) -> &Scope;
}

/// Settles a term. What stays open stays as it is; the error is worded for the user.
pub fn settle(term: &Term, facts: &dyn Facts) -> Result<Term, String> {
    let mut settling = Settling { facts, arguments: BTreeMap::new() };
    settling.prepare(term)?;
    settling.term(term)
}

/// Settles every argument.
pub fn settle_all(
    args: &BTreeMap<String, Term>,
    facts: &dyn Facts,
) -> Result<BTreeMap<String, Term>, String> {
    let mut settling = Settling { facts, arguments: BTreeMap::new() };
    let one = |(name, term): (&String, &Term)| {
        let settled = settling.prepare(term).and_then(|()| settling.term(term));
        Ok((name.clone(), settled.map_err(|error| format!("`{name}`: {error}"))?))
    };
    args.iter().map(one).collect()
}

/// One argument of a resource.
type Argument = (Addr, String);

/// One settling: the arguments that it came by are settled once each, those behind a reference
/// first. So a chain of ten thousand resources needs no deep stack, and two references to one
/// argument are not two ways down.
struct Settling<'a> {
    facts: &'a dyn Facts,
    arguments: BTreeMap<Argument, Result<Term, String>>,
}

/// What is still to be done about an argument.
enum Visit {
    Enter(Argument),
    Leave(Argument),
}

impl Settling<'_> {
    /// Settles every argument that the term leads to, each behind what it leads to itself.
    fn prepare(&mut self, term: &Term) -> Result<(), String> {
        let mut visits: Vec<Visit> = self.leads_to(term).into_iter().map(Visit::Enter).collect();
        let mut entered = BTreeSet::new();
        while let Some(visit) = visits.pop() {
            match visit {
                Visit::Enter(argument) if self.arguments.contains_key(&argument) => {}
                Visit::Enter(argument) => {
                    if !entered.insert(argument.clone()) {
                        let (addr, name) = argument;
                        return Err(format!("`{addr}.{name}` leads back to itself"));
                    }
                    let next = self.leads_to(self.argument(&argument));
                    visits.push(Visit::Leave(argument));
                    visits.extend(next.into_iter().map(Visit::Enter));
                }
                Visit::Leave(argument) => {
                    let settled = self.term(self.argument(&argument));
                    self.arguments.insert(argument, settled);
                }
            }
        }
        Ok(())
    }

    fn argument(&self, (addr, name): &Argument) -> &Term {
        let args = self.facts.arguments(addr).expect("it was found by its resource");
        &args[name]
    }

    /// The arguments that a term refers to and that are open themselves.
    fn leads_to(&self, term: &Term) -> Vec<Argument> {
        let mut found = Vec::new();
        term.each_ref(&mut |reference| {
            let Some(args) = self.facts.arguments(&reference.addr) else { return };
            let named = |name: &String| match reference.path.first() {
                Some(first) => reference.addr.part.is_none() && **first == **name,
                None => true,
            };
            for (name, term) in args.iter().filter(|(name, _)| named(name)) {
                let argument = (reference.addr.clone(), name.clone());
                if term.known().is_none() && !self.arguments.contains_key(&argument) {
                    found.push(argument);
                }
            }
        });
        found
    }

    fn term(&self, term: &Term) -> Result<Term, String> {
        let settled = match term {
            Term::Known(_) | Term::NotLocked(_) => return Ok(term.clone()),
            Term::Ref(reference) => match self.look_up(reference)? {
                Some(value) => Term::Known(value),
                None => self.mirrored(reference).unwrap_or_else(|| term.clone()),
            },
            Term::Expr(expr) => match self.evaluate(expr)? {
                Some(value) => Term::Known(value),
                None => term.clone(),
            },
            Term::List(items) => {
                Term::list(items.iter().map(|item| self.term(item)).collect::<Result<_, _>>()?)
            }
            Term::Map(entries) => {
                let one = |(key, term): (&String, &Term)| Ok((key.clone(), self.term(term)?));
                Term::map(entries.iter().map(one).collect::<Result<_, String>>()?)
            }
        };
        if let Term::Known(value) = &settled {
            expr::fit(value)?;
        }
        Ok(settled)
    }

    /// An argument as far as it could be settled.
    fn settled(&self, addr: &Addr, name: &str) -> Result<Option<&Term>, String> {
        match self.arguments.get(&(addr.clone(), name.to_owned())) {
            Some(settled) => settled.as_ref().map(Some).map_err(String::clone),
            None => Ok(self.facts.arguments(addr).and_then(|args| args.get(name))),
        }
    }

    /// Follows a reference: an argument of the resource first, else an attribute of the node.
    fn look_up(&self, reference: &Ref) -> Result<Option<Value>, String> {
        let addr = &reference.addr;
        let Some((first, rest)) = reference.path.split_first() else {
            return self.whole(addr);
        };
        let argument = if addr.part.is_none() { self.settled(addr, first)? } else { None };
        let found = argument.and_then(|argument| match argument {
            Term::Known(value) => follow(value, rest).map(Term::Known),
            open => rest.iter().try_fold(open.clone(), |term, step| term.step(step)),
        });
        match found {
            Some(Term::Known(value)) => return Ok(Some(value)),
            Some(_) => return Ok(None),
            // What a machine is told of a service and what is known of it have one name.
            None => {}
        }
        let missing = || format!("there is no `{reference}`");
        let Some(attributes) = self.facts.attributes(addr) else { return Ok(None) };
        // An attribute that is absent is open again, also where an argument has its name.
        let Some(start) = attributes.get(&**first) else { return Ok(None) };
        follow(start, rest).map(Some).ok_or_else(missing)
    }

    /// What is known of an attribute that is the same as an argument: perhaps a part.
    fn mirrored(&self, reference: &Ref) -> Option<Term> {
        let (first, rest) = reference.path.split_first()?;
        let term = self.facts.mirrored(&reference.addr, first)?;
        rest.iter().try_fold(term.clone(), |term, step| term.step(step))
    }

    /// Everything that is known of one member, for expressions that go over all members.
    fn whole(&self, addr: &Addr) -> Result<Option<Value>, String> {
        let Some(attributes) = self.facts.attributes(addr) else { return Ok(None) };
        let mut all = Map::new();
        for name in self.facts.arguments(addr).into_iter().flat_map(BTreeMap::keys) {
            match self.settled(addr, name)? {
                Some(Term::Known(value)) => all.insert(name.clone(), value.clone()),
                _ => return Ok(None),
            };
        }
        all.extend(attributes.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(Some(Value::Map(all)))
    }

    fn evaluate(&self, expr: &Expr) -> Result<Option<Value>, String> {
        let compiled = expr::compile(&expr.source)
            .expect("it was compiled when the blueprint was read")
            .expect("it has an expression in it");
        let mut lookup = |path: &[String]| match self.resolve_path(expr, path) {
            Ok(Some(value)) => Lookup::Known(value),
            Ok(None) => Lookup::Unknown,
            Err(message) => Lookup::Missing(message),
        };
        Ok(match compiled.evaluate(expr.form, &mut lookup)? {
            Outcome::Known(value) => Some(value),
            Outcome::Unknown => None,
        })
    }

    /// What one path of an expression stands for.
    fn resolve_path(&self, expr: &Expr, path: &[String]) -> Result<Option<Value>, String> {
        let missing = || format!("there is no `{}`", path.join("."));
        if let Some(found) = self.facts.scope().lookup(path) {
            return found.map(Some).ok_or_else(missing);
        }
        if path[0] == "each" {
            let each = expr.each.as_ref().expect("`each` was seen to stand in a `for_each`");
            if path.get(1).is_some_and(|step| step == "key") {
                return Ok(Some(Value::text(&*each.key)));
            }
            let found = path[2..].iter().try_fold(&each.value, |value, step| value.step(step));
            return found.cloned().map(Some).ok_or_else(missing);
        }
        if let Some(reference) = expr.refs.iter().find(|reference| is_written(reference, path)) {
            return self.look_up(reference);
        }
        // A path that names a resource with `for_each` and no key: all of its members.
        let mut members = Map::new();
        for reference in expr.refs.iter().filter(|r| *r.addr.name == *path[0] && r.path.is_empty())
        {
            let Some(Key::Text(key)) = &reference.addr.key else { continue };
            match self.look_up(reference)? {
                Some(value) => members.insert(key.to_string(), value),
                None => return Ok(None),
            };
        }
        Ok(Some(Value::Map(members)))
    }
}

fn follow(start: &Value, rest: &[Arc<str>]) -> Option<Value> {
    rest.iter().try_fold(start, |value, step| value.step(step)).cloned()
}

/// Says whether a path, as written, is this reference: `w.eu.address` is `w["eu"]` and `address`.
fn is_written(reference: &Ref, path: &[String]) -> bool {
    let addr = &reference.addr;
    if *addr.name != *path[0] {
        return false;
    }
    let rest = match &addr.key {
        None => &path[1..],
        Some(Key::Text(key)) => match path.get(1) {
            Some(step) if *step == **key => &path[2..],
            _ => return false,
        },
        Some(Key::Index(_)) => return false,
    };
    rest.len() == reference.path.len() && rest.iter().zip(&reference.path).all(|(a, b)| **a == **b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsenv_sdk::term::Form;

    #[derive(Default)]
    struct World {
        arguments: BTreeMap<Addr, BTreeMap<String, Term>>,
        attributes: BTreeMap<Addr, Map>,
        scope: Scope,
    }

    impl Facts for World {
        fn arguments(&self, addr: &Addr) -> Option<&BTreeMap<String, Term>> {
            self.arguments.get(addr)
        }

        fn attributes(&self, addr: &Addr) -> Option<&Map> {
            self.attributes.get(addr)
        }

        fn scope(&self) -> &Scope {
            &self.scope
        }
    }

    fn to(name: &str, attribute: &str) -> Ref {
        Ref::attribute(Addr::resource(name), attribute)
    }

    /// A resource for each position, whose `input` is made of the one before; `r0` takes `lake.name`.
    fn chain(length: usize, link: impl Fn(&str) -> Term) -> World {
        let mut world = World::default();
        for at in 0..length {
            let input = match at {
                0 => Term::Ref(to("lake", "name")),
                _ => link(&format!("r{}", at - 1)),
            };
            let args = BTreeMap::from([("input".to_owned(), input)]);
            world.arguments.insert(Addr::resource(&format!("r{at}")), args);
        }
        world
    }

    fn know_the_lake(world: &mut World) {
        let values = Map::from([("name".to_owned(), Value::text("l"))]);
        world.attributes.insert(Addr::resource("lake"), values);
    }

    fn text(name: &str) -> Term {
        let refs = [to(name, "input")].into();
        Term::Expr(Expr {
            source: format!("${{{name}.input}}").into(),
            form: Form::SelfTemplate,
            each: None,
            refs,
        })
    }

    #[test]
    fn a_chain_of_ten_thousand_needs_no_deep_stack() {
        let mut world = chain(10_000, text);
        let last = text("r9999");
        assert_eq!(settle(&last, &world), Ok(last.clone()));
        know_the_lake(&mut world);
        assert_eq!(settle(&last, &world), Ok(Term::text("l")));
    }

    #[test]
    fn what_doubles_at_each_step_is_gone_through_once_and_refused_when_it_is_known() {
        let pair = |name: &str| Term::list(vec![Term::Ref(to(name, "input")); 2]);
        let mut world = chain(40, pair);
        let last = Term::Ref(to("r39", "input"));
        assert_eq!(settle(&last, &world), Ok(last.clone()));
        know_the_lake(&mut world);
        let refused = settle(&last, &world).expect_err("it has 2^40 parts");
        assert!(refused.contains("100000 is the most"), "{refused}");
    }

    #[test]
    fn an_argument_that_leads_back_to_itself_is_an_error() {
        let mut world = chain(3, |name| Term::Ref(to(name, "input")));
        let args = BTreeMap::from([("input".to_owned(), Term::Ref(to("r2", "input")))]);
        world.arguments.insert(Addr::resource("r0"), args);
        let refused = settle(&Term::Ref(to("r1", "input")), &world).expect_err("a circle");
        assert!(refused.contains("leads back to itself"), "{refused}");
    }

    #[test]
    fn an_attribute_of_the_same_name_has_what_the_argument_has_not() {
        let mut world = World::default();
        let nested = |key: &str, value: Value| Value::Map(Map::from([(key.to_owned(), value)]));
        let told = nested("web", nested("port", Value::Int(80)));
        let seen = nested("web", nested("url", Value::text("u")));
        let box_addr = Addr::resource("box");
        let args = BTreeMap::from([("services".to_owned(), Term::Known(told))]);
        world.arguments.insert(box_addr.clone(), args);
        world.attributes.insert(box_addr.clone(), Map::from([("services".to_owned(), seen)]));
        let at = |path: &[&str]| {
            let path = path.iter().map(|step| Arc::from(*step)).collect();
            settle(&Term::Ref(Ref { addr: box_addr.clone(), path }), &world)
        };
        assert_eq!(at(&["services", "web", "port"]), Ok(Term::Known(Value::Int(80))));
        assert_eq!(at(&["services", "web", "url"]), Ok(Term::text("u")));
        assert!(at(&["services", "web", "gone"]).is_err());
        // While it is changed, the attribute is known after apply.
        world.attributes.insert(box_addr.clone(), Map::new());
        let path: Vec<Arc<str>> = ["services", "web", "url"].map(Arc::from).into();
        let open = Term::Ref(Ref { addr: box_addr, path });
        assert_eq!(settle(&open, &world), Ok(open.clone()));
    }
}
