//! What a profile is told where it is wrong: every message, with its place.

use super::samples::{SHOP, faults, faults_with, parse};
use std::time::Duration;

#[test]
fn every_kind_of_setting_says_what_it_takes() {
    let text = r#"environment = "x"
[[gate]]
id = "all"
phase = "infra"
probe = "every_kind"
[gate.with]
text = 5
choice = "latset"
truth = "yes"
count = 10
number = nan
pause = "5MB"
size = 10
texts = ["a", 1, 2]
map = { A = 1 }
pattern = "a("
table = { partitions = "6" }
tables = [{ topic = "u", partition = 3 }, 7]
"#;
    insta::assert_snapshot!(faults(text), @r#"
    gates/x.toml:7:8: `text` in `with` of gate `all` (probe `every_kind`): expected a text in quotes; got 5
        text = 5
               ^
    gates/x.toml:8:10: `choice` in `with` of gate `all` (probe `every_kind`): `latset` is not one of its words; nearest: `latest`
        choice = "latset"
                 ^^^^^^^^
    gates/x.toml:9:9: `truth` in `with` of gate `all` (probe `every_kind`): expected true or false; got a text
        truth = "yes"
                ^^^^^
    gates/x.toml:10:9: `count` in `with` of gate `all` (probe `every_kind`): expected a whole number from 1 to 9; got 10
        count = 10
                ^^
    gates/x.toml:11:10: `number` in `with` of gate `all` (probe `every_kind`): expected a number; got nan
        number = nan
                 ^^^
    gates/x.toml:12:9: `pause` in `with` of gate `all` (probe `every_kind`): expected a duration with its unit, such as "200ms" or "5s"; got `5MB`
        pause = "5MB"
                ^^^^^
    gates/x.toml:13:8: `size` in `with` of gate `all` (probe `every_kind`): expected a size with its unit, such as "512B" or "10MiB"; got 10
        size = 10
               ^^
    gates/x.toml:14:15: `texts` in `with` of gate `all` (probe `every_kind`): expected a text in quotes; got 1
        texts = ["a", 1, 2]
                      ^
    gates/x.toml:14:18: `texts` in `with` of gate `all` (probe `every_kind`): expected a text in quotes; got 2
        texts = ["a", 1, 2]
                         ^
    gates/x.toml:15:13: `map.A` in `with` of gate `all` (probe `every_kind`): expected a text in quotes; got 1
        map = { A = 1 }
                    ^
    gates/x.toml:16:11: `pattern` in `with` of gate `all` (probe `every_kind`): not a regular expression: unclosed group
        pattern = "a("
                  ^^^^
    gates/x.toml:17:9: `table` in `with` of gate `all` (probe `every_kind`) is missing `topic`: expected a text in quotes
        table = { partitions = "6" }
                ^^^^^^^^^^^^^^^^^^^^
    gates/x.toml:17:24: `partitions` in `table` in `with` of gate `all` (probe `every_kind`): expected a whole number from 1 to 10000; got a text
        table = { partitions = "6" }
                               ^^^
    gates/x.toml:18:26: unknown key `partition` in `tables[1]` in `with` of gate `all` (probe `every_kind`); nearest: `partitions`
        tables = [{ topic = "u", partition …
                                 ^^^^^^^^^
    gates/x.toml:18:43: `tables[2]` in `with` of gate `all` (probe `every_kind`): expected a table of `topic`, `partitions`; got 7
        tables = [{ topic = "u", partition = 3 }, 7]
                                                  ^
    "#);
}

#[test]
fn durations_need_a_unit_and_are_above_zero() {
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = 5"), @r#"
    gates/x.toml:42:11: `timeout` in gate `kafka-topics`: expected a duration with its unit, such as "200ms" or "5s"; got 5
        timeout = 5
                  ^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = \"5\""), @r#"
    gates/x.toml:42:11: `timeout` in gate `kafka-topics`: expected a duration with its unit, such as "200ms" or "5s"; got `5`
        timeout = "5"
                  ^^^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = \"5 sec\""), @r#"
    gates/x.toml:42:14: `timeout` in gate `kafka-topics`: expected a duration with its unit, such as "200ms" or "5s"; got `5 sec`; nearest unit: `s`
        timeout = "5 sec"
                     ^^^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = \"0s\""), @r#"
    gates/x.toml:42:11: `timeout` in gate `kafka-topics`: expected a duration above zero; got `0s`
        timeout = "0s"
                  ^^^^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = \"10MiB\""), @r#"
    gates/x.toml:42:11: `timeout` in gate `kafka-topics`: expected a duration with its unit, such as "200ms" or "5s"; got `10MiB`
        timeout = "10MiB"
                  ^^^^^^^
    "#);
}

