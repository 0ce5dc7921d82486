use super::{Bars, Consumer, JsonLines, Lines, event_schema};
use crate::event::{At, Event, Summary, Work};
use dsenv_sdk::Addr;
use expect_test::{Expect, expect};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

fn at(elapsed_ms: u64) -> At {
    let time = jiff::Timestamp::from_millisecond(1_800_000_000_000 + elapsed_ms as i64);
    At { time: time.expect("a time"), elapsed_ms }
}

fn addr(name: &str) -> Addr {
    Addr::resource(name)
}

fn done(name: &str, verb: Work, elapsed_ms: u64) -> Event {
    Event::StepDone { addr: addr(name), verb, elapsed_ms }
}

/// An apply in which everything happens once.
fn story() -> Vec<(u64, Event)> {
    let waiting = |since_ms| Event::StepWaiting {
        addr: addr("features"),
        waits_for: "database is being created".to_owned(),
        since_ms,
    };
    vec![
        (0, Event::ApplyStarted { steps: 6, operation: "op-7".to_owned() }),
        (5, Event::Adopted { addr: addr("net"), remote_id: "vpc-1".to_owned() }),
        (10, Event::StepStarted { step: 0, addr: addr("lake"), verb: Work::Create }),
        (10, Event::StepStarted { step: 1, addr: addr("features"), verb: Work::Create }),
        (40, done("lake", Work::Create, 30)),
        (2_000, waiting(1_900)),
        (18_000, waiting(17_900)),
        (19_000, waiting(18_900)),
        (
            20_000,
            Event::StepProgress {
                addr: addr("features"),
                text: "starting PostgreSQL 18".to_owned(),
                elapsed_ms: 19_990,
            },
        ),
        (
            20_100,
            Event::Retrying {
                addr: addr("features"),
                attempt: 2,
                after_ms: 500,
                why: "too many requests".to_owned(),
            },
        ),
        (62_000, done("features", Work::Create, 61_990)),
        (62_100, Event::StepStarted { step: 2, addr: addr("notebook"), verb: Work::Update }),
        (
            64_000,
            Event::StepFailed {
                addr: addr("notebook"),
                verb: Work::Update,
                class: "denied".to_owned(),
                message: "the folder cannot be written".to_owned(),
                causes: vec!["permission denied".to_owned()],
                help: Some("chmod u+w".to_owned()),
            },
        ),
        (64_001, Event::StepSkipped { addr: addr("web"), because: addr("notebook") }),
        (64_002, Event::Interrupted { in_flight: 1 }),
        (
            64_500,
            Event::ApplyDone { summary: Summary { applied: 2, failed: 1, skipped: 1, unknown: 0 } },
        ),
    ]
}

/// A writer whose content can be looked at while it is in use.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("text")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Marks the left edge: a golden loses the indentation that all of its lines share.
fn edged(text: &str) -> String {
    text.lines().map(|line| format!("|{line}\n")).collect()
}

fn told(consumer: &mut dyn Consumer, story: &[(u64, Event)]) {
    for (elapsed_ms, event) in story {
        consumer.event(at(*elapsed_ms), event).expect("memory takes everything");
    }
}

