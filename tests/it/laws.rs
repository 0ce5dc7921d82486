//! What must hold of the engine whatever is asked of it.

use crate::lab::{Lab, codes, outcome};
use dsenv::diag::Code;
use dsenv::drive::{Request, compile};
use dsenv::lock::Lock;
use dsenv_fake::{CallMatch, Values, Verb, What};
use dsenv_sdk::provider::{
    Connection, Finding, Native, Neutral, OpError, Provider, Setup, Surroundings, Want,
};
use dsenv_sdk::schema::NativeType;
use std::path::Path;
use std::sync::Arc;

/// Law 2.
#[test]
fn the_order_of_keys_does_not_reach_the_plan() {
    let one = r#"
blueprint: demo
inputs: {n: {type: integer, default: 3}, m: {type: integer, default: 4}}
environments: {test: {provider: fake, ephemeral: true}}
resources:
  a: {kind: value, input: {x: 1, y: "${inputs.n}"}}
  b: {kind: value, input: ["${a.output.x}", "${c.k.output}"]}
  c: {kind: value, for_each: {k: 1, l: 2}, input: "${each.value}"}
  m: {kind: machine, cpus: 2+, memory: 8GiB+, uses: {lake: read, db: read}}
  lake: {kind: bucket}
  db: {kind: database, engine: postgres, version: "18"}
outputs: {p: "${b.output}", q: "${a.output}"}
"#;
    let other = r#"
outputs: {q: "${a.output}", p: "${b.output}"}
resources:
  db: {version: "18", engine: postgres, kind: database}
  lake: {kind: bucket}
  m: {uses: {db: read, lake: read}, memory: 8GiB+, kind: machine, cpus: 2+}
  c: {input: "${each.value}", for_each: {l: 2, k: 1}, kind: value}
  b: {input: ["${a.output.x}", "${c.k.output}"], kind: value}
  a: {input: {y: "${inputs.n}", x: 1}, kind: value}
environments: {test: {ephemeral: true, provider: fake}}
inputs: {m: {default: 4, type: integer}, n: {default: 3, type: integer}}
blueprint: demo
"#;
    let lab = Lab::new();
    let [one, other] = [one, other].map(|text| {
        let plan = lab.plan(text).plan;
        assert!(plan.steps.len() > 8);
        dsenv::plan::wire::save(&plan, &mut |_| panic!("there is no secret in it"))
    });
    assert_eq!(one, other);
}

