//! Signatures by others' tools: securesystemslib (Python), @sigstore/verify (JavaScript) and openssl verify what
//! cutproof signs, and cutproof verifies what they sign. The libraries come from their registries, into the target
//! folder, which is why these tests are only run where they are asked for: `--ignored`.

mod common;

use common::libraries::Libraries;
use common::{Desk, Ended, argument, ended};
use cutproof::sign::{Envelope, KeyError, PrivateKey, PublicKey, Statement, Why};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

const ALGORITHMS: [&str; 2] = ["ed25519", "ecdsa-p256"];
/// What the tests sign.
const SUBJECT: &str = "signoff.json";

static LIBRARIES: LazyLock<PathBuf> =
    LazyLock::new(|| Libraries::of("interop", &["dsse.py", "dsse.mjs"]).folder);

/// A library's script.
#[derive(Debug, Clone, Copy)]
enum Other {
    Python,
    JavaScript,
}

impl Other {
    const ALL: [Other; 2] = [Other::Python, Other::JavaScript];

    fn run(self, arguments: &[&str]) -> Ended {
        let folder = &*LIBRARIES;
        let mut command = match self {
            Other::Python => Command::new(folder.join("venv/bin/python")),
            Other::JavaScript => Command::new("node"),
        };
        let script = if matches!(self, Other::Python) { "dsse.py" } else { "dsse.mjs" };
        command.arg(folder.join(script)).args(arguments).stdin(Stdio::null());
        ended(command)
    }

    /// The keys that signed, by its word; none where it refuses.
    fn verifies(self, envelope: &str, threshold: &str, keys: &[&str]) -> Option<Vec<String>> {
        let ended = self.run(&[&["verify", envelope, threshold], keys].concat());
        assert!(matches!(ended.code, Some(0 | 1)), "{self:?}: {ended:?}");
        (ended.code == Some(0)).then(|| ended.stdout.lines().map(str::to_owned).collect())
    }
}

/// A pair of keys by `cutproof keygen`: the private key's and the public key's file, and the key.
fn pair(desk: &Desk, algorithm: &str, name: &str) -> (String, String, PublicKey) {
    let prefix = argument(&desk.path(name));
    desk.run(&["keygen", "--algorithm", algorithm, "--output", &prefix]).with_code(0);
    let (private, public) = (format!("{prefix}.key"), format!("{prefix}.pub"));
    let key = PublicKey::from_pem(&fs::read_to_string(&public).unwrap()).unwrap();
    (private, public, key)
}

fn openssl(desk: &Desk, arguments: &[&str]) -> Ended {
    let mut command = desk.program("openssl");
    command.args(arguments);
    ended(command)
}

/// A pair of keys by openssl.
fn foreign_pair(desk: &Desk, algorithm: &str) -> (String, PublicKey) {
    let path = argument(&desk.path(&format!("openssl-{algorithm}")));
    let kind: &[&str] = match algorithm {
        "ed25519" => &["-algorithm", "ed25519"],
        _ => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    };
    openssl(desk, &[&["genpkey", "-out", &path], kind].concat()).with_code(0);
    let public = openssl(desk, &["pkey", "-in", &path, "-pubout"]).with_code(0).stdout;
    (path, PublicKey::from_pem(&public).unwrap())
}

fn statement() -> Statement {
    Statement::approval(SUBJECT, &"0f".repeat(32), "approver")
}

#[test]
#[ignore = "installs libraries from registries"]
fn others_verify_what_we_sign() {
    for algorithm in ALGORITHMS {
        let desk = Desk::new();
        let file = desk.write(SUBJECT, "{\"decision\": \"GO\", \"text\": \"\u{fffd}\u{ffff}~~~???>>>\"}\n");
        let (first, first_public, first_key) = pair(&desk, algorithm, "first");
        let (second, second_public, second_key) = pair(&desk, algorithm, "second");
        let (_, other_public, _) = pair(&desk, algorithm, "other");
        for key in [&first, &second] {
            desk.run(&["sign", &file, "--role", "approver", "--key", key]).with_code(0);
        }
        let envelope = format!("{file}.approver.dsse.json");
        let mut both = [first_key.id().to_string(), second_key.id().to_string()];
        both.sort();
        let tampered = desk.write("tampered.json", &tampered(&envelope));
        for other in Other::ALL {
            let keys = [first_public.as_str(), second_public.as_str()];
            assert_eq!(
                other.verifies(&envelope, "2", &keys).as_deref(),
                Some(&both[..]),
                "{other:?} {algorithm}"
            );
            let one = other.verifies(&envelope, "1", &[&first_public, &other_public]);
            assert_eq!(one, Some(vec![first_key.id().to_string()]), "{other:?} {algorithm}");
            assert_eq!(other.verifies(&envelope, "1", &[&other_public]), None, "{other:?} {algorithm}");
            assert_eq!(other.verifies(&tampered, "1", &keys), None, "{other:?} {algorithm}");
        }
    }
}

