//! What a report costs: `cargo bench --bench report`, with the number of gates (default 10,000).
//!
//! Renders a run of so many gates as HTML and as Markdown, five times each; the figure is the slowest. With `--pages DIR`
//! the pages of the tests (a good run, a rollback, a hostile run) are written there to look at.

#[path = "../tests/report/made.rs"]
mod made;

use made::Made;
use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|text| text != "--bench");
    let mut gates = 10_000;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--pages" => return pages(&arguments.next().ok_or("--pages DIR")?),
            number => gates = number.parse()?,
        }
    }
    let made = made::large(gates);
    measure("HTML", gates, || made.html());
    measure("Markdown", gates, || made.markdown());
    let hostile = made::hostile(gates, "<script>&\"'`|</td> http://127.0.0.1:9/ [a](b) ");
    measure("HTML of a hostile run", gates, || hostile.html());
    Ok(())
}

fn measure(what: &str, gates: usize, render: impl Fn() -> String) {
    let mut slowest = Duration::ZERO;
    let mut bytes = 0;
    for _ in 0..5 {
        let since = Instant::now();
        bytes = render().len();
        slowest = slowest.max(since.elapsed());
    }
    println!("{what} of {gates} gates: {slowest:.1?}, {:.2} MiB", bytes as f64 / 1024.0 / 1024.0);
}

fn pages(folder: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let hostile =
        made::hostile(40, "<b>bold</b><script>alert(1)</script> \u{202e}x | `y` http://127.0.0.1:9/ ");
    let all: [(&str, Made); 3] =
        [("good", made::good()), ("rolled-back", made::rolled_back()), ("hostile", hostile)];
    for (name, made) in &all {
        fs::write(format!("{folder}/{name}.html"), made.html())?;
        fs::write(format!("{folder}/{name}.md"), made.markdown())?;
    }
    Ok(())
}