/// Laws 2 and 3: what goes over a map goes over it in one order.
#[test]
fn going_over_a_map_has_an_order() {
    let text = "blueprint: demo\nenvironments: {test: {provider: fake, ephemeral: true}}\n\
                inputs: {none: {type: list, default: []}}\nresources:\n  \
                p: {kind: value, for_each: [f, a, e, b, d, c], input: \"${each.key}\"}\n  \
                none: {kind: value, for_each: \"${inputs.none}\", input: 1}\n  \
                o: {kind: value, input: \"${p.map(k, p[k].output)}\"}\n  \
                n: {kind: value, input: \"${{10: 1, 9: 2, 'x': 3}.map(k, k)}\"}\n  \
                z: {kind: value, input: \"${size(none) + size(none.map(k, k))}\", depends_on: [none]}\n";
    let mut lab = Lab::of(Values::Builtin);
    lab.apply_and_settle(text);
    let state = lab.state();
    let output = |addr: &str| {
        let resource = &state.resources[&crate::lab::addr(addr)];
        resource.current.as_ref().expect("it is there").args["input"].to_string()
    };
    assert_eq!(output("o"), r#"["a", "b", "c", "d", "e", "f"]"#);
    assert_eq!(output("n"), r#"[9, 10, "x"]"#);
    assert_eq!(output("z"), "0");
    for _ in 0..5 {
        assert!(lab.plan(text).plan.is_empty());
    }
}

/// Law 12: a provider may quote a program that prints what it was given.
#[test]
fn a_secret_that_a_provider_quotes_is_hidden() {
    const SENTINEL: &str = "Tr0ub4dor-and-3-horses";
    let text = "blueprint: demo\nenvironments: {test: {provider: fake, ephemeral: true}}\n\
                inputs: {pw: {type: secret}}\nresources:\n  \
                a: {kind: value, input: \"run ${inputs.pw} now\"}\n";
    let mut lab = Lab::of(Values::Objects);
    lab.inputs = vec![("pw".to_owned(), SENTINEL.to_owned())];
    let says = What::Says(format!("it printed `{SENTINEL}`"));
    lab.cloud.inject(CallMatch::verb(Verb::Create).fails(says));
    let outcome = lab.attempt(text);
    assert_eq!(outcome.failed[0].error.message, "it printed `(secret)`");
    let said = format!("{outcome:?} {:?}", lab.events);
    assert!(!said.contains(SENTINEL), "{said}");
    for (path, bytes) in &lab.world.sim_disk().files() {
        let found = bytes.windows(SENTINEL.len()).any(|part| part == SENTINEL.as_bytes());
        assert!(!found, "the secret stands in {}", path.display());
    }
}

/// Law 12, scenario 24.
#[test]
fn a_secret_is_nowhere_in_clear() {
    let text = r#"
blueprint: demo
inputs: {password: {type: secret}}
environments: {test: {provider: fake, ephemeral: true}}
resources:
  given: {kind: secret, from: "${inputs.password}"}
  kept: {kind: value, input: {user: root, password: "${given.value}", direct: "x-${inputs.password}"}}
  m: {kind: machine, environment: {PASSWORD: "${kept.output.password}"}}
outputs: {p: "${given.value}", all: "${kept.output}"}
"#;
    const SENTINEL: &str = "Tr0ub4dor-and-3-horses";
    for values in [Values::Builtin, Values::Objects] {
        let mut lab = Lab::of(values);
        lab.inputs = vec![("password".to_owned(), SENTINEL.to_owned())];
        let mut seen = format!("{:?}", lab.plan(text).plan);
        lab.cloud.inject(CallMatch::verb(Verb::Create).at("m").nth(1).fails(What::Invalid));
        seen += &format!("{:?}", lab.attempt(text));
        seen += &format!("{:?}", lab.events);
        seen += &format!("{:?}", lab.apply(text));
        seen += &format!("{:?} {:?} {:?}", lab.events, lab.state(), lab.cloud);
        seen += &format!(
            "{:?} {:?}",
            lab.try_plan().map(|planned| planned.plan).ok(),
            lab.site().world.process()
        );
        assert!(!seen.contains(SENTINEL));
        let stored = lab.world.sim_disk().files();
        assert!(stored.keys().any(|path| path.ends_with("state.json")));
        assert!(stored.keys().any(|path| path.starts_with("/project/.dsenv/demo/test/history")));
        for (path, bytes) in &stored {
            let found = bytes.windows(SENTINEL.len()).any(|part| part == SENTINEL.as_bytes());
            assert!(!found, "the secret stands in {}", path.display());
        }
        let state = lab.state();
        assert_eq!(state.outputs["p"].expose_text(), Some(SENTINEL), "and yet it is kept");
        lab.assert_settled();
    }
}

#[test]
fn a_wrong_identity_is_refused_cleanly() {
    let text = "t: {kind: secret, generate: {length: 20}}";
    let mut lab = Lab::of(Values::Builtin);
    lab.apply(text);
    let files = lab.world.sim_disk().files();
    lab.use_new_identity();
    let problem = lab.try_plan().err().expect("the secrets are somebody else's");
    assert_eq!(codes(problem), [Code::E0811]);
    let refused = lab.run_unchecked().err().expect("the secrets are somebody else's");
    assert_eq!(codes(refused), [Code::E0811]);
    let mut after = lab.world.sim_disk().files();
    // The lock was taken and given back.
    after.retain(|path, _| !path.ends_with("lock.json"));
    for (path, bytes) in after {
        assert!(files.get(&path) == Some(&bytes), "{} was changed", path.display());
    }
}

#[test]
fn a_full_disk_stops_before_the_call() {
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}";
    let mut lab = Lab::new();
    // Find out how many bytes a whole run writes, then allow less and less.
    let mut refused = 0;
    for bytes in (0..6_000).step_by(150) {
        let mut lab = Lab::new();
        lab.write(text);
        lab.world.sim_disk().fill_after(bytes);
        let begun = |lab: &Lab| lab.cloud.mutating_calls().len();
        match lab.run_unchecked() {
            Ok(_) => {}
            Err(problem) => {
                assert_eq!(codes(problem), [Code::E0812], "{bytes}");
                refused += usize::from(begun(&lab) == 0);
            }
        }
        lab.world.sim_disk().fill_after(u64::MAX);
        lab.next_process();
        lab.check(false);
        lab.apply_and_settle(text);
        assert_eq!(lab.cloud.objects().len(), 2);
    }
    assert!(refused > 5, "{refused}");
    lab.apply_and_settle(text);
}

/// Bad input and faults: a folder that may not be written to.
#[test]
fn a_read_only_folder_is_said_before_any_call() {
    let mut lab = Lab::new();
    lab.write("a: {kind: value, input: 1}");
    lab.world.sim_disk().set_read_only(true);
    let problem = lab.run_unchecked().err().expect("nothing can be written");
    assert_eq!(codes(problem), [Code::E0812]);
    assert_eq!(lab.cloud.calls().len(), 0);
    assert!(lab.try_plan().is_ok(), "a plan needs no writing");
}

#[test]
fn an_edited_state_is_refused() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let path = Path::new("/project/.dsenv/demo/test/state.json");
    let bytes = lab.world.sim_disk().files()[path].clone();
    let calls = lab.cloud.calls().len();
    let half = bytes[..bytes.len() / 2].to_vec();
    let edited = String::from_utf8(bytes).expect("text").replace("fake-object", "fake-objecT");
    for damaged in [half, edited.into_bytes(), Vec::new()] {
        lab.world.sim_disk().put(path, &damaged);
        assert_eq!(codes(lab.try_plan().err().expect("damaged")), [Code::E0802]);
        assert_eq!(lab.refused("a: {kind: value, input: 1}"), [Code::E0802]);
        assert_eq!(lab.world.sim_disk().files()[path], damaged, "it is left as it is");
    }
    assert_eq!(lab.cloud.calls().len(), calls);
}

