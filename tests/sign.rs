//! Making keys and signing with them, by the real binary: what is signed, what is refused, and that no private key
//! gets out.

mod common;

use common::{Desk, Ended, Run, argument};
use cutproof::sign::{Envelope, Predicate, PublicKey, Statement, TestOutcome, TestResult};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

/// A run of command gates: an id, and the line of a shell.
fn measured(desk: &Desk, gates: &[(&str, &str)]) -> Run {
    let mut text = "environment = \"signing\"\n".to_owned();
    for (id, shell) in gates {
        text.push_str(&format!(
            "[[gate]]\nid = \"{id}\"\nphase = \"infra\"\nprobe = \"command\"\nwith = {{ shell = '{shell}' }}\n"
        ));
    }
    desk.measure(&["rehearse", "--profile", &desk.write("signing.toml", &text)])
}

/// A pair of keys: the private key's file and the public key.
fn pair(desk: &Desk, name: &str, algorithm: &str) -> (String, PublicKey) {
    let prefix = argument(&desk.path(name));
    desk.run(&["keygen", "--algorithm", algorithm, "--output", &prefix]).with_code(0);
    let public = fs::read_to_string(format!("{prefix}.pub")).unwrap();
    (format!("{prefix}.key"), PublicKey::from_pem(&public).unwrap())
}

fn sign(desk: &Desk, arguments: &[&str]) -> Ended {
    desk.run(&[&["sign"], arguments].concat())
}

fn read(path: impl AsRef<Path>) -> Envelope {
    Envelope::parse(&fs::read(path).unwrap()).unwrap()
}

fn sha256(path: impl AsRef<Path>) -> String {
    Sha256::digest(fs::read(path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn result(statement: Statement) -> TestResult {
    match statement.predicate {
        Predicate::TestResult(result) => result,
        other => panic!("expected a test result: {other:?}"),
    }
}

/// No line of a private key's text is in what was printed.
fn expect_no_secret(ended: &Ended, key: &str) {
    let text = fs::read_to_string(key).unwrap();
    for line in text.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!ended.stdout.contains(line) && !ended.stderr.contains(line), "{ended:?}");
    }
}

#[test]
fn keys_are_for_their_owner_alone_and_are_never_replaced() {
    let desk = Desk::new();
    for algorithm in ["ed25519", "ecdsa-p256"] {
        let prefix = argument(&desk.path(algorithm));
        let make = || desk.run(&["keygen", "--algorithm", algorithm, "--output", &prefix]);
        let made = make().with_code(0);
        let (private, public) = (format!("{prefix}.key"), format!("{prefix}.pub"));
        expect_no_secret(&made, &private);
        let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&private), mode(&public) & 0o600), (0o600, 0o600));
        let id = PublicKey::from_pem(&fs::read_to_string(&public).unwrap()).unwrap();
        assert!(made.stdout.contains(id.id().as_str()) && made.stdout.contains(algorithm), "{}", made.stdout);
        let before = fs::read(&private).unwrap();
        let refused = make().with_code(2);
        assert!(refused.error().contains("a key is never replaced"), "{}", refused.error());
        assert_eq!(fs::read(&private).unwrap(), before);
        fs::remove_file(&private).unwrap();
        make().with_code(2);
        assert!(!Path::new(&private).exists(), "no half of a pair is left");
        fs::remove_file(&public).unwrap();
        symlink(desk.path("elsewhere"), &private).unwrap();
        make().with_code(2);
        assert!(!desk.path("elsewhere").exists(), "a link is not followed");
    }
}

#[test]
fn a_run_is_signed_over_its_manifest_by_one_and_by_two() {
    let desk = Desk::new();
    let run = measured(&desk, &[("fine", "true")]).with_code(0);
    let folder = argument(&run.folder);
    let (first, first_key) = pair(&desk, "first", "ed25519");
    let (second, second_key) = pair(&desk, "second", "ecdsa-p256");
    let signed = sign(&desk, &[&folder, "--key", &first]).with_code(0);
    assert!(signed.stdout.contains("PASSED") && signed.stdout.contains("as runner"), "{}", signed.stdout);
    expect_no_secret(&signed, &first);
    let path = run.folder.join("signatures/runner.dsse.json");
    let statement = read(&path).statement().unwrap();
    assert!(statement.is_about(&sha256(run.folder.join("manifest.json"))));
    assert_eq!(statement.role(), Some("runner"));
    let name = run.folder.file_name().unwrap().to_str().unwrap();
    assert_eq!(statement.subjects[0].name.as_deref(), Some(format!("{name}/manifest.json").as_str()));
    let said = result(statement);
    assert_eq!((said.result, said.passed_tests), (TestOutcome::Passed, vec!["infra::fine".to_owned()]));
    // That it was signed changes nothing about the run: another one signs the same.
    sign(&desk, &[&folder, "--key", &second]).with_code(0);
    let again = sign(&desk, &[&folder, "--key", &second]).with_code(0);
    assert!(again.stdout.contains("signed already"), "{}", again.stdout);
    let verified = read(&path).verify(&[first_key.clone(), second_key]);
    assert_eq!((verified.by.len(), verified.ignored.len()), (2, 0));
    sign(&desk, &[&folder, "--key", &first, "--role", "approver"]).with_code(0);
    let approver = read(run.folder.join("signatures/approver.dsse.json"));
    assert_eq!(approver.statement().unwrap().role(), Some("approver"));
    assert_eq!(approver.verify(&[first_key]).by.len(), 1);
}

