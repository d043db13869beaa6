//! Reports as their readers meet them: what they say, that nothing of evidence becomes markup, and, with `--ignored`,
//! how a browser without mercy reads them (Debian's package `chromium`; the gate installs it).

mod browser;
mod made;
mod verb;

use made::Made;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Whatever a page or a renderer of Markdown might take for something else than text.
fn hostile_text(url: &str) -> String {
    format!(
        "<script>document.title='x'</script><img src={url}i onerror=\"document.title='x'\">\"'></td></table>\
         <svg onload=document.title='x'><style>*{{display:none}}@import '{url}s'</style><meta http-equiv=refresh \
         content='0;url={url}m'><iframe src={url}f></iframe>]]>--> [a]({url}l) ![b]({url}p) `c` ``|`` \\| | <{url}a> \
         {url} @octocat #1 a@example.org javascript:alert(1) &lt;b&gt; ${{{{x}}}} \u{202e}dlrow\u{7}\n# heading\n"
    )
}

#[test]
fn a_good_run_is_told_in_markdown() {
    insta::assert_snapshot!(made::good().markdown());
}

#[test]
fn a_rollback_is_told_in_markdown() {
    insta::assert_snapshot!(made::rolled_back().markdown());
}

#[test]
fn nothing_of_evidence_becomes_markup_in_markdown() {
    let text = hostile_text("http://127.0.0.1:1/");
    let markdown = made::hostile(50, &text).markdown();
    let mut in_block = false;
    for event in Parser::new_ext(&markdown, Options::all()) {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => panic!("raw HTML: {html}"),
            Event::Start(Tag::Link { dest_url: url, .. } | Tag::Image { dest_url: url, .. }) => {
                panic!("a link: {url}")
            }
            Event::Start(Tag::CodeBlock(_)) => in_block = true,
            Event::End(TagEnd::CodeBlock) => in_block = false,
            // Outside of code nothing is said but by us.
            Event::Text(text) => assert!(in_block || !text.contains("octocat"), "{text}"),
            _ => {}
        }
    }
    assert!(!markdown.contains('\u{202e}') && !markdown.contains('\u{7}'));
}

#[test]
fn markdown_stays_below_a_mebibyte_and_says_what_it_leaves_out() {
    for made in [made::hostile(10_000, &hostile_text("http://127.0.0.1:1/")), made::large(10_000)] {
        let markdown = made.markdown();
        assert!(markdown.len() < 1024 * 1024, "{}", markdown.len());
        assert!(markdown.contains("left out here; the HTML page has them."), "nothing is left out");
        assert!(markdown.contains("This judges it all again"), "the end is cut off");
    }
}

#[test]
fn both_say_the_same_of_every_gate() {
    let Made { judgement, .. } = made::rolled_back();
    let (html, markdown) = (made::rolled_back().html(), made::rolled_back().markdown());
    for row in &judgement.gates {
        assert!(markdown.contains(&format!("{}::{}", row.phase.expect("a phase"), row.gate)), "{}", row.gate);
        assert!(html.contains(&format!("{}::{}", row.phase.expect("a phase"), row.gate)), "{}", row.gate);
        assert!(html.contains(row.status.as_str()) && markdown.contains(row.status.as_str()));
    }
}

#[test]
fn the_page_holds_no_markup_but_its_own() {
    let page = made::hostile(5, &hostile_text("http://127.0.0.1:1/")).html();
    for foreign in
        ["<script", "<img", "<iframe", "<a ", "onerror=\"", "onload=\"", " style=", "<link", "\u{202e}"]
    {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<style").count(), 1);
    assert_eq!(page.matches("<meta").count(), 5);
}

#[test]
fn a_go_without_gates_says_that_it_proves_nothing() {
    let mut made = made::good();
    made.judgement.gates.clear();
    assert!(made.html().contains("No gate: that proves nothing."));
}

#[test]
fn a_refused_bundle_is_told_as_a_claim() {
    let mut made = made::rolled_back();
    made.bundles[0].findings = made.judgement.findings.clone();
    let caution = "What is told of it below is only what it claims.";
    assert!(made.html().contains(caution) && made.markdown().contains(caution));
    assert!(!made::rolled_back().html().contains(caution));
}

#[test]
fn evidence_that_is_not_at_hand_is_missed() {
    let mut made = made::good();
    made.bundles.clear();
    assert!(made.html().contains("not at hand"));
}
