//! How pages look, and the policy by which nothing else may have a say in that.

use super::writer::Html;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded and nothing runs; the one style is the one whose digest this is, so that an attribute or element
/// that got into a page all the same would not even change how it looks.
pub(super) fn security_policy() -> String {
    let digest = base64(&Sha256::digest(STYLE.as_bytes()));
    format!(
        "default-src 'none'; script-src 'none'; style-src 'sha256-{digest}'; img-src 'none'; base-uri 'none'; \
         form-action 'none'"
    )
}

/// The style, as the policy names it.
pub(super) fn element(html: &mut Html) {
    html.element("style", &[], |html| html.style(STYLE));
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        (0..4).map(move |place| (place, bits >> (18 - 6 * place) & 63)).collect::<Vec<_>>()
    };
    let digit = |chunk: &[u8], (place, value): (usize, u32)| match place > chunk.len() {
        true => '=',
        false => char::from(DIGITS[value as usize]),
    };
    bytes.chunks(3).flat_map(|chunk| group(chunk).into_iter().map(move |one| digit(chunk, one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_as_rfc_4648_does() {
        let written = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(written, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn the_style_loads_nothing_and_ends_nothing() {
        for word in ["url(", "@import", "</", "http", "expression", "image"] {
            assert!(!STYLE.contains(word), "{word}");
        }
    }
}
