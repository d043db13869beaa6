//! The steps of a cutover and of its rollback, in order. Who runs them, who writes evidence of them and who judges
//! that evidence share these lists; it knows none of the three.

/// The steps of a cutover.
pub const CUTOVER_STEPS: [&str; 10] = [
    "stop_old_core_engine",
    "stop_old_strategy_runner",
    "precheck",
    "bootstrap_infra",
    "init_kafka_topic",
    "init_clickhouse_schema",
    "init_debezium_connector",
    "start_new_core_engine",
    "start_new_strategy_runner",
    "warmup_query",
];

/// The key of the cutover template that holds each step's command, in the order of [`CUTOVER_STEPS`].
pub const CUTOVER_STEP_KEYS: [&str; 10] = [
    "OLD_CORE_ENGINE_STOP_CMD",
    "OLD_STRATEGY_RUNNER_STOP_CMD",
    "PRECHECK_CMD",
    "BOOTSTRAP_INFRA_CMD",
    "INIT_KAFKA_TOPIC_CMD",
    "INIT_CLICKHOUSE_SCHEMA_CMD",
    "INIT_DEBEZIUM_CONNECTOR_CMD",
    "NEW_CORE_ENGINE_START_CMD",
    "NEW_STRATEGY_RUNNER_START_CMD",
    "WARMUP_QUERY_CMD",
];

/// The steps of a rollback.
pub const ROLLBACK_STEPS: [&str; 7] = [
    "stop_new_core_engine",
    "stop_new_strategy_runner",
    "restore_previous_binaries",
    "restore_redis_bridge_compat",
    "start_previous_core_engine",
    "start_previous_strategy_runner",
    "post_rollback_validate",
];

/// The key of the rollback template that holds each step's command, in the order of [`ROLLBACK_STEPS`].
pub const ROLLBACK_STEP_KEYS: [&str; 7] = [
    "NEW_CORE_ENGINE_STOP_CMD",
    "NEW_STRATEGY_RUNNER_STOP_CMD",
    "RESTORE_PREVIOUS_BINARIES_CMD",
    "RESTORE_REDIS_BRIDGE_COMPAT_CMD",
    "PREVIOUS_CORE_ENGINE_START_CMD",
    "PREVIOUS_STRATEGY_RUNNER_START_CMD",
    "POST_ROLLBACK_VALIDATE_CMD",
];

/// FAILED_STEP where the watch after the switch broke off the cutover.
pub const POST_SWITCH_WATCH: &str = "post_switch_watch";
/// FAILED_STEP where login, settlement confirmation and instruments did not come in order.
pub const SWITCH_GATE: &str = "switch_gate";
/// FAILED_STEP where the cutover was not begun.
pub const PREFLIGHT: &str = "preflight";
/// FAILED_STEP where somebody ended the run.
pub const INTERRUPTED: &str = "interrupted";
/// FAILED_STEP where all steps of a rollback went well, and took too long.
pub const ROLLBACK_DURATION_EXCEEDED: &str = "rollback_duration_exceeded";

/// What FAILED_STEP of a cutover may name besides a step.
pub const CUTOVER_FAILURES: [&str; 4] = [POST_SWITCH_WATCH, SWITCH_GATE, PREFLIGHT, INTERRUPTED];
/// What FAILED_STEP of a rollback may name besides a step.
pub const ROLLBACK_FAILURES: [&str; 2] = [ROLLBACK_DURATION_EXCEEDED, INTERRUPTED];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Kind;

    #[test]
    fn each_command_of_the_templates_is_a_step_once() {
        for (kind, keys) in [(Kind::Cutover, &CUTOVER_STEP_KEYS[..]), (Kind::Rollback, &ROLLBACK_STEP_KEYS)] {
            let mut commands: Vec<_> = kind.keys().iter().filter(|key| key.ends_with("_CMD")).collect();
            let mut keys: Vec<_> = keys.iter().collect();
            commands.sort();
            keys.sort();
            assert_eq!(keys, commands);
        }
    }
}
