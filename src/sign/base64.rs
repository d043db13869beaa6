//! Base64 as DSSE has it: what is written is the standard alphabet, what is read may also be the URL-safe one. In
//! either there is one text for some bytes: padded, nothing between or behind, no bits left over.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Bytes as text, in the standard alphabet.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a text; none where it is cut off, mixes the alphabets, or has anything else in it.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_are_read_and_the_standard_one_is_written() {
        let bytes = [0xfb, 0xff, 0xfe, 0x01];
        assert_eq!(encode(&bytes), "+//+AQ==");
        assert_eq!(decode("+//+AQ=="), Some(bytes.to_vec()));
        assert_eq!(decode("-__-AQ=="), Some(bytes.to_vec()));
    }

    #[test]
    fn what_is_cut_off_mixed_or_has_anything_else_in_it_is_refused() {
        for text in
            ["+//+AQ=", "+//+AQ", "+//+A", "+/_+AQ==", "+//+AR==", " +//+AQ==", "+//+\nAQ==", "+//+AQ==+"]
        {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
