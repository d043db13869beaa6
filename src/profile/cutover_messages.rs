//! What a profile is told where its cutover is wrong: every message, with its place.

use super::samples::{SHOP, faults, night, night_faults_with, night_with, parse};

/// The warnings where this stands in place of that.
fn warnings_with(that: &str, this: &str) -> String {
    super::Faults(parse(&night_with(that, this)).unwrap().warnings).to_string()
}

#[test]
fn a_step_is_one_of_the_seventeen_and_stands_there_once() {
    insta::assert_snapshot!(night_faults_with("\"precheck\"", "\"prechek\""), @r#"
    gates/x.toml:70:8: `name` in step `prechek`: `prechek` is not one of its words; nearest: `precheck`
        name = "prechek"
               ^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("\"precheck\"", "\"start_new_core_engine\""), @r#"
    gates/x.toml:70:8: step `start_new_core_engine` is taken: the first stands on line 62, column 8
        name = "start_new_core_engine"
               ^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("[[step]]\nname = \"precheck\"\n", "[[step]]\n"), @r#"
    gates/x.toml:69:1: a step without name is missing `name`: expected one of "stop_old_core_engine", "stop_old_strategy_runner", "precheck", "bootstrap_infra", "init_kafka_topic", "init_clickhouse_schema", "init_debezium_connector", "start_new_core_engine", "start_new_strategy_runner", "warmup_query", "stop_new_core_engine", "stop_new_strategy_runner", "restore_previous_binaries", "restore_redis_bridge_compat", "start_previous_core_engine", "start_previous_strategy_runner", "post_rollback_validate"
        [[step]]
        ^^^^^^^^
    "#);
    insta::assert_snapshot!(faults(&format!("{SHOP}\n[step]\nname = \"precheck\"\n")), @"
    gates/x.toml:56:1: `step` is a list of tables: write [[step]], not [step]
        [step]
        ^^^^^^
    ");
}

#[test]
fn background_and_ready_belong_together() {
    insta::assert_snapshot!(night_faults_with("background = true\n", ""), @r#"
    gates/x.toml:64:1: step `start_new_core_engine`: `ready` is for a step with background = true; any other is done when its command ends
        ready = "alive == true and latency_ms < $slow"
        ^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("ready = \"alive == true and latency_ms < $slow\"\n", ""), @r#"
    gates/x.toml:64:1: step `start_new_core_engine`: `background` needs `ready`, the condition by which its server is ready
        background = true
        ^^^^^^^^^^
    gates/x.toml:65:1: step `start_new_core_engine`: `probe` is for `ready`, and there is none
        probe = "redis_ping"
        ^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("probe = \"redis_ping\"\n", ""), @r#"
    gates/x.toml:65:1: step `start_new_core_engine`: `ready` needs `probe`, which measures it
        ready = "alive == true and latency_ms < $slow"
        ^^^^^
    gates/x.toml:66:1: `uses` in step `start_new_core_engine`: no `probe` is named that would take it
        uses = ["redis"]
        ^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("timeout = \"90s\"", "background = true"), @"
    gates/x.toml:71:1: step `precheck`: `background` needs `ready`, the condition by which its server is ready
        background = true
        ^^^^^^^^^^
    ");
    insta::assert_snapshot!(night_faults_with("background = true", "background = \"yes\""), @r#"
    gates/x.toml:64:14: `background` in step `start_new_core_engine`: expected true or false; got a text
        background = "yes"
                     ^^^^^
    "#);
}

#[test]
fn a_step_is_ready_by_what_its_probe_observes() {
    let ready = "alive == true and latency_ms < $slow";
    insta::assert_snapshot!(night_faults_with(ready, "alife == true and latency_ms < $slwo"), @r#"
    gates/x.toml:65:41: `ready` of step `start_new_core_engine`: unknown threshold `slwo`; nearest: `slow`
        ready = "alife == true and latency_ms < $slwo"
                                                ^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with(ready, "alife == true and latency_ms < 5MB"), @r#"
    gates/x.toml:65:10: `ready` of step `start_new_core_engine`: unknown metric `alife`; nearest: `alive`
        ready = "alife == true and latency_ms < 5MB"
                 ^^^^^
    gates/x.toml:65:41: `ready` of step `start_new_core_engine`: `latency_ms` is in ms (a time) and cannot be compared with 5 MB
        ready = "alife == true and latency_ms < 5MB"
                                                ^^^
    "#);
    insta::assert_snapshot!(night_faults_with(ready, "alive == true for 5s"), @r#"
    gates/x.toml:65:10: `ready` of step `start_new_core_engine`: `for` needs samples over time, and a step is ready at one moment
        ready = "alive == true for 5s"
                 ^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("uses = [\"redis\"]\n\n[[step]]", "uses = [\"kafka\"]\n\n[[step]]"), @r#"
    gates/x.toml:67:8: `uses` of step `start_new_core_engine` lacks the service of kind redis that probe `redis_ping` measures; there is: `redis`
        uses = ["kafka"]
               ^^^^^^^^^
    gates/x.toml:67:9: `kafka` in `uses` of step `start_new_core_engine` is of kind kafka; kinds that probe `redis_ping` takes there: redis
        uses = ["kafka"]
                ^^^^^^^
    "#);
}

#[test]
fn times_of_a_cutover_are_above_zero() {
    insta::assert_snapshot!(night_faults_with("step_timeout = \"5m\"", "step_timeout = \"0s\""), @r#"
    gates/x.toml:59:16: `step_timeout` in `cutover` in the profile: expected a duration above zero; got `0s`
        step_timeout = "0s"
                       ^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("step_timeout = \"5m\"", "step_timeout = \"10us\""), @r#"
    gates/x.toml:59:16: `step_timeout` of `[cutover]`: expected at least 1ms
        step_timeout = "10us"
                       ^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("timeout = \"90s\"", "timeout = \"0s\""), @r#"
    gates/x.toml:71:11: `timeout` in step `precheck`: expected a duration above zero; got `0s`
        timeout = "0s"
                  ^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("within = \"30s\"", "within = 30"), @r#"
    gates/x.toml:80:10: `within` in mark `login`: expected a duration with its unit, such as "200ms" or "5s"; got 30
        within = 30
                 ^^
    "#);
}

#[test]
fn the_cutover_is_one_table_of_known_keys() {
    insta::assert_snapshot!(night_faults_with("step_timeout =", "step_timout ="), @"
    gates/x.toml:59:1: unknown key `step_timout` in `cutover` in the profile; nearest: `step_timeout`
        step_timout …
        ^^^^^^^^^^^
    ");
    insta::assert_snapshot!(night_faults_with("\"cutover.env\"", "\" \""), @r#"
    gates/x.toml:57:20: `cutover_template` in `[cutover]`: expected the path of a template
        cutover_template = " "
                           ^^^
    "#);
    insta::assert_snapshot!(faults(&format!("{SHOP}\n[[watch]]\n")), @"
    gates/x.toml:56:1: `watch` is one table: write [watch], not [[watch]]
        [[watch]]
        ^^^^^^^^^
    ");
    insta::assert_snapshot!(faults(&format!("switch = 5\n{SHOP}")), @"
    gates/x.toml:1:10: `switch`: expected a table; got 5
        switch = 5
                 ^
    ");
}

#[test]
fn what_writes_measures_nothing_beside_the_gates() {
    let source = "name = \"topics\"\nprobe = \"kafka_topics\"";
    insta::assert_snapshot!(night_faults_with(source, "name = \"topics\"\nprobe = \"kafka_init\""), @r#"
    gates/x.toml:102:9: watch source `topics`: probe `kafka_init` writes to what it measures; expected one that only reads
        probe = "kafka_init"
                ^^^^^^^^^^^^
    "#);
}

#[test]
fn the_switch_gate_has_its_three_marks_in_their_order() {
    insta::assert_snapshot!(night_faults_with("name = \"login\"", "name = \"settlement\""), @r#"
    gates/x.toml:73:2: `[switch]` is missing `login`: expected [[switch.mark]] of `login`, `settlement` and `instruments`, in this order
        [switch]
         ^^^^^^
    gates/x.toml:83:8: mark `settlement` is taken: the first stands on line 78, column 8
        name = "settlement"
               ^^^^^^^^^^^^
    "#);
    let night = night();
    let (login, settlement) = ("name = \"login\"", "name = \"settlement\"");
    let swapped = night.replace(login, "name = X").replace(settlement, login).replace("name = X", settlement);
    insta::assert_snapshot!(faults(&swapped), @r#"
    gates/x.toml:83:8: mark `login` stands behind `settlement`: expected [[switch.mark]] of `login`, `settlement` and `instruments`, in this order
        name = "login"
               ^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("name = \"login\"", "name = \"logon\""), @r#"
    gates/x.toml:78:8: `name` in mark `logon`: `logon` is not one of its words; nearest: `login`
        name = "logon"
               ^^^^^^^
    "#);
    insta::assert_snapshot!(faults(&format!("{SHOP}\n[switch]\n")), @"
    gates/x.toml:56:2: `[switch]` is missing `login`, `settlement`, `instruments`: expected [[switch.mark]] of `login`, `settlement` and `instruments`, in this order
        [switch]
         ^^^^^^
    ");
}

#[test]
fn a_mark_says_once_when_it_happened() {
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"", "match = 'login'"), @r"
    gates/x.toml:79:9: `match` in mark `login`: expected the group `at`, such as `login ok at=(?<at>\S+)`: it is when it happened
        match = 'login'
                ^^^^^^^
    ");
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"", "match = '(?<at>'"), @"
    gates/x.toml:79:9: `match` in mark `login`: not a regular expression: unclosed group
        match = '(?<at>'
                ^^^^^^^^
    ");
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"", "value = \"latency\""), @r#"
    gates/x.toml:79:9: `value` of mark `login`: unknown metric `latency`; nearest: `latency_ms`
        value = "latency"
                ^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"", "value = \"absent\""), @r#"
    gates/x.toml:79:9: `value` of mark `login`: expected a number in a unit of time; `absent` is a count
        value = "absent"
                ^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\n", ""), @r#"
    gates/x.toml:78:8: mark `login`: expected `value`, an observation of the probe, or `match`, a regular expression on the output of WARMUP_QUERY_CMD
        name = "login"
               ^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"", "value = \"latency_ms\"\nmatch = '(?<at>.)'"), @"
    gates/x.toml:80:1: mark `login`: either `value` or `match` says when it happened, and there are both
        match = '(?<at>.)'
        ^^^^^
    ");
    let no_probe = "[switch]\nprobe = \"redis_ping\"\nuses = [\"redis\"]\n";
    insta::assert_snapshot!(night_faults_with(no_probe, "[switch]\nuses = [\"redis\"]\n"), @r#"
    gates/x.toml:74:1: `uses` in `[switch]`: no `probe` is named that would take it
        uses = ["redis"]
        ^^^^
    gates/x.toml:78:9: `value` of mark `login`: `latency_ms` is an observation of a probe, and `[switch]` names none
        value = "latency_ms"
                ^^^^^^^^^^^^
    gates/x.toml:88:9: `value` of mark `instruments`: `latency_ms` is an observation of a probe, and `[switch]` names none
        value = "latency_ms"
                ^^^^^^^^^^^^
    "#);
}

#[test]
fn a_probe_that_no_mark_needs_is_a_warning() {
    let night = night().replace("value = \"latency_ms\"\nwithin", "match = '(?<at>.+)'\nwithin");
    insta::assert_snapshot!(super::Faults(parse(&night).unwrap().warnings).to_string(), @r#"
    gates/x.toml:74:9: `[switch]`: no mark has a `value` of the probe, so it is asked for nothing
        probe = "redis_ping"
                ^^^^^^^^^^^^
    "#);
}

#[test]
fn a_watch_is_asked_often_and_not_too_often() {
    insta::assert_snapshot!(night_faults_with("interval = \"500ms\"", "interval = \"50ms\""), @r#"
    gates/x.toml:93:12: `interval` of `[watch]`: expected at least 100ms
        interval = "50ms"
                   ^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("interval = \"500ms\"", "interval = \"500ms\"\nmax_age = \"400ms\""), @r#"
    gates/x.toml:94:11: `max_age` of `[watch]` is shorter than the interval, so every value would be missing before the next one comes
        max_age = "400ms"
                  ^^^^^^^
    "#);
    insta::assert_snapshot!(faults(&format!("{SHOP}\n[watch]\n")), @"
    gates/x.toml:56:2: `[watch]` needs at least one [[watch.source]], and has none
        [watch]
         ^^^^^
    gates/x.toml:56:2: `[watch]` needs at least one [[watch.metric]], and has none
        [watch]
         ^^^^^
    ");
}

#[test]
fn watch_sources_and_metrics_have_names_of_their_own() {
    insta::assert_snapshot!(night_faults_with("name = \"topics\"", "name = \"shop\""), @r#"
    gates/x.toml:101:8: watch source `shop` is taken: the first stands on line 96, column 8
        name = "shop"
               ^^^^^^
    gates/x.toml:117:10: `source` of watch metric `absent`: unknown watch source `topics`; expected `shop`
        source = "topics"
                 ^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("name = \"topics\"", "name = \"The topics\""), @r#"
    gates/x.toml:101:8: watch source `The topics`: expected a name of lower-case letters, digits, `-` and `_`, a letter first, at most 100 in all
        name = "The topics"
               ^^^^^^^^^^^^
    gates/x.toml:117:10: `source` of watch metric `absent`: unknown watch source `topics`; expected one of `The topics`, `shop`
        source = "topics"
                 ^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("name = \"absent\"", "name = \"order_latency_p99_ms\""), @r#"
    gates/x.toml:116:8: watch metric `order_latency_p99_ms` is taken: the first stands on line 108, column 8
        name = "order_latency_p99_ms"
               ^^^^^^^^^^^^^^^^^^^^^^
    gates/x.toml:116:8: watch metric `order_latency_p99_ms`: source `topics` does not observe `order_latency_p99_ms`; expected one of `alive`, `latency_ms`, `absent`, `state`
        name = "order_latency_p99_ms"
               ^^^^^^^^^^^^^^^^^^^^^^
    gates/x.toml:118:11: `expect` of watch metric `order_latency_p99_ms`: unknown metric `absent`; expected `order_latency_p99_ms`
        expect = "absent == 0 or order_latency_p99_ms < 5ms"
                  ^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("name = \"absent\"", "name = \"no-show\""), @r#"
    gates/x.toml:116:8: watch metric `no-show`: expected a name of letters, digits and `_`, no digit first, and no word of conditions
        name = "no-show"
               ^^^^^^^^^
    gates/x.toml:116:8: watch metric `no-show`: source `topics` does not observe `no-show`; expected one of `alive`, `latency_ms`, `absent`, `state`
        name = "no-show"
               ^^^^^^^^^
    gates/x.toml:118:11: `expect` of watch metric `no-show`: unknown metric `absent`; expected one of `order_latency_p99_ms`, `no-show`
        expect = "absent == 0 or order_latency_p99_ms < 5ms"
                  ^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("name = \"absent\"", "name = \"missing\""), @r#"
    gates/x.toml:116:8: watch metric `missing`: expected a name of letters, digits and `_`, no digit first, and no word of conditions
        name = "missing"
               ^^^^^^^^^
    gates/x.toml:116:8: watch metric `missing`: source `topics` does not observe `missing`; expected one of `alive`, `latency_ms`, `absent`, `state`
        name = "missing"
               ^^^^^^^^^
    gates/x.toml:118:11: `expect` of watch metric `missing`: unknown metric `absent`; expected one of `order_latency_p99_ms`, `missing`
        expect = "absent == 0 or order_latency_p99_ms < 5ms"
                  ^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("source = \"topics\"", "source = \"topic\""), @r#"
    gates/x.toml:117:10: `source` of watch metric `absent`: unknown watch source `topic`; nearest: `topics`
        source = "topic"
                 ^^^^^^^
    "#);
}

#[test]
fn a_watch_metric_is_observed_in_the_unit_of_its_name() {
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\nexpect", "value = \"latency\"\nexpect"), @r#"
    gates/x.toml:110:9: watch metric `order_latency_p99_ms`: source `shop` does not observe `latency`; nearest: `latency_ms`
        value = "latency"
                ^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\nexpect", "value = \"absent\"\nexpect"), @r#"
    gates/x.toml:110:9: watch metric `order_latency_p99_ms` says ms by its name, and `absent` of its source is a count
        value = "absent"
                ^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\nexpect", "value = \"state\"\nexpect"), @r#"
    gates/x.toml:110:9: watch metric `order_latency_p99_ms` says ms by its name, and `state` of its source is a text
        value = "state"
                ^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\nexpect", "value = 5\nexpect"), @"
    gates/x.toml:110:9: `value` in watch metric `order_latency_p99_ms`: expected a text in quotes; got 5
        value = 5
                ^
    ");
    insta::assert_snapshot!(night_faults_with("name = \"absent\"\n", "name = \"lost\"\n"), @r#"
    gates/x.toml:116:8: watch metric `lost`: source `topics` does not observe `lost`; expected one of `alive`, `latency_ms`, `absent`, `state`
        name = "lost"
               ^^^^^^
    gates/x.toml:118:11: `expect` of watch metric `lost`: unknown metric `absent`; expected one of `order_latency_p99_ms`, `lost`
        expect = "absent == 0 or order_latency_p99_ms < 5ms"
                  ^^^^^^
    "#);
}

#[test]
fn what_a_watch_expects_is_watched() {
    let expect = "absent == 0 or order_latency_p99_ms < 5ms";
    insta::assert_snapshot!(night_faults_with(expect, "absent == 0 or latency_ms < 5ms"), @r#"
    gates/x.toml:118:26: `expect` of watch metric `absent`: unknown metric `latency_ms`; expected one of `order_latency_p99_ms`, `absent`
        expect = "absent == 0 or latency_ms < 5ms"
                                 ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with(expect, "absent == 0ms or order_latency_p99_ms < "), @r#"
    gates/x.toml:118:51: `expect` of watch metric `absent`: expected a number, a text in quotes, true or false, found the end
        expect = "absent == 0ms or order_latency_p99_ms < "
                                                          ^
    "#);
    insta::assert_snapshot!(night_faults_with("$slow for 5s", "5MB for 5s"), @r#"
    gates/x.toml:111:34: `expect` of watch metric `order_latency_p99_ms`: `order_latency_p99_ms` is in ms (a time) and cannot be compared with 5 MB
        expect = "order_latency_p99_ms < 5MB for 5s"
                                         ^^^
    "#);
    insta::assert_snapshot!(warnings_with(expect, "order_latency_p99_ms < 5ms"), @r#"
    gates/x.toml:118:10: `expect` of watch metric `absent` does not speak of `absent`
        expect = "order_latency_p99_ms < 5ms"
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_watch_that_could_not_see_silence_is_a_warning() {
    insta::assert_snapshot!(warnings_with("activity = true", "activity = false"), @"
    gates/x.toml:92:2: `[watch]`: no metric has activity = true: a core that does nothing at all would look healthy
        [watch]
         ^^^^^
    ");
    let spare =
        "[[watch.source]]\nname = \"spare\"\nprobe = \"redis_ping\"\nuses = [\"redis\"]\n\n[[watch.metric]]";
    insta::assert_snapshot!(warnings_with("[[watch.metric]]", spare), @r#"
    gates/x.toml:108:8: no watch metric comes from source `spare`
        name = "spare"
               ^^^^^^^
    "#);
}

#[test]
fn limits_are_whole_numbers_of_samples() {
    insta::assert_snapshot!(night_faults_with("failure_limit = 3", "failure_limit = -1"), @"
    gates/x.toml:112:17: `failure_limit` in watch metric `order_latency_p99_ms`: expected a whole number from 0 to 1000000; got -1
        failure_limit = -1
                        ^^
    ");
    insta::assert_snapshot!(night_faults_with("on_no_data = \"rollback\"", "on_no_data = \"rolback\""), @r#"
    gates/x.toml:113:14: `on_no_data` in watch metric `order_latency_p99_ms`: `rolback` is not one of its words; nearest: `rollback`
        on_no_data = "rolback"
                     ^^^^^^^^^
    "#);
}

#[test]
fn a_service_level_is_one_of_the_ten_and_measured_by_a_gate() {
    insta::assert_snapshot!(night_faults_with("storage_redis_health", "storage_reddis_health"), @r#"
    gates/x.toml:132:8: `name` in sli `quant_hft_storage_reddis_health`: `quant_hft_storage_reddis_health` is not one of its words; nearest: `quant_hft_storage_redis_health`
        name = "quant_hft_storage_reddis_health"
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("quant_hft_storage_redis_health", "quant_hft_ctp_query_latency_p99_ms"), @r#"
    gates/x.toml:132:8: sli `quant_hft_ctp_query_latency_p99_ms` is taken: the first stands on line 126, column 8
        name = "quant_hft_ctp_query_latency_p99_ms"
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    gates/x.toml:132:8: sli `quant_hft_ctp_query_latency_p99_ms`: expected `value`, which of the gate's observations is a time
        name = "quant_hft_ctp_query_latency_p99_ms"
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("gate = \"redis-ping\"\nvalue", "gate = \"redis-pong\"\nvalue"), @r#"
    gates/x.toml:127:8: `gate` of sli `quant_hft_ctp_query_latency_p99_ms`: unknown gate `redis-pong`; nearest: `redis-ping`
        gate = "redis-pong"
               ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults(&night().replacen("phase = \"infra\"", "phase = \"switch\"", 1)), @r#"
    gates/x.toml:127:8: `gate` of sli `quant_hft_ctp_query_latency_p99_ms`: `redis-ping` is of phase switch; expected one of phase infra or readiness
        gate = "redis-ping"
               ^^^^^^^^^^^^
    gates/x.toml:133:8: `gate` of sli `quant_hft_storage_redis_health`: `redis-ping` is of phase switch; expected one of phase infra or readiness
        gate = "redis-ping"
               ^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(faults(&format!("{SHOP}\n[readiness]\nservice = \"\"\n")), @r#"
    gates/x.toml:56:2: `[readiness]` needs at least one [[readiness.sli]], and has none
        [readiness]
         ^^^^^^^^^
    gates/x.toml:57:11: `service` in `[readiness]`: expected a name
        service = ""
                  ^^
    "#);
}

#[test]
fn a_service_level_has_a_value_of_its_kind_and_a_target_in_its_range() {
    let level = "name = \"quant_hft_ctp_query_latency_p99_ms\"\ngate = \"redis-ping\"\nvalue = \"latency_ms\"\ntarget = 1500";
    let with = |this: &str| night_faults_with(level, this);
    insta::assert_snapshot!(with("name = \"quant_hft_ctp_query_latency_p99_ms\"\ngate = \"redis-ping\""), @r#"
    gates/x.toml:126:8: sli `quant_hft_ctp_query_latency_p99_ms`: expected `value`, which of the gate's observations is a time
        name = "quant_hft_ctp_query_latency_p99_ms"
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\ntarget = 1500", "value = \"latency\"\ntarget = -1"), @r#"
    gates/x.toml:128:9: `value` of sli `quant_hft_ctp_query_latency_p99_ms`: its gate does not observe `latency`; nearest: `latency_ms`
        value = "latency"
                ^^^^^^^^^
    gates/x.toml:129:10: `target` of sli `quant_hft_ctp_query_latency_p99_ms`: expected a target of at least 0; got -1
        target = -1
                 ^^
    "#);
    insta::assert_snapshot!(night_faults_with("value = \"latency_ms\"\ntarget = 1500", "value = \"absent\"\ntarget = inf"), @r#"
    gates/x.toml:128:9: `value` of sli `quant_hft_ctp_query_latency_p99_ms`: expected a time; `absent` is a count
        value = "absent"
                ^^^^^^^^
    gates/x.toml:129:10: `target` in sli `quant_hft_ctp_query_latency_p99_ms`: expected a number; got inf
        target = inf
                 ^^^
    "#);
    let ratio = "name = \"quant_hft_ctp_reject_classified_ratio\"\ngate = \"redis-ping\"\nvalue = \"alive\"\ntarget = 1.5";
    insta::assert_snapshot!(with(ratio), @r#"
    gates/x.toml:128:9: `value` of sli `quant_hft_ctp_reject_classified_ratio`: expected a ratio; `alive` is true or false
        value = "alive"
                ^^^^^^^
    gates/x.toml:129:10: `target` of sli `quant_hft_ctp_reject_classified_ratio`: expected a ratio from 0 to 1; got 1.5
        target = 1.5
                 ^^^
    "#);
    let truth =
        "name = \"quant_hft_core_process_alive\"\ngate = \"redis-ping\"\nvalue = \"latency_ms\"\ntarget = 1";
    insta::assert_snapshot!(with(truth), @r#"
    gates/x.toml:128:9: `value` of sli `quant_hft_core_process_alive`: expected true or false, or a number of which 1 is true; `latency_ms` is a time
        value = "latency_ms"
                ^^^^^^^^^^^^
    gates/x.toml:129:10: `target` of sli `quant_hft_core_process_alive`: it is true or false, so its target is true: leave `target` out
        target = 1
                 ^
    "#);
}

#[test]
fn a_command_starts_what_cutproof_has_no_engine_for() {
    let redis = "stands_for = \"redis:7.2-alpine\"";
    insta::assert_snapshot!(faults(&night().replacen(redis, "start = \"redis-server\"", 1)), @r#"
    gates/x.toml:11:1: `start` in service `redis` is for kinds prometheus and http; cutproof has an engine of its own for redis
        start = "redis-server"
        ^^^^^
    "#);
    let core = |more: &str| faults(&format!("{}\n[services.core]\nkind = \"http\"\n{more}\n", night()));
    insta::assert_snapshot!(core("start = \"serve\"\nfrom = \"serve\""), @r#"
    gates/x.toml:138:1: service `core`: a rehearsal starts either a server program (`from`) or a command (`start`), and there are both
        from = "serve"
        ^^^^
    "#);
    insta::assert_snapshot!(core("start = \" \""), @r#"
    gates/x.toml:137:9: `start` in service `core`: expected a command line
        start = " "
                ^^^
    "#);
}

#[test]
fn all_faults_of_a_cutover_are_told_at_once_in_its_order() {
    let text = night()
        .replace("step_timeout = \"5m\"", "step_timeout = 5")
        .replace("background = true\n", "")
        .replace("name = \"login\"", "name = \"logon\"")
        .replace("interval = \"500ms\"", "interval = \"5ms\"")
        .replace("source = \"topics\"", "source = \"topic\"")
        .replace("target = 1500", "target = -1");
    let all = parse(&text).unwrap_err();
    let lines: Vec<usize> = all.0.iter().map(|fault| fault.at.line).collect();
    assert_eq!(lines, [59, 64, 77, 92, 116, 128], "{all}");
}
