//! Whole runs on an environment that demands a password: where it comes from, and that it is nowhere afterwards.

use crate::common::{Desk, Run, argument};
use crate::ends::{PASSWORD, WRONG};
use crate::redis::with_password;
use std::fs;
use std::path::Path;

/// A profile of one Redis with these keys, and of a command that prints its own variables.
fn profile(keys: &str) -> String {
    format!(
        "environment = \"secured\"\n[services.redis]\nkind = \"redis\"\n{keys}\n\
         [[gate]]\nid = \"ping\"\nphase = \"infra\"\nprobe = \"redis_ping\"\nuses = [\"redis\"]\n\
         [[gate]]\nid = \"told\"\nphase = \"infra\"\nprobe = \"command\"\nuses = [\"redis\"]\n\
         with = {{ shell = \"env; test -n \\\"$CUTPROOF_PASSWORD_REDIS\\\"\" }}\n"
    )
}

/// No file below a folder holds either password.
#[track_caller]
fn expect_no_password(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            expect_no_password(&entry);
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&entry).expect("a file")).into_owned();
        for secret in [PASSWORD, WRONG] {
            assert!(!text.contains(secret), "{} holds {secret}", entry.display());
        }
    }
}

fn measured(desk: &Desk, keys: &str) -> Run {
    let profile = desk.write("profile.toml", &profile(keys));
    desk.measure(&["gates", "run", "--profile", &profile])
}

#[test]
fn a_password_comes_from_a_file_or_a_variable_and_reaches_no_evidence() {
    let redis = with_password();
    let endpoint = format!("endpoint = \"{}\"", redis.address());
    let mut desk = Desk::new();
    let file = desk.write("password", &format!("{PASSWORD}\n"));
    let keys = format!("{endpoint}\npassword_file = \"{file}\"");
    let run = measured(&desk, &keys).with_code(0);
    expect_no_password(&run.folder);
    assert!(!run.ended.stdout.contains(PASSWORD) && !run.ended.stderr.contains(PASSWORD));

    desk.write("password", WRONG);
    let run = measured(&desk, &keys);
    assert_eq!(run.verdict("ping"), "error", "{}", run.reason("ping"));
    assert!(run.reason("ping").contains("check the service's user and password"), "{}", run.reason("ping"));
    assert!(run.reason("ping").contains(&redis.address()), "{}", run.reason("ping"));
    expect_no_password(&run.folder);

    // A variable goes before the profile.
    desk.set("CUTPROOF_PASSWORD_REDIS", PASSWORD);
    let run = measured(&desk, &keys).with_code(0);
    expect_no_password(&run.folder);
}

#[test]
fn files_that_are_not_what_they_should_be_are_told_before_anything_is_asked() {
    let desk = Desk::new();
    let at = "endpoint = \"localhost:1\"";
    let nothing = desk.write("nothing.pem", "nothing");
    let refused = |keys: &str, words: &[&str]| {
        let profile = desk.write("profile.toml", &profile(&format!("{at}\n{keys}")));
        let evidence = argument(&desk.evidence());
        let ended =
            desk.run(&["gates", "run", "--profile", &profile, "--evidence-dir", &evidence]).with_code(2);
        for word in words {
            assert!(ended.error().contains(word), "expected `{word}` in: {}", ended.error());
        }
    };
    refused("password_file = \"no/such/file\"", &["service `redis`: `password_file`", "no/such/file"]);
    refused(
        &format!("tls = {{ ca = \"{nothing}\" }}"),
        &["`tls.ca`: expected certificates in PEM", &nothing],
    );
    let both = format!("tls = {{ certificate = \"{nothing}\", key = \"no.key\" }}");
    refused(&both, &["`tls.certificate`", &nothing]);
}
