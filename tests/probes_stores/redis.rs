use crate::support::*;
use cutproof::model::{Endpoint, Reading, RunId, Secret, ServiceKind, Stamp};
use redis::{Commands, Connection};
use serde_json::json;

fn engine() -> Endpoint {
    crate::support::engine(ServiceKind::Redis)
}

fn direct() -> Connection {
    let client = redis::Client::open(format!("redis://{}/", engine().address)).expect("an address");
    client.get_connection().expect("the engine")
}

#[test]
fn a_redis_that_answers_is_measured() {
    let outcome = measure("redis_ping", json!({"samples": 7}), &[engine()], ENOUGH);
    assert_eq!(outcome.reading("role"), &Reading::text("master"));
    assert_eq!(outcome.reading("loading"), &Reading::bool(false));
    assert!(outcome.number("latency_ms") > 0.0);
    assert_eq!(outcome.measurement().observations[0].samples, 7);
    assert!(outcome.fact("version").contains('.'));
    assert_eq!(outcome.fact("run_id").len(), 42);
}

#[test]
fn bad_luck_with_redis_is_told() {
    assert_bad_luck_is_told("redis_ping", &json!({}), &engine());
    assert_bad_luck_is_told("redis_keys", &json!({"keys": ["a*"]}), &engine());
    assert_bad_luck_is_told("redis_round_trip", &json!({"keys": ["x:{{id}}"]}), &engine());
}

#[test]
fn a_wrong_password_is_told_without_the_password() {
    let user = unique("user");
    let mut direct = direct();
    let _: () = redis::cmd("ACL")
        .arg("SETUSER")
        .arg(&user)
        .arg("on")
        .arg(">right-password")
        .arg("~*")
        .arg("+@all")
        .query(&mut direct)
        .expect("an ACL");
    let login = |password: &str| Endpoint {
        user: Some(user.clone()),
        password: Some(Secret::new(password)),
        ..engine()
    };
    let right = measure("redis_ping", json!({}), &[login("right-password")], ENOUGH);
    let wrong = measure("redis_ping", json!({}), &[login("wrong-password")], ENOUGH);
    let _: () = redis::cmd("ACL").arg("DELUSER").arg(&user).query(&mut direct).expect("an ACL");
    assert_eq!(right.reading("role"), &Reading::text("master"));
    assert!(wrong.error().contains("check the service's user and password"), "{}", wrong.error());
    assert!(!wrong.error().contains("wrong-password"));
}

#[test]
fn a_user_who_may_not_ask_for_info_still_pings() {
    let user = unique("user");
    let mut direct = direct();
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg(&user).arg("on").arg(">right-password").arg("~*").arg("+ping").arg("+client");
    let _: () = acl.query(&mut direct).expect("an ACL");
    let endpoint =
        Endpoint { user: Some(user.clone()), password: Some(Secret::new("right-password")), ..engine() };
    let outcome = measure("redis_ping", json!({}), &[endpoint], ENOUGH);
    let _: () = redis::cmd("ACL").arg("DELUSER").arg(&user).query(&mut direct).expect("an ACL");
    assert_eq!(outcome.reading("role"), &Reading::Missing);
    assert!(outcome.number("latency_ms") > 0.0);
    assert!(outcome.fact("info").contains("lacks this right"), "{}", outcome.fact("info"));
}

#[test]
fn keys_are_found_by_name_and_by_pattern() {
    let (name, mut direct) = (unique("market"), direct());
    let now_ns = Stamp::now().millis() * 1_000_000;
    let hash = |age_ms: i64| [("ts_ns", (now_ns - age_ms * 1_000_000).to_string())];
    let _: () = direct.hset_multiple(format!("{name}:rb:latest"), &hash(5_000)).expect("a hash");
    let _: () = direct.hset_multiple(format!("{name}:cu:latest"), &hash(60_000)).expect("a hash");
    let _: () = direct.expire(format!("{name}:cu:latest"), 500).expect("a time to live");
    let keys = [
        format!("{name}:*:latest"),
        format!("{name}:rb:latest"),
        format!("{name}:al:latest"),
        format!("{name}:x*"),
    ];
    let args = json!({"keys": keys, "type": "hash", "time_field": "ts_ns"});
    let outcome = measure("redis_keys", args, &[engine()], ENOUGH);
    assert_eq!((outcome.number("keys_found"), outcome.number("keys_missing")), (2.0, 2.0));
    assert_eq!(outcome.number("types_wrong"), 0.0);
    assert!(outcome.fact("missing").contains(":al:latest") && outcome.fact("missing").contains(":x*"));
    assert!((490.0..=500.0).contains(&outcome.number("ttl_min_s")));
    assert!(outcome.number("age_youngest_ms") >= 5_000.0 && outcome.number("age_youngest_ms") < 60_000.0);
    assert!(outcome.number("age_oldest_ms") >= 60_000.0);
    let _: () = direct.del(&[format!("{name}:rb:latest"), format!("{name}:cu:latest")]).expect("to delete");
}