#[test]
fn a_state_of_a_newer_format_is_refused() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let path = Path::new("/project/.dsenv/demo/test/state.json");
    let text = String::from_utf8(lab.world.sim_disk().files()[path].clone()).expect("text");
    lab.world.sim_disk().put(path, text.replace("dsenv-state/1", "dsenv-state/2").as_bytes());
    assert_eq!(codes(lab.try_plan().err().expect("newer")), [Code::E0803]);
}

#[test]
fn a_state_of_another_blueprint_is_refused() {
    let mut lab = Lab::new();
    lab.apply("a: {kind: value, input: 1}");
    let from = Path::new("/project/.dsenv/demo/test/state.json");
    let bytes = lab.world.sim_disk().files()[from].clone();
    let text = "blueprint: other\nenvironments: {test: {provider: fake}}\nresources: {}\n";
    lab.world.sim_disk().put(Path::new("/project/.dsenv/other/test/state.json"), &bytes);
    lab.write(text);
    assert_eq!(codes(lab.try_plan().err().expect("another one's")), [Code::E0804]);
}

#[test]
fn a_damaged_lock_file_is_refused() {
    let lab = Lab::new();
    lab.write("a: {kind: value, input: 1}");
    lab.world.sim_disk().put(Path::new("/project/demo.lock"), b"{\"format\": \"dsenv-lock/1\"");
    assert_eq!(codes(lab.try_plan().err().expect("damaged")), [Code::E0815]);
}

