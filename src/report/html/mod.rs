//! The report as one HTML page that needs nothing besides itself: no script, no network, no image. It is read on a
//! phone at night, printed, and signed; so what matters comes first, every status is a word and a shape, and colour
//! says nothing that isn't said without.

mod charts;
mod gates;
mod parts;
mod sections;
mod style;
mod timeline;
mod writer;

use super::page::Page;
use super::page::banner::{Banner, Fact};
use super::page::next::Advice;
use crate::verify::bundle::Bundle;
use crate::verify::decision::{Decision, Judgement};
use writer::Html;

/// The page of a judgement; `bundles` are those that it was made of, in any order.
pub fn html(judgement: &Judgement, bundles: &[&Bundle]) -> String {
    let page = Page::of(judgement, bundles);
    let mut html = Html::default();
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| head(html, &page.banner));
        html.newline();
        html.element("body", &[], |html| body(html, &page));
    });
    html.finish()
}

fn head(html: &mut Html, banner: &Banner) {
    html.void("meta", &[("charset", "utf-8")]);
    html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &style::security_policy())]);
    html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    html.void("meta", &[("name", "referrer"), ("content", "no-referrer")]);
    html.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    html.leaf("title", &[], title(banner));
    style::element(html);
}

fn title(banner: &Banner) -> String {
    let environment = banner.facts.iter().find(|fact| fact.name == "Environment");
    let environment = environment.and_then(|fact| fact.said.first()).map(ToString::to_string);
    format!("{}: {}", banner.decision, environment.unwrap_or_default())
}

fn body(html: &mut Html, page: &Page) {
    html.element("main", &[], |html| {
        html.element("header", &[], |html| banner(html, &page.banner));
        next(html, &page.next);
        gates::write(html, page);
        timeline::write(html, &page.switches);
        charts::write(html, &page.watches);
        sections::failures(html, &page.failures);
        sections::services(html, &page.services);
        sections::runs(html, &page.runs);
        sections::findings(html, &page.findings);
        sections::integrity(html, &page.integrity);
    });
}

fn banner(html: &mut Html, banner: &Banner) {
    let kind = match banner.decision {
        Decision::Go => "banner go",
        Decision::GoWithWaivers => "banner waived",
        Decision::Incomplete => "banner incomplete",
        Decision::NoGo => "banner nogo",
    };
    html.element("div", &[("class", kind)], |html| {
        shape(html, banner.decision);
        html.leaf("h1", &[], banner.decision);
        html.leaf("p", &[], &banner.why);
    });
    for caution in &banner.cautions {
        html.leaf("p", &[("class", "caution")], caution);
    }
    facts(html, &banner.facts);
}

/// A decision as a shape: a disc with a tick, a triangle, a broken ring, an octagon with a cross.
fn shape(html: &mut Html, decision: Decision) {
    let draw = |html: &mut Html, outline: &str, sign: &str| {
        html.element("path", &[("d", outline), ("class", "outline")], |_| {});
        html.element("path", &[("d", sign), ("class", "sign")], |_| {});
    };
    let disc = "M24 3a21 21 0 1 0 .01 0z";
    html.element("svg", &[("viewBox", "0 0 48 48"), ("aria-hidden", "true"), ("class", "shape")], |html| {
        match decision {
            Decision::Go => draw(html, disc, "M13 25l8 8 14-17"),
            Decision::GoWithWaivers => draw(html, "M24 4l22 39H2z", "M24 18v12M24 35v3"),
            Decision::Incomplete => draw(html, disc, "M13 24h.1M24 24h.1M35 24h.1"),
            Decision::NoGo => {
                draw(html, "M15 3h18l12 12v18l-12 12h-18l-12-12v-18z", "M15 15l18 18M33 15l-18 18")
            }
        }
    });
}

/// Names and what is said of them.
fn facts(html: &mut Html, facts: &[Fact]) {
    html.element("dl", &[], |html| {
        for fact in facts {
            html.leaf("dt", &[], fact.name);
            html.element("dd", &[], |html| {
                for (place, said) in fact.said.iter().enumerate() {
                    html.text(if place == 0 { "" } else { ", " });
                    html.leaf("b", &[], said);
                }
                html.text(" ");
                if !fact.remark.is_empty() {
                    html.leaf("span", &[("class", "aside")], &fact.remark);
                }
            });
        }
    });
}

fn next(html: &mut Html, advice: &[Advice]) {
    parts::section(html, "next", "What to do next", |html| {
        html.element("ol", &[], |html| {
            for advice in advice {
                html.element("li", &[], |html| {
                    html.text(&advice.what);
                    for about in &advice.about {
                        html.leaf("div", &[("class", "about")], about);
                    }
                });
            }
        });
    });
}