#[test]
fn a_pipe_gets_a_line_for_what_is_worth_one() {
    let out = Shared::default();
    told(&mut Lines::new(out.clone()), &story());
    expect![[r#"
        |    0.0s  applying 6 steps (operation op-7)
        |    0.0s  adopted net: `vpc-1`, of an interrupted apply
        |    0.0s  created lake in 0.0s
        |   18.0s  waiting features: database is being created, 17.9s
        |   20.1s  again   features in 0.5s, attempt 2: too many requests
        |  1m 02s  created features in 1m 01s
        |  1m 04s  FAILED  notebook while changing it: the folder cannot be written (denied)
        |  1m 04s  skipped web: `notebook` failed
        |  1m 04s  stopping: 1 step still running, nothing new is begun
        |  1m 04s  2 applied, 1 failed, 1 skipped in 1m 04s
    "#]]
    .assert_eq(&edged(&out.text()));
}

#[test]
fn a_program_gets_everything_and_the_summary_last() {
    let out = Shared::default();
    told(&mut JsonLines::new(out.clone()), &story());
    expect![[r#"
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:00Z","event":"apply_started","steps":6,"operation":"op-7"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:00.005Z","event":"adopted","address":"net","remote_id":"vpc-1"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:00.01Z","event":"step_started","address":"lake","action":"create","step":0}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:00.01Z","event":"step_started","address":"features","action":"create","step":1}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:00.04Z","event":"step_done","address":"lake","action":"create","elapsed_ms":30}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:02Z","event":"step_waiting","address":"features","elapsed_ms":1900,"waits_for":"database is being created"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:18Z","event":"step_waiting","address":"features","elapsed_ms":17900,"waits_for":"database is being created"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:19Z","event":"step_waiting","address":"features","elapsed_ms":18900,"waits_for":"database is being created"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:20Z","event":"step_progress","address":"features","elapsed_ms":19990,"text":"starting PostgreSQL 18"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:00:20.1Z","event":"retrying","address":"features","attempt":2,"after_ms":500,"why":"too many requests"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:01:02Z","event":"step_done","address":"features","action":"create","elapsed_ms":61990}
        {"format":"dsenv-event/1","time":"2027-01-15T08:01:02.1Z","event":"step_started","address":"notebook","action":"update","step":2}
        {"format":"dsenv-event/1","time":"2027-01-15T08:01:04Z","event":"step_failed","address":"notebook","action":"update","class":"denied","message":"the folder cannot be written","causes":["permission denied"],"help":"chmod u+w"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:01:04.001Z","event":"step_skipped","address":"web","because":"notebook"}
        {"format":"dsenv-event/1","time":"2027-01-15T08:01:04.002Z","event":"interrupted","in_flight":1}
        {"format":"dsenv-event/1","time":"2027-01-15T08:01:04.5Z","event":"summary","applied":2,"failed":1,"skipped":1,"unknown":0}
    "#]].assert_eq(&out.text());
}

#[test]
fn every_line_is_what_its_schema_says() {
    let out = Shared::default();
    told(&mut JsonLines::new(out.clone()), &story());
    let schema = event_schema();
    for line in out.text().lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let line = line.as_object().expect("an object");
        for name in line.keys() {
            assert!(schema["properties"].get(name).is_some(), "{name}");
        }
        for required in schema["required"].as_array().expect("a list") {
            assert!(line.contains_key(required.as_str().expect("a name")), "{required}");
        }
        let events = schema["properties"]["event"]["enum"].as_array().expect("a list");
        assert!(events.contains(&line["event"]));
        if let Some(action) = line.get("action") {
            let actions = schema["properties"]["action"]["enum"].as_array().expect("a list");
            assert!(actions.contains(action));
        }
    }
    let last: serde_json::Value =
        serde_json::from_str(out.text().lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["event"], &last["applied"]), (&"summary".into(), &2.into()));
}

/// What stands on a screen of so many columns once these bytes were written, lines that scrolled away
/// included. As on a real one, the next character after a full line begins a new line.
fn screen(bytes: &str, columns: usize) -> String {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = bytes.chars();
    while let Some(c) = chars.next() {
        match c {
            '\n' => (row, column) = (row + 1, 0),
            '\r' => column = 0,
            '\u{1b}' => {
                assert_eq!(chars.next(), Some('['));
                let code: String = chars.by_ref().take_while_inclusive_letter();
                let (count, letter) = code.split_at(code.len() - 1);
                match letter {
                    "A" => row -= count.parse::<usize>().expect("a number"),
                    "B" => row += count.parse::<usize>().expect("a number"),
                    "D" => column -= count.parse::<usize>().expect("a number"),
                    "K" => lines[row].clear(),
                    other => panic!("{other}"),
                }
            }
            c => {
                if column == columns {
                    (row, column) = (row + 1, 0);
                }
                if lines.len() <= row {
                    lines.resize(row + 1, Vec::new());
                }
                let line = &mut lines[row];
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = c;
                column += 1;
            }
        }
        if lines.len() <= row {
            lines.resize(row + 1, Vec::new());
        }
    }
    let text = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
    lines.iter().map(text).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Takes up to the letter that ends an escape code, that letter included.
trait TakeCode {
    fn take_while_inclusive_letter(self) -> String;
}

impl<I: Iterator<Item = char>> TakeCode for I {
    fn take_while_inclusive_letter(self) -> String {
        let mut code = String::new();
        for c in self {
            code.push(c);
            if c.is_ascii_alphabetic() {
                break;
            }
        }
        code
    }
}

fn check_screen(story: &[(u64, Event)], expected: Expect) {
    let out = Shared::default();
    let mut bars = Bars::new(out.clone(), 60);
    told(&mut bars, story);
    expected.assert_eq(&screen(&out.text(), 60));
}

#[test]
fn a_terminal_shows_what_runs_and_what_it_waits_for() {
    check_screen(
        &story()[..7],
        expect![[r#"
        adopted net: `vpc-1`, of an interrupted apply
        created lake in 0.0s
        | creating features 17.9s: database is being created
        1 of 6 steps, 18.0s"#]],
    );
}

#[test]
fn a_terminal_keeps_what_was_done_and_nothing_else() {
    check_screen(
        &story(),
        expect![[r#"
        adopted net: `vpc-1`, of an interrupted apply
        created lake in 0.0s
        again   features in 0.5s, attempt 2: too many requests
        created features in 1m 01s
        FAILED  notebook while changing it: the folder cannot be wri
        tten (denied)
        skipped web: `notebook` failed
        stopping: 1 step still running, nothing new is begun
        2 applied, 1 failed, 1 skipped in 1m 04s"#]],
    );
}

/// Ten thousand instant steps, the last of which fails.
fn many() -> Vec<(u64, Event)> {
    let mut story = vec![(0, Event::ApplyStarted { steps: 10_000, operation: "op".to_owned() })];
    for step in 0..9_999_u32 {
        let name = format!("r{step}");
        let elapsed_ms = u64::from(step) / 10;
        story
            .push((elapsed_ms, Event::StepStarted { step, addr: addr(&name), verb: Work::Create }));
        story.push((elapsed_ms, done(&name, Work::Create, 0)));
    }
    let summary = Summary { applied: 9_999, failed: 0, skipped: 1, unknown: 0 };
    story.push((1_000, Event::ApplyDone { summary }));
    story
}

#[test]
fn ten_thousand_instant_steps_are_counted() {
    let out = Shared::default();
    told(&mut Lines::new(out.clone()), &many());
    let text = out.text();
    assert_eq!(text.lines().count(), 23, "{text}");
    let end: Vec<&str> = text.lines().skip(20).collect();
    expect![[r#"
        |    0.0s  created r19 in 0.0s
        |    1.0s  created 9,979 more
        |    1.0s  9,999 applied, 1 skipped in 1.0s
    "#]]
    .assert_eq(&edged(&end.join("\n")));
}

#[test]
fn the_count_is_told_while_it_grows() {
    let out = Shared::default();
    let mut lines = Lines::new(out.clone());
    told(&mut lines, &many()[..20_000 - 1_000]);
    lines.tick(at(1_200)).expect("memory");
    assert!(!out.text().contains("more"));
    lines.tick(at(6_000)).expect("memory");
    assert!(out.text().ends_with("created 9,479 more\n"), "{}", out.text());
}

#[test]
fn a_terminal_is_not_drawn_for_each_of_ten_thousand_steps() {
    let out = Shared::default();
    told(&mut Bars::new(out.clone(), 80), &many());
    assert!(out.text().len() < 50_000, "{} bytes", out.text().len());
    assert!(
        screen(&out.text(), 80).ends_with("created 9,979 more\n9,999 applied, 1 skipped in 1.0s")
    );
}

#[test]
fn a_consumer_that_is_dropped_leaves_a_clean_terminal() {
    let out = Shared::default();
    let mut bars = Bars::new(out.clone(), 60);
    told(&mut bars, &story()[..7]);
    assert!(screen(&out.text(), 60).contains("creating features"));
    drop(bars);
    assert!(!screen(&out.text(), 60).contains("creating features"));
}