/// The envelope with another role in what is signed.
fn tampered(envelope: &str) -> String {
    let text = fs::read_to_string(envelope).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let payload = String::from_utf8(Envelope::parse(text.as_bytes()).unwrap().payload().to_vec()).unwrap();
    let changed = payload.replace("approver", "verifier");
    assert_ne!(changed, payload);
    // By way of an envelope of ours over the changed statement.
    let changed = Statement::parse(changed.as_bytes()).unwrap();
    let changed = Envelope::sign(&changed, &[]).unwrap().to_json();
    let changed: serde_json::Value = serde_json::from_slice(&changed).unwrap();
    value["payload"] = changed["payload"].clone();
    value.to_string()
}

#[test]
#[ignore = "installs libraries from registries"]
fn we_verify_what_others_sign() {
    for algorithm in ALGORITHMS {
        let desk = Desk::new();
        let payload = String::from_utf8(statement().to_payload().unwrap()).unwrap();
        let payload = desk.write("payload.json", &payload);
        let (private, public) = foreign_pair(&desk, algorithm);
        let (ours, _, our_key) = pair(&desk, algorithm, "ours");
        for other in Other::ALL {
            let out = argument(&desk.path("envelope.json"));
            other.run(&["sign", &payload, &out, &private, &ours]).with_code(0);
            let envelope = Envelope::parse(&fs::read(&out).unwrap()).unwrap();
            assert_eq!(envelope.statement(), Ok(statement()), "{other:?} {algorithm}");
            let verified = envelope.verify(&[our_key.clone(), public.clone()]);
            assert_eq!(verified.by, [public.id().clone(), our_key.id().clone()], "{other:?} {algorithm}");
            let verified = envelope.verify(std::slice::from_ref(&public));
            assert_eq!(verified.by, [public.id().clone()]);
            assert_eq!(verified.ignored[0].why, Why::Foreign);
            let tampered = Envelope::parse(tampered(&out).as_bytes()).unwrap();
            assert!(
                tampered.verify(&[our_key.clone(), public.clone()]).by.is_empty(),
                "{other:?} {algorithm}"
            );
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_reads_our_keys_and_verifies_our_signatures() {
    for algorithm in ALGORITHMS {
        let desk = Desk::new();
        let (private, public, key) = pair(&desk, algorithm, "ours");
        let derived = openssl(&desk, &["pkey", "-in", &private, "-pubout"]).with_code(0).stdout;
        assert_eq!(PublicKey::from_pem(&derived), Ok(key));
        let file = desk.write(SUBJECT, "{}");
        desk.run(&["sign", &file, "--role", "approver", "--key", &private]).with_code(0);
        let envelope = Envelope::parse(&fs::read(format!("{file}.approver.dsse.json")).unwrap()).unwrap();
        let payload = envelope.payload();
        let mut message = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).into_bytes();
        message.extend_from_slice(payload);
        let (signed, sig) = (desk.path("message"), desk.path("sig"));
        fs::write(&signed, message).unwrap();
        fs::write(&sig, &envelope.signatures()[0].sig).unwrap();
        let verify = |message: &Path| {
            let (message, sig) = (argument(message), argument(&sig));
            let hash: &[&str] = if algorithm == "ed25519" { &[] } else { &["-digest", "sha256"] };
            let asked = [
                "pkeyutl", "-verify", "-pubin", "-inkey", &public, "-rawin", "-in", &message, "-sigfile",
                &sig,
            ];
            openssl(&desk, &[&asked[..], hash].concat())
        };
        verify(&signed).with_code(0);
        fs::write(&signed, "something else").unwrap();
        assert_ne!(verify(&signed).code, Some(0));
    }
}

#[test]
#[ignore = "needs openssl"]
fn we_read_keys_of_openssl_and_refuse_encrypted_ones() {
    let desk = Desk::new();
    for algorithm in ALGORITHMS {
        let (private, public) = foreign_pair(&desk, algorithm);
        let text = fs::read_to_string(&private).unwrap();
        assert_eq!(PrivateKey::from_pem(&text).unwrap().public(), &public);
        let encrypted =
            openssl(&desk, &["pkey", "-in", &private, "-aes256", "-passout", "pass:x"]).with_code(0);
        assert_eq!(PrivateKey::from_pem(&encrypted.stdout).unwrap_err(), KeyError::Encrypted);
    }
    let (private, public) = foreign_pair(&desk, "ecdsa-p256");
    let sec1 = openssl(&desk, &["ec", "-in", &private]).with_code(0).stdout;
    assert!(sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    assert_eq!(PrivateKey::from_pem(&sec1).unwrap().public(), &public);
    let encrypted = openssl(&desk, &["ec", "-in", &private, "-aes256", "-passout", "pass:x"]).with_code(0);
    assert_eq!(PrivateKey::from_pem(&encrypted.stdout).unwrap_err(), KeyError::Encrypted);
    let other = argument(&desk.path("p384"));
    openssl(&desk, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", &other])
        .with_code(0);
    assert_eq!(
        PrivateKey::from_pem(&fs::read_to_string(other).unwrap()).unwrap_err(),
        KeyError::NoPrivateKey
    );
}
