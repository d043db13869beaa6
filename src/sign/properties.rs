//! What holds for any bytes and any keys.

use super::tests::keys;
use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

static KEYS: LazyLock<[PrivateKey; 2]> = LazyLock::new(keys);

fn statement(name: &str) -> Statement {
    Statement::approval(name, &"ab".repeat(32), "approver")
}

/// Signed by both keys.
fn envelope(name: &str) -> Envelope {
    let [first, second] = &*KEYS;
    Envelope::sign(&statement(name), &[first, second]).unwrap()
}

fn public() -> Vec<PublicKey> {
    KEYS.iter().map(|key| key.public().clone()).collect()
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Envelope::parse(&bytes);
        let _ = Statement::parse(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = (PublicKey::from_pem(&text), PrivateKey::from_pem(&text));
        for label in ["PUBLIC KEY", "PRIVATE KEY", "EC PRIVATE KEY"] {
            let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64::encode(&bytes));
            let _ = (PublicKey::from_pem(&pem), PrivateKey::from_pem(&pem));
        }
    }

    #[test]
    fn nothing_that_looks_like_an_envelope_makes_a_reader_panic(
        text in r#"\{("payload"|"payloadType"|"signatures"|[\[\]{},:]|"[a-z+/=_-]{0,8}"|[0-9]{1,3}| ){0,40}\}"#,
        payload in prop::collection::vec(any::<u8>(), 0..100),
        sig in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let _ = (Envelope::parse(text.as_bytes()), Statement::parse(text.as_bytes()));
        let signatures = serde_json::json!([{"sig": base64::encode(&sig)}]);
        let envelope = serde_json::json!({
            "payload": base64::encode(&payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures,
        });
        if let Ok(envelope) = Envelope::parse(envelope.to_string().as_bytes()) {
            prop_assert!(envelope.verify(&public()).by.is_empty());
            let _ = envelope.statement();
        }
    }

    #[test]
    fn what_is_signed_is_read_back_and_verified(name in "\\PC{1,40}") {
        let read = Envelope::parse(&envelope(&name).to_json()).unwrap();
        prop_assert_eq!(read.statement(), Ok(statement(&name)));
        let verified = read.verify(&public());
        prop_assert_eq!(verified.by.len(), 2);
        prop_assert_eq!(verified.ignored.len(), 0);
    }

    #[test]
    fn an_envelope_that_is_cut_off_is_refused(share in 0.0..1.0f64) {
        let mut json = envelope("signoff.json").to_json();
        let whole = json.len() - "\n".len();
        json.truncate((whole as f64 * share) as usize);
        prop_assert!(Envelope::parse(&json).is_err());
    }
}

/// The name of a field that is only a hint, and its value: nobody signs them.
fn is_hint(json: &str, at: usize) -> bool {
    json.match_indices("\"keyid\": \"").any(|(from, key)| (from..from + key.len() + 64).contains(&at))
}

#[test]
fn one_flipped_bit_anywhere_is_refused() {
    for (key, public) in KEYS.iter().zip(public()) {
        let signed = Envelope::sign(&statement("signoff.json"), &[key]).unwrap();
        let json = String::from_utf8(signed.to_json()).unwrap();
        let whole = json.len() - "\n".len();
        for at in 0..whole {
            for bit in 0..8 {
                let mut flipped = json.clone().into_bytes();
                flipped[at] ^= 1 << bit;
                let Ok(read) = Envelope::parse(&flipped) else { continue };
                let verified = read.verify(std::slice::from_ref(&public));
                if is_hint(&json, at) {
                    assert_eq!(read.payload(), signed.payload(), "what is signed is the same");
                } else {
                    assert!(verified.by.is_empty(), "byte {at}, bit {bit}: {:?}", &json[at..at + 1]);
                }
            }
        }
    }
}
