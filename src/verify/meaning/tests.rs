//! What is said counts, and not how; and any text has an answer.

use super::*;
use crate::evidence::{documents, sample_switch};
use proptest::prelude::*;

/// What differs, as subjects with what was expected and seen.
fn told(form: Form, expected: &str, seen: &str) -> Vec<String> {
    let one = |found: Difference| format!("{} {} -> {}", found.subject, found.expected, found.seen);
    differences(form, expected, seen).into_iter().map(one).collect()
}

#[test]
fn env_files_are_keys_and_values_in_any_order() {
    let same = "\u{feff}# a note\r\nB = 2\r\n\r\nA=1\r\n";
    assert_eq!(told(Form::Env, "A=1\nB=2\n", same), [""; 0]);
    assert_eq!(told(Form::Env, "A=1\nB=2\n", "A=1\nB=3\nC=4\n"), ["B 2 -> 3", "C no key of the run's -> 4"]);
    assert_eq!(told(Form::Env, "A=1\n", ""), ["A 1 -> no such key"]);
    assert_eq!(told(Form::Env, "A=1\n", "A=0\nA=1\n"), ["A there once -> there more than once"; 2]);
    // For some readers a lone CR ends a line, and a comment with it.
    let hidden = told(Form::Env, "A=1\n", "A=1\n# x\rA=0\n");
    assert!(hidden[0].starts_with("the line without characters"), "{hidden:?}");
    assert_eq!(told(Form::Env, "A=1\n", "A=1\nA0\n"), ["the line KEY=VALUE -> A0"]);
}

#[test]
fn json_is_values_and_each_key_once() {
    assert_eq!(told(Form::Json, r#"{"a":1,"b":[1.0]}"#, "{\n \"b\": [1], \"a\": 1e0 }"), [""; 0]);
    assert_eq!(told(Form::Json, r#"{"a":{"b":true}}"#, r#"{"a":{"b":"true"}}"#), ["a.b true -> \"true\""]);
    assert_eq!(told(Form::Json, r#"{"a":[1]}"#, r#"{"a":[1,2]}"#), ["a 1 entries -> 2 entries"]);
    // Beyond 2^53 two whole numbers are one f64.
    let (one, other) = ("9007199254740993", "9007199254740992");
    assert_eq!(told(Form::Json, one, other).len(), 1);
    let twice = told(Form::Json, r#"{"a":1}"#, r#"{"a":2,"a":1}"#);
    assert!(twice[0].contains("`a` is there twice"), "{twice:?}");
    for none in ["", "{", "{\"a\":1} x", "{\"a\":NaN}"] {
        assert_eq!(told(Form::Json, r#"{"a":1}"#, none).len(), 1, "{none}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(told(Form::Json, "[]", &deep).len(), 1);
}

#[test]
fn csv_is_cells_however_they_are_quoted() {
    assert_eq!(told(Form::Csv, "a,b\r\n1,x\r\n", "\"a\",b\n1,\"x\"\n"), [""; 0]);
    assert_eq!(told(Form::Csv, "a,b\r\n1,x\r\n", "a,b\r\n1,y\r\n"), ["b of row 1 x -> y"]);
    assert_eq!(told(Form::Csv, "a\r\n1\r\n", "a\r\n"), ["the file 2 lines -> 1 lines"]);
    assert_eq!(told(Form::Csv, "a\r\n1\r\n", "a\r\n1,2\r\n"), ["cell 2 of row 1 no such cell -> 2"]);
}

#[test]
fn xml_is_elements_attributes_and_texts() {
    let report = r#"<?xml version="1.0"?><testsuite name="s" tests="1"><testcase name="a"/><testcase name="b"><failure>x &amp; y</failure></testcase></testsuite>"#;
    let indented = "<testsuite tests='1' name='&#115;'>\n <!-- by hand -->\n <testcase name=\"a\"></testcase>\n \
                    <testcase name=\"b\"><failure>\n<![CDATA[x & y]]>\n</failure></testcase></testsuite>\n";
    assert_eq!(told(Form::Xml, report, indented), [""; 0]);
    for (from, to, expected) in [
        ("tests=\"1\"", "tests=\"0\"", "testsuite s <testsuite> with tests=1 -> <testsuite> with tests=0"),
        ("x &amp; y", "x", "testcase b x & y -> x"),
        ("<testcase name=\"a\"/>", "", "testcase a <testcase> with name=a -> <testcase> with name=b"),
        ("<failure>x &amp; y</failure>", "", "testcase b <failure> -> the element's end"),
    ] {
        assert!(report.contains(from));
        assert_eq!(told(Form::Xml, report, &report.replace(from, to)), [expected]);
    }
    let entity = report.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY e \"z\">]>");
    assert_eq!(told(Form::Xml, report, &entity), ["the file well-formed XML -> a document type"]);
    for none in ["", "<testsuite", "<a><b></a>", "x<testsuite name=\"s\"/>", "<testsuite>&e;</testsuite>"] {
        assert_eq!(told(Form::Xml, report, none).len(), 1, "{none}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_an_answer(text in any::<String>(), marks in prop::sample::select(vec!["", "<a>", "{", "\"", "A=1\n", "&"])) {
        let text = format!("{marks}{text}");
        for form in [Form::Env, Form::Json, Form::Csv, Form::Xml] {
            let _ = (differences(form, "<a/>", &text), origin(form, &text));
        }
    }

    /// A character of a file is another one: either that is told, or a reader sees the same.
    #[test]
    fn what_was_changed_within_a_value_is_told(at in any::<prop::sample::Index>(), by in "[a-z0-9]") {
        let records = sample_switch::good().records();
        let run = crate::evidence::RunView::of(&records).unwrap();
        for document in documents(&run).unwrap() {
            let text = String::from_utf8(document.bytes).unwrap();
            let form = Form::of(&document.name).unwrap();
            prop_assert!(differences(form, &text, &text).is_empty());
            let places: Vec<_> = text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).collect();
            let (place, old) = *at.get(&places);
            // What stands before the first element says nothing of a run.
            let in_head = form == Form::Xml && place < text.find("<testsuite").unwrap();
            if by != old.to_string() && !in_head {
                let mut changed = text.clone();
                changed.replace_range(place..=place, &by);
                let found = differences(form, &text, &changed);
                prop_assert!(!found.is_empty() || is_same_number(&text, &changed, form), "{}: {place}", document.name);
            }
        }
    }
}

/// `1.0` and `1.00`, `1e2` and `100`.
fn is_same_number(text: &str, changed: &str, form: Form) -> bool {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    form == Form::Json
        && value(text).zip(value(changed)).is_some_and(|(a, b)| values(&a, &b, None).is_empty())
}
