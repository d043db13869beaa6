//! The faults that a rehearsal can make, and the end that each deserves.

use super::fault::{Deserved, Fault, Make};

/// All faults, in the order in which they are listed.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "latency",
        about: "orders of the new core take 50 ms",
        make: Make::Core { name: "latency", value: Some("50") },
        deserves: Deserved::rolled_back("post_switch_watch"),
    },
    Fault {
        name: "disconnect",
        about: "the new core loses its front for half a second, and recovers",
        make: Make::Core { name: "disconnect", value: Some("0.5") },
        deserves: Deserved::DRILL,
    },
    Fault {
        name: "slow-reconnect",
        about: "the new core needs longer than 10 s to reconnect",
        make: Make::Core { name: "disconnect", value: Some("11") },
        deserves: Deserved::rolled_back("post_switch_watch"),
    },
    Fault {
        name: "disconnect-forever",
        about: "the new core loses its front and does not recover",
        make: Make::Core { name: "disconnect-forever", value: None },
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "reject-classified",
        about: "orders are rejected, for reasons that the core knows",
        make: Make::Core { name: "reject-classified", value: None },
        deserves: Deserved::DRILL,
    },
    Fault {
        name: "reject-unclassified",
        about: "orders are rejected, and the core does not know why",
        make: Make::CoreAtStart("reject-unclassified"),
        deserves: Deserved::rolled_back("switch_gate"),
    },
    Fault {
        name: "breaker-open",
        about: "the new core's breaker opens",
        make: Make::Core { name: "breaker-open", value: None },
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "query-burst",
        about: "the new core breaks the front's query limit",
        make: Make::Core { name: "query-burst", value: None },
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "query-latency",
        about: "queries of the new core take 3 s",
        make: Make::CoreAtStart("query-latency=3000"),
        deserves: Deserved::rolled_back("warmup_query"),
    },
    Fault {
        name: "hang",
        about: "the new core lives and answers nothing",
        make: Make::Core { name: "hang", value: None },
        deserves: Deserved::rolled_back("post_switch_watch"),
    },
    Fault {
        name: "crash",
        about: "the new core dies",
        make: Make::Core { name: "crash", value: None },
        deserves: Deserved::rolled_back("post_switch_watch"),
    },
    Fault {
        name: "lost-login",
        about: "the new core is logged out, and trades no more",
        make: Make::Core { name: "lost-login", value: None },
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "settlement-never",
        about: "the new core's settlement is never confirmed",
        make: Make::CoreAtStart("settlement-never"),
        deserves: Deserved::rolled_back("start_new_core_engine"),
    },
    Fault {
        name: "silence",
        about: "the new core is up and well, and sends no ticks and no orders",
        make: Make::Core { name: "silence", value: None },
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "kafka-stop",
        about: "Kafka stops answering during the watch",
        make: Make::Pause("kafka"),
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "redis-kill",
        about: "Redis dies before the new core is up",
        make: Make::Kill { service: "redis", before: "start_new_core_engine" },
        deserves: Deserved::rollback_failed("start_new_strategy_runner", "restore_redis_bridge_compat"),
    },
    Fault {
        name: "clickhouse-pause",
        about: "ClickHouse stops answering during the watch",
        make: Make::Pause("clickhouse"),
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "connector-fail",
        about: "a Debezium connector's task fails after the switch",
        make: Make::Connector,
        deserves: Deserved::stopped("post_switch_watch"),
    },
    Fault {
        name: "slow-step",
        about: "a step takes 3 s longer, and is in time",
        make: Make::Step { name: "start_new_strategy_runner", before: "sleep 3", timeout: None },
        deserves: Deserved::DRILL,
    },
    Fault {
        name: "hung-step",
        about: "a step never ends",
        make: Make::Step { name: "init_clickhouse_schema", before: "sleep 3600", timeout: Some(3) },
        deserves: Deserved::rolled_back("init_clickhouse_schema"),
    },
    Fault {
        name: "failed-restore",
        about: "the way back can't restore the previous binaries",
        make: Make::Step { name: "restore_previous_binaries", before: "exit 9", timeout: None },
        deserves: Deserved::drill_failed("restore_previous_binaries"),
    },
    Fault {
        name: "late-rollback",
        about: "the way back takes longer than its limit",
        make: Make::Late { step: "restore_previous_binaries", sleep: 4, limit: 3 },
        deserves: Deserved::drill_failed("rollback_duration_exceeded"),
    },
    Fault {
        name: "disk-full",
        about: "the disk fills in the middle of the way back",
        make: Make::DiskFull,
        deserves: Deserved::UNPROVEN,
    },
];
