//! The closed registry of diagnostic codes and what `dsenv explain` says about each.
//!
//! A code is one line in [`codes!`] below and one page, `codes/E0102.md`, which is the only place
//! where its title stands. To add one: take the next free number of the group, write the page, add
//! the line. A code that is no longer reported keeps its page, so that its number is never reused.
//!
//! | group | about |
//! |---|---|
//! | E00xx | limits, and the file as a whole |
//! | E01xx | YAML |
//! | E02xx | the schema: kinds, fields, types |
//! | E03xx | names and references |
//! | E04xx | expressions |
//! | E05xx | inputs and environments |
//! | E06xx | the graph |
//! | E07xx | providers |
//! | E08xx | lock, state, plan |
//! | E09xx | apply |
//! | E10xx | prices |
//!
//! ## A page
//! The first line is `# ` and the title: a few words in lower case, with no user-chosen name. What
//! it means and how to mend it follow in plain Markdown. Fenced blocks are tests:
//! - ` ```yaml `: a blueprint that is refused with this code. Its first lines may be
//!   `# environment: dev` and `# input: workers=2`.
//! - ` ```yaml mended `: a blueprint that is not.
//! - ` ```console tested_by=NAME `: what cannot be shown by one blueprint; `fn NAME` is its test.

use super::suggest::suggest;
use std::fmt;

macro_rules! codes {
    ($($code:ident,)*) => {
        /// The stable name of one kind of diagnostic, such as `E0102`.
        ///
        /// Users search for it, scripts match on it: a code keeps its meaning for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = include_str!(concat!("codes/", stringify!($code), ".md"))] $code,)*
        }

        impl Code {
            /// Every code, in ascending order.
            pub const ALL: &[Code] = &[$(Code::$code,)*];

            /// Returns the code as it is printed.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => stringify!($code),)*
                }
            }

            /// Returns the page about this code: Markdown, the title first.
            pub fn page(self) -> &'static str {
                match self {
                    $(Code::$code => include_str!(concat!("codes/", stringify!($code), ".md")),)*
                }
            }
        }
    };
}

codes! {
    E0001,
    E0002,
    E0003,
    E0004,
    E0005,
    E0006,

    E0101,
    E0102,
    E0103,
    E0104,
    E0105,
    E0106,
    E0107,
    E0108,
    E0109,
    E0110,
    E0111,
    E0112,

    E0201,
    E0202,
    E0203,
    E0204,
    E0205,
    E0206,
    E0207,
    E0208,
    E0209,
    E0210,

    E0301,
    E0302,
    E0303,
    E0304,
    E0305,
    E0306,
    E0307,
    E0308,
    E0309,
    E0310,

    E0401,
    E0402,
    E0403,
    E0404,

    E0501,
    E0502,
    E0503,
    E0504,
    E0505,
    E0506,
    E0507,
    E0508,
    E0509,
    E0520,
    E0521,
    E0522,
    E0523,
    E0524,
    E0525,

    E0601,
    E0602,
    E0603,

    E0701,
    E0702,

    E0801,
    E0802,
    E0803,
    E0804,
    E0805,
    E0806,
    E0807,
    E0808,
    E0809,
    E0810,
    E0811,
    E0812,
    E0813,
    E0814,
    E0815,
    E0816,
    E0817,
    E0818,
    E0819,
    E0820,
    E0821,
    E0822,

    E0901,
    E0902,
    E0903,
    E0904,
    E0905,
    E0906,

    E1001,
    E1002,
    E1003,
    E1004,
    E1005,
    E1006,
    E1007,
    E1010,
    E1011,
}

impl Code {
    /// Returns the few words that name the mistake: the first line of the page.
    pub fn title(self) -> &'static str {
        let first = self.page().lines().next().unwrap_or_default();
        first.strip_prefix("# ").unwrap_or(first)
    }

    /// Reads a code as a user types it: `E0102`, `e0102` or `102`.
    ///
    /// Returns `None` for what is not a code; [`Code::nearest`] has a suggestion then.
    pub fn parse(text: &str) -> Option<Code> {
        let digits = text.strip_prefix(['E', 'e']).unwrap_or(text);
        let wanted = format!("E{digits:0>4}");
        Code::ALL.iter().copied().find(|code| code.as_str() == wanted)
    }

    /// Returns the code that a mistyped one was most likely meant to be.
    pub fn nearest(text: &str) -> Option<Code> {
        let text = text.to_ascii_uppercase();
        suggest(&text, Code::ALL.iter().map(|code| code.as_str())).and_then(Code::parse)
    }

    /// Returns the examples of the page, in its order.
    pub fn examples(self) -> Vec<Example> {
        let mut rest = self.page();
        let mut examples = Vec::new();
        while let Some((_, after)) = rest.split_once("\n```") {
            let Some((info, body)) = after.split_once('\n') else { break };
            let end = body.find("```").unwrap_or(body.len());
            examples.extend(Example::read(info, &body[..end]));
            rest = &body[end + body[end..].len().min(3)..];
        }
        examples
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns the page about `code`, which may be written in any of the ways of [`Code::parse`].
pub fn explain(code: &str) -> Option<&'static str> {
    Code::parse(code).map(Code::page)
}