#[test]
fn a_missing_blueprint_is_named() {
    let lab = Lab::new();
    let problem = lab.try_plan().err().expect("there is none");
    let findings = problem.into_findings();
    let first = findings.iter().next().expect("one");
    assert_eq!(first.code, Code::E0906);
    assert!(first.message.contains("`/project/dsenv.yaml`"), "{}", first.message);
}

#[test]
fn a_command_without_an_environment_is_refused_when_there_are_several() {
    let lab = Lab::new();
    lab.write(
        "blueprint: demo\nenvironments: {dev: {provider: fake}, prod: {provider: fake}}\n\
         resources: {a: {kind: value, input: 1}}\n",
    );
    let findings = lab.try_plan().err().expect("which").into_findings();
    let first = findings.iter().next().expect("one");
    assert_eq!(first.code, Code::E0506);
    assert_eq!(first.help, ["say which with `-e dev` or `-e prod`"]);
}

#[test]
fn more_than_ten_thousand_resources_are_refused() {
    let lab = Lab::new();
    let keys: Vec<String> = (0..5_001).map(|n| format!("k{n}")).collect();
    let line = |name: &str| format!("{name}: {{kind: value, for_each: [{}]}}\n", keys.join(", "));
    lab.write(&(line("a") + &line("b")));
    assert_eq!(codes(lab.try_plan().err().expect("too many")), [Code::E0602]);
}

#[test]
fn a_substitution_is_a_note_and_not_an_error() {
    let lab = Lab::new();
    lab.write("m: {kind: machine, gpu: \"24GiB+\"}");
    let site = lab.site();
    let source = site.source().unwrap_or_else(|_| panic!("it is there"));
    let request = Request::default();
    let (compiled, findings) = compile(&source, &request, &Lock::default(), &site.registry);
    assert!(compiled.is_some() && !findings.has_errors());
    let notes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(notes, [Code::E0702]);
}

/// Law 9: what should be known by now and is not stops the step before its call.
#[test]
fn no_unknown_value_reaches_a_provider() {
    let text = "a: {kind: value, input: 1}\nb: {kind: value, input: \"${a.output}\"}";
    let cloud = dsenv_fake::FakeCloud::new();
    let fake = dsenv_fake::FakeProvider::new(cloud.clone()).values(Values::Objects);
    let mut lab = Lab::with(cloud, Arc::new(Careless { fake, slip: Slip::Omits("output") }));
    let outcome = lab.attempt(text);
    assert_eq!((outcome.applied.len(), outcome.failed.len()), (1, 1));
    let failed = &outcome.failed[0];
    assert_eq!((failed.addr.to_string(), failed.error.class.name()), ("b".into(), "invalid"));
    assert!(failed.error.message.contains("`input` is not known"), "{}", failed.error.message);
    assert_eq!(lab.cloud.mutating_calls().len(), 1, "b was not tried");
}

/// A provider whose answers are not of its own schema.
struct Careless {
    fake: dsenv_fake::FakeProvider,
    slip: Slip,
}

/// What it does wrong after a create.
#[derive(Clone, Copy)]
enum Slip {
    /// It tells an attribute that there is not.
    Invents(&'static str),
    /// It leaves an attribute out.
    Omits(&'static str),
}

struct CarelessConnection(Arc<dyn Connection>, Slip);

#[async_trait::async_trait]
impl Provider for Careless {
    fn name(&self) -> &'static str {
        self.fake.name()
    }
    fn native_types(&self) -> &'static [&'static NativeType] {
        self.fake.native_types()
    }
    fn kinds(&self) -> &'static [&'static str] {
        self.fake.kinds()
    }
    fn check(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
        self.fake.check(resource, around)
    }
    fn wants(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
        self.fake.wants(resource, around)
    }
    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
        self.fake.lower(resource, around)
    }
    async fn connect(&self, setup: Setup) -> Result<Arc<dyn Connection>, OpError> {
        Ok(Arc::new(CarelessConnection(self.fake.connect(setup).await?, self.slip)))
    }
}

