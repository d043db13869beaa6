//! docs/policy.md: its prose is written by hand, its tables are made of the fields that the decoder reads.

use super::fields;
use crate::settings::docs::{field_table, filled, hold, read};

#[test]
fn the_page_of_docs_is_that_of_the_code() {
    let tables = [
        ("policy", field_table(fields::POLICY, &fields::LISTS)),
        ("product", field_table(fields::PRODUCT, &[])),
        ("require", field_table(fields::REQUIRE, &[])),
        ("key", field_table(fields::KEY, &[])),
        ("threshold", field_table(fields::THRESHOLD, &[])),
        ("waiver", field_table(fields::WAIVER, &[])),
    ];
    hold("policy.md", &filled(&read("policy.md"), tables), "UPDATE_DOCS=1 cargo test --lib policy::docs");
}

#[test]
fn the_policy_that_the_page_shows_is_sound() {
    let page = read("policy.md");
    let shown = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    if let Err(faults) = super::parse("docs/policy.md", shown) {
        panic!("{faults}");
    }
}
