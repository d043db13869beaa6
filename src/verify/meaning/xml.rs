//! JUnit: elements, attributes and texts in their order; comments, indents and the way a character is written don't
//! matter. A document type is refused: what it declares could make a reader see anything.

use super::Difference;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Opens(String, Vec<(String, String)>),
    Says(String),
    Closes,
}

struct Fault {
    line: usize,
    what: String,
}

pub(super) fn differences(expected: &str, seen: &str) -> Vec<Difference> {
    let Ok(must) = items(expected) else { return Vec::new() };
    let is = match items(seen) {
        Ok(is) => is,
        Err(Fault { line, what }) => {
            return vec![Difference::other("the file", Some(line), "well-formed XML", &what)];
        }
    };
    let mut subject = "the file".to_owned();
    for place in 0..must.len().max(is.len()) {
        let (must, there) = (must.get(place), is.get(place));
        let item = |pair: Option<&(usize, Item)>| pair.map(|(_, item)| item.clone());
        if let Some((_, Item::Opens(name, attributes))) = must {
            let named = attributes.iter().find(|(key, _)| key == "name");
            if let Some((_, value)) = named {
                subject = format!("{name} {value}");
            }
        }
        if item(must) != item(there) {
            let line = there.or(is.last()).map(|(line, _)| *line);
            let (must, there) = told(item(must).as_ref(), item(there).as_ref());
            return vec![Difference::other(subject, line, &must, &there)];
        }
    }
    Vec::new()
}

/// Both sides in a line each: of two elements of one name what differs of their attributes.
fn told(must: Option<&Item>, is: Option<&Item>) -> (String, String) {
    if let (Some(Item::Opens(name, must)), Some(Item::Opens(other, is))) = (must, is)
        && name == other
    {
        let lacks = |these: &[(String, String)], those: &[(String, String)]| {
            let more: Vec<_> = these.iter().filter(|pair| !those.contains(pair)).collect();
            let words = more.iter().map(|(key, value)| format!("{key}={value}"));
            format!("<{name}> with {}", words.collect::<Vec<_>>().join(" "))
        };
        return (lacks(must, is), lacks(is, must));
    }
    let word = |item: Option<&Item>| match item {
        Some(Item::Opens(name, attributes)) => {
            let named = attributes.iter().find(|(key, _)| key == "name");
            named.map_or(format!("<{name}>"), |(_, value)| format!("<{name}> {value}"))
        }
        Some(Item::Says(text)) => text.clone(),
        Some(Item::Closes) => "the element's end".to_owned(),
        None => "the file's end".to_owned(),
    };
    (word(must), word(is))
}

fn items(text: &str) -> Result<Vec<(usize, Item)>, Fault> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut items = Vec::new();
    let (mut line, mut counted, mut depth) = (1, 0, 0_usize);
    let mut said = String::new();
    loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX).min(text.len());
        line += text.as_bytes()[counted..at].iter().filter(|byte| **byte == b'\n').count();
        counted = at;
        let fault = |what: String| Fault { line, what };
        let event = reader.read_event().map_err(|error| fault(error.to_string()))?;
        if matches!(event, Event::Start(_) | Event::End(_) | Event::Eof) && !said.trim().is_empty() {
            if depth == 0 {
                return Err(fault("text outside of the root element".to_owned()));
            }
            items.push((line, Item::Says(said.trim().replace("\r\n", "\n"))));
        }
        match event {
            Event::Start(start) => {
                said.clear();
                depth += 1;
                items.push((line, opens(&start).map_err(fault)?));
            }
            Event::End(_) => {
                said.clear();
                depth = depth.saturating_sub(1);
                items.push((line, Item::Closes));
            }
            Event::Text(text) => said.push_str(&text.decode().map_err(|error| fault(error.to_string()))?),
            Event::CData(text) => said.push_str(&text.decode().map_err(|error| fault(error.to_string()))?),
            Event::GeneralRef(name) => said.push_str(&resolved(&name).map_err(fault)?),
            Event::DocType(_) => return Err(fault("a document type".to_owned())),
            Event::Eof if depth > 0 => return Err(fault("the end within an element".to_owned())),
            Event::Eof => return Ok(items),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Empty(_) => {}
        }
    }
}

fn opens(start: &BytesStart<'_>) -> Result<Item, String> {
    let name = String::from_utf8_lossy(start.name().as_ref()).into_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
        let raw = std::str::from_utf8(&attribute.value).map_err(|error| error.to_string())?;
        let value = quick_xml::escape::unescape(raw).map_err(|error| error.to_string())?;
        attributes.push((key, value.into_owned()));
    }
    attributes.sort();
    Ok(Item::Opens(name, attributes))
}

fn resolved(name: &BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = name.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(c.to_string());
    }
    let name = name.decode().map_err(|error| error.to_string())?;
    let known = quick_xml::escape::resolve_predefined_entity(&name);
    known.map(str::to_owned).ok_or_else(|| format!("an entity `{name}` that nothing declares"))
}