#[test]
fn an_unknown_key_gets_the_nearest_right_one() {
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "tiemout = \"2s\""), @"
    gates/x.toml:42:1: unknown key `tiemout` in gate `kafka-topics`; nearest: `timeout`
        tiemout …
        ^^^^^^^
    ");
    insta::assert_snapshot!(faults_with("[services.redis]", "[servics.redis]"), @r#"
    gates/x.toml:7:2: unknown key `servics` in the profile; nearest: `services`
        [servics …
         ^^^^^^^
    gates/x.toml:15:10: unknown service `redis` in `needs` of service `kafka`; expected `kafka`
        needs = ["redis"]
                 ^^^^^^^
    gates/x.toml:24:9: unknown service `redis` in `uses` of gate `redis-ping`; expected `kafka`
        uses = ["redis"]
                ^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("endpoint =", "endpiont ="), @"
    gates/x.toml:9:1: unknown key `endpiont` in service `redis`; nearest: `endpoint`
        endpiont …
        ^^^^^^^^
    ");
    insta::assert_snapshot!(faults_with("topics = [\"shop", "topisc = [\"shop"), @"
    gates/x.toml:46:1: unknown key `topisc` in `with` of gate `kafka-topics` (probe `kafka_topics`); nearest: `topics`
        topisc …
        ^^^^^^
    ");
    insta::assert_snapshot!(faults_with("tags = [\"fast\"]", "with.host = 1"), @"
    gates/x.toml:26:6: unknown key `host` in `with` of gate `redis-ping` (probe `redis_ping`), which takes no keys
        with.host …
             ^^^^
    ");
    insta::assert_snapshot!(faults_with("about = \"A shop.\"", "[[stage]]\nid = \"x\""), @"
    gates/x.toml:2:3: unknown key `stage` in the profile; expected one of `environment`, `about`, `defaults`, `cutover`, `services`, `thresholds`, `gate`, `step`, `switch`, `watch`, `readiness`
        [[stage …
          ^^^^^
    ");
}

#[test]
fn an_unknown_name_gets_the_nearest_right_one() {
    insta::assert_snapshot!(faults_with("\"redis_ping\"", "\"redis-pong\""), @r#"
    gates/x.toml:23:9: unknown probe `redis-pong` in gate `redis-ping`; nearest: `redis_ping`
        probe = "redis-pong"
                ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("uses = [\"redis\"]", "uses = [\"rediss\"]"), @r#"
    gates/x.toml:24:9: unknown service `rediss` in `uses` of gate `redis-ping`; nearest: `redis`
        uses = ["rediss"]
                ^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("needs = [\"kafka-topics\"]", "needs = [\"kafka-topic\"]"), @r#"
    gates/x.toml:33:10: unknown gate `kafka-topic` in `needs` of gate `shop-answers`; nearest: `kafka-topics`
        needs = ["kafka-topic"]
                 ^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("phase = \"readiness\"", "phase = \"readyness\""), @r#"
    gates/x.toml:30:9: `phase` in gate `shop-answers`: `readyness` is not one of its words; nearest: `readiness`
        phase = "readyness"
                ^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("needs = [\"redis\"]", "needs = [\"reddis\"]"), @r#"
    gates/x.toml:15:10: unknown service `reddis` in `needs` of service `kafka`; nearest: `redis`
        needs = ["reddis"]
                 ^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("kind = \"redis\"", "kind = \"memcached\""), @r#"
    gates/x.toml:8:8: `kind` in service `redis`: `memcached` is not one of its words; expected one of `redis`, `kafka`, `connect`, `clickhouse`, `postgres`, `prometheus`, `http`
        kind = "memcached"
               ^^^^^^^^^^^
    "#);
}

#[test]
fn a_fault_of_a_condition_has_its_place_within_the_text() {
    insta::assert_snapshot!(faults_with("latency_ms < $slow", "latncy_ms < $slow"), @r#"
    gates/x.toml:25:29: `expect` of gate `redis-ping`: unknown metric `latncy_ms`; nearest: `latency_ms`
        expect = "alive == true and latncy_ms < $slow"
                                    ^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("< $slow", "< $slwo"), @r#"
    gates/x.toml:18:1: no condition uses threshold `slow`: write $slow in one, or remove it
        slow = "500ms"
        ^^^^
    gates/x.toml:25:42: `expect` of gate `redis-ping`: unknown threshold `slwo`; nearest: `slow`
        expect = "alive == true and latency_ms < $slwo"
                                                 ^^^^^
    "#);
    insta::assert_snapshot!(faults_with("latency_ms < $slow", "state == \\\"A\\\" and latency_ms < 5MB"), @r#"
    gates/x.toml:18:1: no condition uses threshold `slow`: write $slow in one, or remove it
        slow = "500ms"
        ^^^^
    gates/x.toml:25:61: `expect` of gate `redis-ping`: `latency_ms` is in ms (a time) and cannot be compared with 5 MB
        expect = "alive == true and state == \"A\" and latency_ms < 5MB"
                                                                    ^^^
    "#);
    insta::assert_snapshot!(faults_with("and latency_ms", "und latency_ms"), @r#"
    gates/x.toml:25:25: `expect` of gate `redis-ping`: expected `and`, `or`, `for` or the end, found `und`
        expect = "alive == true und latency_ms < $slow"
                                ^^^
    "#);
    insta::assert_snapshot!(faults_with("< $slow", "< $slow for 5s"), @r#"
    gates/x.toml:25:11: `expect` of gate `redis-ping`: `for` needs samples over time, and a gate is judged at one moment; use `retry` to wait
        expect = "alive == true and latency_ms < $slow for 5s"
                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("probe = \"redis_ping\"\nuses = [\"redis\"]\nexpect = \"alive == true and latency_ms < $slow\"",
        "probe = \"misspelt\""), @r#"
    gates/x.toml:18:1: no condition uses threshold `slow`: write $slow in one, or remove it
        slow = "500ms"
        ^^^^
    gates/x.toml:23:9: gate `redis-ping`: the expectation `alife == true` of probe `misspelt` itself does not hold together: unknown metric `alife`; nearest: `alive`
        probe = "misspelt"
                ^^^^^^^^^^
    "#);
}

#[test]
fn thresholds_are_quantities_and_are_used() {
    insta::assert_snapshot!(faults_with("slow = \"500ms\"", "slow = \"fast\""), @r#"
    gates/x.toml:18:8: threshold `slow`: expected a number or a quantity, such as 0.95 or "500ms"; got `fast`
        slow = "fast"
               ^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("slow = \"500ms\"", "slow = \"500msec\""), @r#"
    gates/x.toml:18:8: threshold `slow`: expected a number or a quantity, such as 0.95 or "500ms"; got `500msec`; nearest unit: `ms`
        slow = "500msec"
               ^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("slow = \"500ms\"", "slow = inf"), @r#"
    gates/x.toml:18:8: threshold `slow`: expected a number or a quantity, such as 0.95 or "500ms"; got inf
        slow = inf
               ^^^
    "#);
    insta::assert_snapshot!(faults_with("slow = \"500ms\"", "slow = \"500ms\"\nfast = 1\n\"a-b\" = 1"), @r#"
    gates/x.toml:19:1: no condition uses threshold `fast`: write $fast in one, or remove it
        fast = 1
        ^^^^
    gates/x.toml:20:1: threshold `a-b`: expected a name of letters, digits and `_`, no digit first
        "a-b" = 1
        ^^^^^
    gates/x.toml:20:1: no condition uses threshold `a-b`: write $a-b in one, or remove it
        "a-b" = 1
        ^^^^^
    "#);
}

#[test]
fn an_id_that_is_taken_is_told_with_both_places() {
    insta::assert_snapshot!(faults_with("id = \"kafka-init\"", "id = \"redis-ping\""), @r#"
    gates/x.toml:41:10: unknown gate `kafka-init` in `needs` of gate `kafka-topics`; expected one of `kafka-topics`, `redis-ping`, `shop-answers`
        needs = ["kafka-init"]
                 ^^^^^^^^^^^^
    gates/x.toml:49:6: gate id `redis-ping` is taken: the first stands on line 21, column 6
        id = "redis-ping"
             ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("id = \"redis-ping\"", "id = \"Redis ping\""), @r#"
    gates/x.toml:21:6: `Redis ping` is no gate id: expected lower-case letters, digits, `-`, `_` or `.`, a letter first, at most 100 in all
        id = "Redis ping"
             ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("id = \"redis-ping\"", "id = \"\""), @r#"
    gates/x.toml:21:6: `` is no gate id: expected lower-case letters, digits, `-`, `_` or `.`, a letter first, at most 100 in all
        id = ""
             ^^
    "#);
}

#[test]
fn circles_are_shown() {
    insta::assert_snapshot!(faults_with("writes = true", "writes = true\nneeds = [\"kafka-topics\"]"), @r#"
    gates/x.toml:41:10: gates wait for each other in a circle: kafka-topics → kafka-init → kafka-topics
        needs = ["kafka-init"]
                 ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("writes = true", "writes = true\nneeds = [\"kafka-init\"]"), @r#"
    gates/x.toml:55:10: gates wait for each other in a circle: kafka-init → kafka-init
        needs = ["kafka-init"]
                 ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("needs = [\"redis\"]", "needs = [\"kafka\"]"), @r#"
    gates/x.toml:15:10: services wait for each other in a circle: kafka → kafka
        needs = ["kafka"]
                 ^^^^^^^
    "#);
}

#[test]
fn what_a_gate_is_to_come_after_is_checked_as_what_it_needs_is() {
    insta::assert_snapshot!(faults_with("writes = true", "writes = true\nafter = [\"shop-answers\"]"), @r#"
    gates/x.toml:33:10: gates wait for each other in a circle: shop-answers → kafka-topics → kafka-init → shop-answers
        needs = ["kafka-topics"]
                 ^^^^^^^^^^^^^^
    gates/x.toml:55:10: gate `kafka-init` of phase infra is to come after gate `shop-answers` of the later phase readiness
        after = ["shop-answers"]
                 ^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("writes = true", "writes = true\nafter = [\"kafka-topic\"]"), @r#"
    gates/x.toml:55:10: unknown gate `kafka-topic` in `after` of gate `kafka-init`; nearest: `kafka-topics`
        after = ["kafka-topic"]
                 ^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_gate_needs_no_gate_of_a_later_phase() {
    insta::assert_snapshot!(faults_with("writes = true", "writes = true\nneeds = [\"shop-answers\"]"), @r#"
    gates/x.toml:33:10: gates wait for each other in a circle: shop-answers → kafka-topics → kafka-init → shop-answers
        needs = ["kafka-topics"]
                 ^^^^^^^^^^^^^^
    gates/x.toml:55:10: gate `kafka-init` of phase infra needs gate `shop-answers` of the later phase readiness
        needs = ["shop-answers"]
                 ^^^^^^^^^^^^^^
    "#);
}

#[test]
fn uses_are_one_service_of_each_kind_that_the_probe_measures() {
    insta::assert_snapshot!(faults_with("uses = [\"redis\"]", "uses = [\"kafka\"]"), @r#"
    gates/x.toml:24:8: `uses` of gate `redis-ping` lacks the service of kind redis that probe `redis_ping` measures; there is: `redis`
        uses = ["kafka"]
               ^^^^^^^^^
    gates/x.toml:24:9: `kafka` in `uses` of gate `redis-ping` is of kind kafka; kinds that probe `redis_ping` takes there: redis
        uses = ["kafka"]
                ^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("uses = [\"redis\"]\n", ""), @"
    gates/x.toml:20:1: `uses` of gate `redis-ping` lacks the service of kind redis that probe `redis_ping` measures; there is: `redis`
        [[gate]]
        ^^^^^^^^
    ");
    insta::assert_snapshot!(faults_with("uses = [\"redis\"]", "uses = [\"redis\", \"redis\"]"), @r#"
    gates/x.toml:24:18: `redis` stands twice in `uses` of gate `redis-ping`
        uses = ["redis", "redis"]
                         ^^^^^^^
    "#);
    let second = "uses = [\"redis\", \"spare\"]";
    let text = SHOP.replacen("uses = [\"redis\"]", second, 1) + "\n[services.spare]\nkind = \"redis\"\n";
    insta::assert_snapshot!(faults(&text), @r#"
    gates/x.toml:24:18: `uses` of gate `redis-ping`: probe `redis_ping` takes one service of kind redis, and `spare` is another beside `redis`
        uses = ["redis", "spare"]
                         ^^^^^^^
    "#);
}

#[test]
fn a_probe_says_which_services_it_may_take() {
    let http = "probe = \"http\"\nuses = [\"web\"]";
    let web = "[services.web]\nkind = \"http\"\n[thresholds]";
    let text = SHOP.replace("probe = \"command\"\nwith.argv = [\"true\"]", http).replace("[thresholds]", web);
    assert_eq!(faults(&text), "");
    insta::assert_snapshot!(faults(&text.replace("uses = [\"web\"]", "uses = [\"kafka\"]")), @r#"
    gates/x.toml:34:8: `uses` of gate `shop-answers` lacks the service of kind http or prometheus that probe `http` measures; there is: `web`
        uses = ["kafka"]
               ^^^^^^^^^
    gates/x.toml:34:9: `kafka` in `uses` of gate `shop-answers` is of kind kafka; kinds that probe `http` takes there: http, prometheus
        uses = ["kafka"]
                ^^^^^^^
    "#);
    insta::assert_snapshot!(faults(&text.replace("uses = [\"web\"]", "uses = [\"web\"]\nwith.url = \"http://x\"")), @r#"
    gates/x.toml:34:9: `web` in `uses` of gate `shop-answers` is of kind http; kinds that probe `http` takes there: none
        uses = ["web"]
                ^^^^^
    "#);
    let init = "uses = [\"kafka\", \"connect\"]\nwith = {";
    let connect = "[services.connect]\nkind = \"connect\"\n[thresholds]";
    let text = SHOP.replace("uses = [\"kafka\"]\nwith = {", init).replace("[thresholds]", connect);
    assert_eq!(faults(&text), "");
}

#[test]
fn a_command_may_use_any_services_and_may_write() {
    for more in ["uses = [\"redis\"]", "uses = [\"redis\", \"kafka\"]", "writes = true"] {
        let this = format!("with.argv = [\"true\"]\n{more}");
        assert_eq!(faults_with("with.argv = [\"true\"]", &this), "");
    }
}

#[test]
fn writing_is_said_by_those_that_write_and_only_by_them() {
    insta::assert_snapshot!(faults_with("writes = true", ""), @"
    gates/x.toml:48:1: gate `kafka-init`: probe `kafka_init` writes to what it measures; say so: writes = true
        [[gate]]
        ^^^^^^^^
    ");
    insta::assert_snapshot!(faults_with("tags = [\"fast\"]", "writes = true"), @"
    gates/x.toml:26:10: gate `redis-ping`: probe `redis_ping` only reads; leave `writes` out
        writes = true
                 ^^^^
    ");
}

#[test]
fn settings_that_contradict_each_other_have_their_place() {
    insta::assert_snapshot!(faults_with("with.argv = [\"true\"]", "with = { env = {}, argv = [] }"), @"
    gates/x.toml:32:27: `argv` in `with` of gate `shop-answers` (probe `command`): expected a program and its arguments
        with = { env = {}, argv = [] }
                                  ^^
    ");
    insta::assert_snapshot!(faults_with("with.argv = [\"true\"]\n", ""), @r#"
    gates/x.toml:28:1: `with` of gate `shop-answers` (probe `command`) is missing `argv`: expected a list of texts, such as ["a", "b"]
        [[gate]]
        ^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("every = \"200ms\"", "every = \"20s\""), @r#"
    gates/x.toml:34:9: `retry` of gate `shop-answers`: `every` is longer than `for`, so nothing would ever be tried again
        retry = { every = "20s", for = "5s" }
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"5s\"", "retry = { every = \"5s\", for = \"1s\" }"), @r#"
    gates/x.toml:5:9: `retry` of `[defaults]`: `every` is longer than `for`, so nothing would ever be tried again
        retry = { every = "5s", for = "1s" }
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn how_a_service_is_protected_goes_together_or_is_told() {
    let told = |with: &str| faults_with("password_env = \"REDIS_PASSWORD\"", with);
    insta::assert_snapshot!(told("tls = \"yes\""), @r#"
    gates/x.toml:10:7: `tls` in service `redis`: expected true, or a table of `ca`, `certificate`, `key`; got a text
        tls = "yes"
              ^^^^^
    "#);
    for (written, place, what) in [
        ("tls = { cert = \"x\" }", "10:9", "unknown key `cert` in `tls` of service `redis`"),
        (
            "tls = { ca = true }",
            "10:14",
            "`ca` in `tls` of service `redis`: expected a text in quotes; got true",
        ),
        ("tls = { key = \"x\" }", "10:1", "has `key` and no `certificate`: expected both, or neither"),
        ("sasl = \"plian\"", "10:8", "`plian` is not one of its words; nearest: `plain`"),
        ("sasl = \"plain\"", "10:1", "`sasl` in service `redis` is for kind kafka; for redis `user`"),
        (
            "password_env = \"A\"\npassword_file = \"b\"",
            "11:17",
            "a variable (`password_env`) or from a file",
        ),
    ] {
        let told = told(written);
        assert!(
            told.starts_with(&format!("gates/x.toml:{place}: ")) && told.contains(what),
            "{written}: {told}"
        );
    }
}

#[test]
fn secrets_have_no_place_in_a_profile_and_are_not_shown() {
    let told = faults_with("password_env = \"REDIS_PASSWORD\"", "password = \"hunter2\"");
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"gates/x.toml:10:1: `password` in service `redis`: a password does not belong in a profile; put it into an environment variable and name that here: password_env = "DB_PASSWORD"; or into a file: password_file = "PATH""#);
    let told = faults_with("\"localhost:6379\"", "\"user:hunter2@localhost:6379\"");
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @"gates/x.toml:9:12: `endpoint` in service `redis` (kind redis): expected an endpoint without a user or a password in it: use `user` and `password_env`");
    insta::assert_snapshot!(faults_with("\"REDIS_PASSWORD\"", "\"$REDIS\""), @r#"
    gates/x.toml:10:16: `password_env` in service `redis`: expected the name of an environment variable, such as DB_PASSWORD: letters, digits and `_`
        password_env = "$REDIS"
                       ^^^^^^^^
    "#);
}

#[test]
fn a_profile_has_gates_and_gates_are_a_list() {
    insta::assert_snapshot!(faults("environment = \"x\"\n"), @r#"
    gates/x.toml:1:1: a profile needs at least one gate: this one has no [[gate]]
        environment = "x"
        ^
    "#);
    insta::assert_snapshot!(faults("environment = \"x\"\ngate = []"), @r#"
    gates/x.toml:1:1: a profile needs at least one gate: this one has no [[gate]]
        environment = "x"
        ^
    "#);
    insta::assert_snapshot!(faults("environment = \"x\"\n[gate]\nid = \"a\""), @"
    gates/x.toml:2:1: `gate` is a list of tables: write [[gate]], not [gate]
        [gate]
        ^^^^^^
    ");
    insta::assert_snapshot!(faults("environment = \"x\"\ngate = [1]"), @"
    gates/x.toml:2:9: `gate`: expected a table; got 1
        gate = [1]
                ^
    ");
    insta::assert_snapshot!(faults("[[gate]]"), @r#"
    gates/x.toml:1:1: the profile is missing `environment`: expected a text in quotes
        [[gate]]
        ^
    gates/x.toml:1:1: gate number 1 is missing `id`: expected a text in quotes
        [[gate]]
        ^^^^^^^^
    gates/x.toml:1:1: gate number 1 is missing `phase`: expected one of "infra", "readiness", "switch", "watch", "rollback", "evidence"
        [[gate]]
        ^^^^^^^^
    gates/x.toml:1:1: gate number 1 is missing `probe`: expected a text in quotes
        [[gate]]
        ^^^^^^^^
    "#);
}

#[test]
fn all_faults_of_a_file_are_told_at_once_in_its_order() {
    let text = SHOP
        .replace("\"redis_ping\"", "\"redis_pin\"")
        .replace("timeout = \"5s\"", "timeout = 5")
        .replace("uses = [\"kafka\"]", "uses = [\"kafak\"]");
    let lines: Vec<usize> = parse(&text).unwrap_err().0.iter().map(|fault| fault.at.line).collect();
    assert_eq!(lines, [5, 23, 40, 52]);
}

#[test]
fn what_is_not_toml_is_told_with_its_place() {
    insta::assert_snapshot!(faults("environment = \"x\nabout = 5s\n[[gate]\n"), @r#"
    gates/x.toml:1:17: not TOML: invalid basic string, expected `"`
        environment = "x
                        ^
    gates/x.toml:2:9: not TOML: string values must be quoted, expected literal string
        about = 5s
                ^^
    gates/x.toml:3:8: not TOML: unclosed array table, expected `]`
        [[gate]
               ^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = 2s"), @"
    gates/x.toml:42:11: not TOML: string values must be quoted, expected literal string
        timeout = 2s
                  ^^
    ");
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = \"2s\"\ntimeout = \"3s\""), @r#"
    gates/x.toml:43:1: `timeout` stands here for the second time
        timeout = "3s"
        ^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("[thresholds]", "[services.redis]"), @r#"
    gates/x.toml:17:11: `redis` stands here for the second time
        [services.redis]
                  ^^^^^
    gates/x.toml:18:1: unknown key `slow` in service `redis`
        slow …
        ^^^^
    gates/x.toml:25:42: `expect` of gate `redis-ping`: unknown threshold `slow`; there is none
        expect = "alive == true and latency_ms < $slow"
                                                 ^^^^^
    "#);
    insta::assert_snapshot!(faults("environment = \"x"), @r#"
    gates/x.toml:1:17: not TOML: invalid basic string, expected `"`
        environment = "x
                        ^
    "#);
}

#[test]
fn ten_thousand_wrong_names_are_told_without_comparing_all_with_all() {
    let gate =
        |n: usize| format!("[[gate]]\nid=\"g{n}\"\nphase=\"infra\"\nprobe=\"misspelt\"\nneeds=[\"h{n}\"]\n");
    let text: String =
        std::iter::once("environment=\"x\"\n".to_owned()).chain((0..10_000).map(gate)).collect();
    let started = std::time::Instant::now();
    let faults = parse(&text).unwrap_err();
    assert_eq!(faults.0.iter().filter(|fault| fault.message.contains("unknown gate")).count(), 10_000);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn a_condition_is_read_also_where_the_probe_is_not_known() {
    let text = SHOP.replace("\"redis_ping\"", "\"redis\"").replace("< $slow", "< < $slwo");
    insta::assert_snapshot!(faults(&text), @r#"
    gates/x.toml:18:1: no condition uses threshold `slow`: write $slow in one, or remove it
        slow = "500ms"
        ^^^^
    gates/x.toml:23:9: unknown probe `redis` in gate `redis-ping`; expected one of `cdc`, `command`, `every_kind`, `http`, `kafka_init`, `kafka_topics`, `misspelt`, `redis_ping`
        probe = "redis"
                ^^^^^^^
    gates/x.toml:25:44: `expect` of gate `redis-ping`: unknown threshold `slwo`; nearest: `slow`
        expect = "alive == true and latency_ms < < $slwo"
                                                   ^^^^^
    "#);
    insta::assert_snapshot!(faults(&text.replace("$slwo", "$slow")), @r#"
    gates/x.toml:23:9: unknown probe `redis` in gate `redis-ping`; expected one of `cdc`, `command`, `every_kind`, `http`, `kafka_init`, `kafka_topics`, `misspelt`, `redis_ping`
        probe = "redis"
                ^^^^^^^
    gates/x.toml:25:42: `expect` of gate `redis-ping`: expected a number, a text in quotes, true or false, found `<`
        expect = "alive == true and latency_ms < < $slow"
                                                 ^
    "#);
}

#[test]
fn times_are_at_least_a_millisecond() {
    insta::assert_snapshot!(faults_with("timeout = \"2s\"", "timeout = \"999us\""), @r#"
    gates/x.toml:42:11: `timeout` of gate `kafka-topics`: expected at least 1ms
        timeout = "999us"
                  ^^^^^^^
    "#);
    insta::assert_snapshot!(faults_with("timeout = \"5s\"", "timeout = \"5us\""), @r#"
    gates/x.toml:5:11: `timeout` of `[defaults]`: expected at least 1ms
        timeout = "5us"
                  ^^^^^
    "#);
    insta::assert_snapshot!(faults_with("every = \"200ms\"", "every = \"1ns\""), @r#"
    gates/x.toml:34:9: `retry` of gate `shop-answers`: expected `every` to be at least 1ms
        retry = { every = "1ns", for = "5s" }
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}