#[test]
fn odd_keys_and_values_are_told() {
    let (name, mut direct) = (unique("odd"), direct());
    let keys = [name.as_bytes(), b":\xff\xfe"].concat();
    let _: () = direct.set(&keys, b"\xff\x00not json").expect("a string");
    let _: () = direct.lpush(format!("{name}:list"), 1).expect("a list");
    let _: () = direct.set(format!("{name}:big"), "x".repeat(100_000)).expect("a string");
    let _: () = direct.set(format!("{name}:json"), r#"{"ts": 1}"#).expect("a string");
    let args = json!({"keys": [format!("{name}:*")], "type": "string", "time_field": "ts", "time_unit": "s"});
    let outcome = measure("redis_keys", args, &[engine()], ENOUGH);
    assert_eq!((outcome.number("keys_found"), outcome.number("types_wrong")), (4.0, 1.0));
    assert!(outcome.fact("wrong_types").contains(":list: list"), "{}", outcome.fact("wrong_types"));
    // One key has a time, the others have none: the oldest is not known.
    assert!(outcome.number("age_youngest_ms") > 1e12);
    assert_eq!(outcome.reading("age_oldest_ms"), &Reading::Missing);
    assert!(outcome.fact("without_time").contains('\u{fffd}'), "{}", outcome.fact("without_time"));
    assert_eq!(outcome.reading("ttl_min_s"), &Reading::NoEvents);

    let few = json!({"keys": [format!("{name}:*")], "limit": 3});
    let outcome = measure("redis_keys", few, &[engine()], ENOUGH);
    assert!(outcome.error().contains("more than 3 keys match"), "{}", outcome.error());
    let _: () = direct.del(keys).expect("to delete");
    let _: () = direct
        .del(&[format!("{name}:list"), format!("{name}:big"), format!("{name}:json")])
        .expect("to delete");
}

#[test]
fn a_time_in_the_future_is_an_error_not_a_young_age() {
    let (name, mut direct) = (unique("future"), direct());
    let _: () = direct.set(&name, format!(r#"{{"ts": {}}}"#, Stamp::now().millis())).expect("a string");
    let outcome = measure(
        "redis_keys",
        json!({"keys": [name], "time_field": "ts", "time_unit": "s"}),
        &[engine()],
        ENOUGH,
    );
    let _: () = direct.del(&name).expect("to delete");
    assert!(outcome.error().contains("is `time_unit` right?"), "{}", outcome.error());
}

#[test]
fn what_is_written_comes_back_and_is_gone_afterwards() {
    for fields in [json!({}), json!({"trace": "{{id}}", "side": "buy ☃"})] {
        let name = unique("bridge");
        let keys = [format!("{name}:{{{{id}}}}:latest"), format!("{name}:order:{{{{id}}}}:info")];
        let outcome =
            measure("redis_round_trip", json!({"keys": keys, "fields": fields}), &[engine()], ENOUGH);
        assert_eq!(outcome.reading("matched"), &Reading::bool(true));
        assert_eq!(outcome.reading("cleaned"), &Reading::bool(true));
        assert_eq!(outcome.number("round_trips"), 2.0);
        assert!(outcome.number("latency_ms") > 0.0);
        let left: Vec<String> = direct().keys(format!("{name}*")).expect("keys");
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_key_that_is_there_already_is_not_touched() {
    let mut direct = direct();
    for fields in [json!({}), json!({"a": "b"})] {
        let (name, run) = (unique("taken"), RunId::new(Stamp::now(), "test"));
        // The same seed gives the same id.
        fastrand::seed(7);
        let key = format!("{name}:cutproof-{run}-{:08x}", fastrand::u32(..));
        let _: () = direct.set(&key, "mine").expect("a key");
        fastrand::seed(7);
        let args = json!({"keys": [format!("{name}:{{{{id}}}}")], "fields": fields});
        let outcome = measure_in(&run, "redis_round_trip", args, &[engine()], ENOUGH);
        let value: String = direct.get(&key).expect("the key");
        let _: () = direct.del(&key).expect("to delete");
        assert!(outcome.error().contains("it was left as it is"), "{}", outcome.error());
        assert_eq!(value, "mine");
    }
}
