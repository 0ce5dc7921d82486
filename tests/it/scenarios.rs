//! The scenarios of an engine that is trusted with money, each a test.

use crate::lab::{Lab, addr, codes, lines_of, outcome};
use dsenv_fake::{CallMatch, Values, Verb, What, When};

const DIAMOND: &str = r#"
a: {kind: value, input: 1}
b: {kind: value, input: "${a.output}"}
c: {kind: value, input: "${a.output}"}
d: {kind: value, input: ["${b.output}", "${c.output}"]}
"#;

/// Scenario 7.
#[test]
fn a_second_apply_does_nothing() {
    let mut lab = Lab::new();
    lab.apply_and_settle(DIAMOND);
    assert_eq!(lab.cloud.objects().len(), 4);
}
