//! Whole rehearsals: as on local processes, and with the cutover and its faults.

use crate::common::{Desk, Run, argument, env};
use crate::support::{SERVICES, desk, expect_removed, single_host, whole};
use serde_json::Value;
use std::collections::BTreeMap;

fn verdicts(run: &Run) -> BTreeMap<&str, &str> {
    run.gates().into_iter().map(|(id, (verdict, _))| (id, verdict)).collect()
}

fn id(run: &Run) -> &str {
    run.summary["run"].as_str().expect("a run has an id")
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn gates_cannot_tell_containers_from_local_processes() {
    let (_whole, desk) = (whole(), desk());
    let profile = single_host(&desk);
    let rehearse = |provision: &str| {
        desk.measure(&["rehearse", "--profile", &profile, "--gates-only", "--provision", provision])
    };
    let contained = rehearse("containers").with_code(0);
    expect_removed(id(&contained));
    let embedded = rehearse("embedded").with_code(0);
    assert_eq!(verdicts(&contained), verdicts(&embedded));
    assert_eq!(contained.with_verdict("passed").len(), contained.gates().len());
    assert!(contained.gates().len() >= 18, "{:?}", contained.gates());
    assert_eq!(contained.summary["provisioner"], "containers");
    assert_eq!(embedded.summary["provisioner"], "embedded");
    contained.expect_junit_agrees();

    let manifest: Value = serde_json::from_str(&contained.read("manifest.json")).expect("a manifest is JSON");
    let images = digests(&manifest);
    assert_eq!(images.keys().collect::<Vec<_>>(), SERVICES, "{manifest:#}");
    for (service, image) in images {
        assert!(image.contains("sha256:"), "{service}: {image}");
    }
    desk.run(&["verify", &argument(&contained.folder)]).with_code(0);
}

/// The image of each service that has one, as the manifest says.
fn digests(manifest: &Value) -> BTreeMap<String, String> {
    let services = manifest["services"].as_object().expect("services by name").iter();
    services.filter_map(|(name, of)| Some((name.clone(), of["image"].as_str()?.to_owned()))).collect()
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_whole_rehearsal_with_its_cutover_is_green_on_containers() {
    let (_whole, desk) = (whole(), desk());
    let run = rehearse(&desk, &[]).with_code(0);
    expect_removed(id(&run));
    desk.expect_nothing_left();
    assert_eq!(run.summary["verdict"], "passed");
    let cutover = env(&run.read("ctp_cutover_result.env"));
    assert_eq!(cutover["CUTOVER_SUCCESS"], "true");
    assert_eq!(cutover["CUTPROOF_PROVISIONER"], "containers");
    assert_eq!(env(&run.read("ctp_rollback_result.env"))["ROLLBACK_SUCCESS"], "true");
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_container_that_is_killed_in_the_cutover_ends_it_as_it_deserves() {
    let (_whole, desk) = (whole(), desk());
    let run = rehearse(&desk, &["--fault", "redis-kill"]).with_code(0);
    expect_removed(id(&run));
    assert_eq!(
        env(&run.read("ctp_rollback_result.env"))["ROLLBACK_FAILED_STEP"],
        "restore_redis_bridge_compat"
    );
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_container_that_is_frozen_in_the_watch_ends_it_as_it_deserves() {
    for fault in ["kafka-stop", "clickhouse-pause"] {
        let (_whole, desk) = (whole(), desk());
        let run = rehearse(&desk, &["--fault", fault]).with_code(0);
        expect_removed(id(&run));
        assert_eq!(
            env(&run.read("ctp_cutover_result.env"))["CUTOVER_FAILED_STEP"],
            "post_switch_watch",
            "{fault}"
        );
    }
}

#[test]
#[ignore = "needs Docker and the images of ci/images"]
fn a_connector_that_fails_in_the_watch_ends_it_as_it_deserves() {
    let (_whole, desk) = (whole(), desk());
    let run = rehearse(&desk, &["--fault", "connector-fail"]).with_code(0);
    expect_removed(id(&run));
    assert_eq!(env(&run.read("ctp_cutover_result.env"))["CUTOVER_FAILED_STEP"], "post_switch_watch");
}

fn rehearse(desk: &Desk, flags: &[&str]) -> Run {
    let profile = single_host(desk);
    let words = ["rehearse", "--profile", &profile, "--provision", "containers", "--watch", "10s"];
    desk.measure(&[&words, flags].concat())
}