mod careless {
    use super::{CarelessConnection, Slip};
    use dsenv_sdk::Addr;
    use dsenv_sdk::provider::{
        Accepted, Connection, Create, Delete, Found, Identity, Observed, OpError, Owned, Prior,
        Progress, Token, Update, Want, Watch,
    };
    use dsenv_sdk::schema::NativeType;
    use dsenv_sdk::value::Value;

    #[async_trait::async_trait]
    impl Connection for CarelessConnection {
        async fn identity(&self) -> Result<Identity, OpError> {
            self.0.identity().await
        }
        async fn find(
            &self,
            ty: &'static NativeType,
            token: &Token,
        ) -> Result<Option<Found>, OpError> {
            self.0.find(ty, token).await
        }
        async fn read_many(
            &self,
            ty: &'static NativeType,
            wanted: &[Prior],
        ) -> Result<Vec<Option<Observed>>, OpError> {
            self.0.read_many(ty, wanted).await
        }
        async fn create(&self, request: Create<'_>) -> Result<Progress<Observed>, OpError> {
            Ok(match self.0.create(request).await? {
                Progress::Done(mut observed) => {
                    match self.1 {
                        Slip::Invents(name) => {
                            drop(observed.values.insert(name.to_owned(), Value::text("blue")));
                        }
                        Slip::Omits(name) => drop(observed.values.remove(name)),
                    }
                    Progress::Done(observed)
                }
                accepted => accepted,
            })
        }
        async fn update(&self, request: Update<'_>) -> Result<Progress<Observed>, OpError> {
            self.0.update(request).await
        }
        async fn delete(&self, request: Delete<'_>) -> Result<Progress<()>, OpError> {
            self.0.delete(request).await
        }
        async fn poll(
            &self,
            ty: &'static NativeType,
            accepted: &Accepted,
        ) -> Result<Progress<Option<Observed>>, OpError> {
            self.0.poll(ty, accepted).await
        }
        async fn read_foreign(
            &self,
            ty: &'static NativeType,
            remote_id: &str,
        ) -> Result<Option<Observed>, OpError> {
            self.0.read_foreign(ty, remote_id).await
        }
        async fn claim(
            &self,
            ty: &'static NativeType,
            addr: &Addr,
            token: &Token,
            remote_id: &str,
        ) -> Result<(), OpError> {
            self.0.claim(ty, addr, token, remote_id).await
        }
        async fn inventory(&self, lineage: Option<&str>) -> Result<Vec<Owned>, OpError> {
            self.0.inventory(lineage).await
        }
        async fn pin(&self, want: &Want, watch: Watch<'_>) -> Result<Value, OpError> {
            self.0.pin(want, watch).await
        }
        async fn close_environment(&self, kept: &[Token]) -> Result<(), OpError> {
            self.0.close_environment(kept).await
        }
    }
}

#[test]
fn a_provider_that_breaks_its_contract_is_named() {
    let cloud = dsenv_fake::FakeCloud::new();
    let fake = dsenv_fake::FakeProvider::new(cloud.clone()).values(Values::Objects);
    let mut lab = Lab::with(cloud, Arc::new(Careless { fake, slip: Slip::Invents("colour") }));
    let outcome = lab.attempt("a: {kind: value, input: 1}");
    let message = &outcome.failed[0].error.message;
    assert!(message.contains("provider `fake` broke its contract"), "{message}");
    assert!(message.contains("`fake.object.colour`"), "{message}");
    // What it made is not lost.
    assert_eq!(lab.changes("a: {kind: value, input: 1}"), ["Replace a: Tainted"]);
    assert_eq!(lab.cloud.objects().len(), 1);
}

#[test]
fn an_environment_that_is_empty_can_be_destroyed() {
    let mut lab = Lab::new();
    lab.write("{}");
    assert!(outcome(lab.destroy()).is_complete());
}