/// A fenced block of a page: a test in the shape of documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Example {
    /// A blueprint that must be refused with the code of the page.
    Refused(Case),
    /// A blueprint that must compile without an error.
    Mended(Case),
    /// A session at the terminal, only shown; the function `tested_by` is the test.
    Console {
        /// The name of the test function.
        tested_by: &'static str,
    },
}

/// A blueprint with what is needed to compile it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The blueprint, its leading `# environment:` and `# input:` lines included.
    pub yaml: &'static str,
    /// The environment to choose, when the example names one.
    pub environment: Option<&'static str>,
    /// Values for inputs, as `--input` takes them.
    pub inputs: Vec<(&'static str, &'static str)>,
}

impl Example {
    fn read(info: &'static str, body: &'static str) -> Option<Example> {
        match info.split_once(' ').unwrap_or((info, "")) {
            ("yaml", "") => Some(Example::Refused(Case::read(body))),
            ("yaml", "mended") => Some(Example::Mended(Case::read(body))),
            ("console", rest) => {
                rest.strip_prefix("tested_by=").map(|tested_by| Example::Console { tested_by })
            }
            _ => None,
        }
    }
}

impl Case {
    fn read(yaml: &'static str) -> Case {
        let header = || yaml.lines().map_while(|line| line.strip_prefix("# "));
        let value = |line: &'static str, key| line.strip_prefix(key).map(str::trim);
        Case {
            yaml,
            environment: header().find_map(|line| value(line, "environment:")),
            inputs: header()
                .filter_map(|line| value(line, "input:").and_then(|text| text.split_once('=')))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_folder_and_the_list_agree_and_are_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diag/codes");
        let entries = std::fs::read_dir(folder).expect("the folder of codes exists");
        let mut pages: Vec<String> = entries
            .map(|entry| entry.expect("a folder entry").file_name().into_string().expect("UTF-8"))
            .collect();
        pages.sort();
        let listed: Vec<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
        assert_eq!(pages, listed);
    }

    #[test]
    fn every_page_has_a_title_an_explanation_and_an_example() {
        for code in Code::ALL {
            let page = code.page();
            let title = code.title();
            assert!(page.starts_with("# "), "{code}: the first line is `# ` and the title");
            assert!(!title.contains(['`', '$']), "{code}: a title has no names in it");
            assert!(!title.ends_with('.'), "{code}: a title has no full stop");
            assert!(title.len() <= 60, "{code}: a title is a few words");
            assert!(page.contains("## How to mend it"), "{code}: says how to mend it");
            assert!(!code.examples().is_empty(), "{code}: has an example");
            assert_eq!(page.matches("\n```").count() % 2, 0, "{code}: every fence is closed");
        }
    }

    #[test]
    fn a_code_that_no_blueprint_can_show_names_a_test_that_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut code_text = String::new();
        for folder in ["src", "tests"].map(|folder| root.join(folder)) {
            if folder.is_dir() {
                read_rust_files(&folder, &mut code_text);
            }
        }
        for code in Code::ALL {
            for example in code.examples() {
                if let Example::Console { tested_by } = example {
                    let test = format!("fn {tested_by}(");
                    assert!(code_text.contains(&test), "{code}: there is no test `{tested_by}`");
                }
            }
        }
    }

    fn read_rust_files(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder of this repository") {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                read_rust_files(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&std::fs::read_to_string(&path).expect("a source file"));
            }
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(Code::parse("E0102"), Some(Code::E0102));
        assert_eq!(Code::parse("e0102"), Some(Code::E0102));
        assert_eq!(Code::parse("102"), Some(Code::E0102));
        assert_eq!(Code::parse("E9999"), None);
        assert_eq!(Code::parse(""), None);
        assert_eq!(Code::nearest("E0012"), Some(Code::E0002));
        assert_eq!(Code::nearest("nonsense"), None);
        assert!(explain("E0102").is_some_and(|page| page.starts_with("# duplicate key")));
    }

    #[test]
    fn the_header_of_an_example_is_read() {
        let case =
            Case::read("# environment: dev\n# input: workers=2\nblueprint: x\n# input: a=b\n");
        assert_eq!(case.environment, Some("dev"));
        assert_eq!(case.inputs, [("workers", "2")]);
    }
}