#[test]
fn a_run_that_failed_is_signed_as_failed() {
    let desk = Desk::new();
    let run = measured(&desk, &[("fine", "true"), ("red", "false")]).with_code(1);
    let (key, _) = pair(&desk, "key", "ed25519");
    let signed = sign(&desk, &[&argument(&run.folder), "--key", &key]).with_code(0);
    assert!(signed.stdout.contains("FAILED"), "{}", signed.stdout);
    let said = result(read(run.folder.join("signatures/runner.dsse.json")).statement().unwrap());
    assert_eq!((said.result, said.failed_tests), (TestOutcome::Failed, vec!["infra::red".to_owned()]));
}

#[test]
fn what_was_tampered_with_or_is_not_sealed_is_not_signed() {
    let desk = Desk::new();
    let run = measured(&desk, &[("fine", "true")]).with_code(0);
    let folder = argument(&run.folder);
    let (key, _) = pair(&desk, "key", "ed25519");
    let summary = run.read("summary.json");
    fs::write(run.folder.join("summary.json"), summary.replace("passed", "Passed")).unwrap();
    let refused = sign(&desk, &[&folder, "--key", &key]).with_code(2);
    assert!(
        refused.stderr.contains("file-changed") && refused.stderr.contains("summary.json"),
        "{refused:?}"
    );
    fs::write(run.folder.join("summary.json"), summary).unwrap();
    let manifest = run.folder.join("manifest.json");
    let away = desk.path("manifest.json");
    fs::rename(&manifest, &away).unwrap();
    let refused = sign(&desk, &[&folder, "--key", &key]).with_code(2);
    assert!(refused.stderr.contains("manifest"), "{refused:?}");
    fs::rename(&away, &manifest).unwrap();
    assert!(!run.folder.join("signatures").exists(), "nothing was signed");
    fs::create_dir(desk.path("elsewhere")).unwrap();
    symlink(desk.path("elsewhere"), run.folder.join("signatures")).unwrap();
    sign(&desk, &[&folder, "--key", &key]).with_code(2);
    assert_eq!(fs::read_dir(desk.path("elsewhere")).unwrap().count(), 0, "a link is not followed");
}

#[test]
fn a_file_is_approved_by_several_in_one_envelope_as_long_as_it_is_the_same() {
    let desk = Desk::new();
    let file = desk.write("signoff.json", "{\"decision\": \"GO\"}\n");
    let envelope = format!("{file}.approver.dsse.json");
    let keys = [pair(&desk, "alice", "ed25519"), pair(&desk, "bob", "ecdsa-p256")];
    for (key, _) in &keys {
        sign(&desk, &[&file, "--role", "approver", "--key", key]).with_code(0);
    }
    let read_back = read(&envelope);
    assert_eq!(read_back.statement(), Ok(Statement::approval("signoff.json", &sha256(&file), "approver")));
    assert_eq!(read_back.verify(&keys.each_ref().map(|(_, public)| public.clone())).by.len(), 2);
    let refused = sign(&desk, &[&file, "--key", &keys[0].0]).with_code(2);
    assert!(refused.error().contains("--role"), "{}", refused.error());
    desk.write("signoff.json", "{\"decision\": \"NO-GO\"}\n");
    let refused = sign(&desk, &[&file, "--role", "approver", "--key", &keys[0].0]).with_code(2);
    assert!(refused.error().contains("signs something else"), "{}", refused.error());
    assert_eq!(read(&envelope), read_back);
}

#[test]
fn a_key_comes_from_a_file_a_variable_or_standard_input_and_is_never_shown() {
    let mut desk = Desk::new();
    let (key, public) = pair(&desk, "key", "ed25519");
    let text = fs::read_to_string(&key).unwrap();
    desk.set("SIGNING_KEY", &text);
    desk.set("NO_KEY", "c2VjcmV0LXNlY3JldC1zZWNyZXQ=");
    let file = desk.write("signoff.json", "{}");
    let signed_with = |from: &str, input: &str| {
        let mut command =
            assert_cmd::Command::from_std(desk.cutproof(&["sign", &file, "--role", "x", "--key", from]));
        let output = command.write_stdin(input).timeout(common::SOON).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    };
    for (from, input) in [(key.as_str(), ""), ("env:SIGNING_KEY", ""), ("-", text.as_str())] {
        let signed = signed_with(from, input).with_code(0);
        expect_no_secret(&signed, &key);
        assert_eq!(read(format!("{file}.x.dsse.json")).verify(std::slice::from_ref(&public)).by.len(), 1);
        fs::remove_file(format!("{file}.x.dsse.json")).unwrap();
    }
    let broken = desk.write("broken.key", &text.replacen("MC4CAQAw", "MC4CAQBw", 1));
    let public_file = key.replace(".key", ".pub");
    for (from, input, told) in [
        ("env:NO_KEY", "", "expected a private key as PEM"),
        ("env:NOT_SET", "", "it is not set"),
        ("-", "", "expected a private key as PEM"),
        ("-", "c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "expected a private key as PEM"),
        (broken.as_str(), "", "expected a private key as PEM"),
        (public_file.as_str(), "", "this is a public one"),
        ("/dev/zero", "", "at most 65536 bytes"),
    ] {
        let refused = signed_with(from, input).with_code(2);
        assert!(refused.error().contains(told), "{from}: {}", refused.error());
        assert!(!refused.stderr.contains("c2VjcmV0"), "{}", refused.stderr);
        expect_no_secret(&refused, &key);
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let warned = signed_with(&key, "").with_code(0);
    assert!(
        warned.stderr.starts_with("warning: ") && warned.stderr.contains("chmod 600"),
        "{}",
        warned.stderr
    );
}
