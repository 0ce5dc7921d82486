//! Every example of every page of `dsenv explain` is compiled: what a page says is refused is refused
//! with its code, and what it calls mended passes.

use dsenv::diag::{Case, Code, Example, Severity};
use dsenv::drive::{Request, compile};
use dsenv::lock::Lock;
use dsenv::registry::Registry;
use dsenv::resolve::InputSource;
use dsenv_fake::{FakeCloud, FakeProvider};
use dsenv_sdk::Provider;
use dsenv_sdk::provider::{
    Connection, Finding, Native, Neutral, OpError, Setup, Surroundings, Want, Weight,
};
use dsenv_sdk::schema::NativeType;
use std::sync::Arc;

/// The fake cloud under the name that the pages use; refuses one thing, as the real one does.
struct Local(FakeProvider);

#[async_trait::async_trait]
impl Provider for Local {
    fn name(&self) -> &'static str {
        "local"
    }
    fn native_types(&self) -> &'static [&'static NativeType] {
        self.0.native_types()
    }
    fn kinds(&self) -> &'static [&'static str] {
        self.0.kinds()
    }
    fn check(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Finding> {
        let mut findings = self.0.check(resource, around);
        let engine = resource.fields.get("engine").and_then(|term| term.known()?.as_text());
        if engine == Some("mysql") {
            findings.push(Finding {
                path: vec!["engine".to_owned()],
                weight: Weight::Refuses,
                message: "there is no mysql here".to_owned(),
                help: None,
            });
        }
        findings
    }
    fn wants(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Want> {
        self.0.wants(resource, around)
    }
    fn lower(&self, resource: &Neutral, around: &Surroundings<'_>) -> Vec<Native> {
        self.0.lower(resource, around)
    }
    async fn connect(&self, setup: Setup) -> Result<Arc<dyn Connection>, OpError> {
        self.0.connect(setup).await
    }
}

/// Compiles an example; the codes of what refuses it, and the text of the findings.
fn refusals(case: &Case) -> (Vec<Code>, String) {
    let fake = || FakeProvider::new(FakeCloud::new());
    let providers: [Arc<dyn Provider>; 2] = [Arc::new(Local(fake())), Arc::new(fake())];
    let request = Request {
        environment: case.environment.map(str::to_owned),
        inputs: case
            .inputs
            .iter()
            .map(|(name, typed)| InputSource {
                name: (*name).to_owned(),
                typed: (*typed).to_owned(),
            })
            .collect(),
        ..Request::default()
    };
    let registry = Registry::of(providers);
    let (source, mut findings) = dsenv::yaml::decode("dsenv.yaml", case.yaml.as_bytes());
    let (compiled, found) = compile(&source, &request, &Lock::default(), &registry);
    findings.append(found);
    assert_eq!(compiled.is_none(), findings.has_errors(), "refused with a reason, and only then");
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    (errors.map(|finding| finding.code).collect(), format!("{findings:#?}"))
}

#[test]
fn every_example_of_every_page_does_what_the_page_says() {
    let mut wrong = Vec::new();
    for code in Code::ALL.iter().copied() {
        for example in code.examples() {
            match &example {
                Example::Console { .. } => {}
                Example::Refused(case) => {
                    let (codes, text) = refusals(case);
                    // A warning or a note has no other way to be shown.
                    let noted = codes.is_empty() && text.contains(code.as_str());
                    if !noted && !codes.contains(&code) {
                        wrong.push(format!("{code} is not what refuses\n{}{text}", case.yaml));
                    }
                }
                Example::Mended(case) => {
                    let (codes, text) = refusals(case);
                    if !codes.is_empty() {
                        wrong.push(format!("{code}: mended, and refused\n{}{text}", case.yaml));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
