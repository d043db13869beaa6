//! The probes of Kafka, Kafka Connect and change data capture, on the real engines. Under a holder's guard, so that
//! no engine outlives the tests, whatever becomes of them.

mod away;
mod bench;
mod cluster;
mod connect;
mod flow;
mod lag;
mod topics;

use cutproof::process::hold;
use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A trial for each of these functions, under its name.
macro_rules! trials {
    ($($module:ident: $($test:ident),+ $(,)?;)+) => {
        vec![$($(Trial::test(concat!(stringify!($module), "::", stringify!($test)), || {
            $module::$test();
            Ok(())
        })),+),+]
    };
}

fn trials() -> Vec<Trial> {
    trials! {
        topics:
            topics_as_asked_for_have_nothing_that_differs,
            a_cluster_is_reached_by_a_name_with_several_addresses,
            a_topic_that_is_missing_deleted_or_other_than_asked_for_is_named,
            six_topics_are_created_verified_and_found_the_second_time,
            a_topic_with_other_partitions_than_asked_for_fails_its_verification,
            a_topic_that_the_cluster_refuses_fails_its_creation,
            a_record_makes_its_round_trip_and_nothing_is_left,
            a_round_trip_on_a_given_topic_passes_others_records_over;
        lag:
            a_group_that_has_consumed_all_has_no_lag_and_is_left_as_it_was,
            a_group_or_topic_that_does_not_exist_has_no_lag_that_is_known,
            a_group_that_reads_an_empty_topic_has_no_lag,
            records_that_are_gone_and_offsets_outside_of_the_log_are_told,
            markers_of_transactions_are_no_records_to_wait_for;
        away:
            an_init_where_nothing_listens_fails_its_first_step_within_the_connect_timeout,
            a_broker_that_is_down_is_an_error_that_says_so,
            a_name_that_no_host_has_is_an_error_that_says_so,
            something_else_than_kafka_is_an_error_that_says_so,
            a_broker_that_is_paused_is_an_error_at_the_deadline,
            a_broker_that_is_paused_in_the_middle_of_an_init_fails_the_step_it_came_to;
        connect:
            connectors_are_created_found_and_updated,
            a_task_that_failed_is_no_connector_that_runs,
            a_configuration_that_connect_refuses_fails_its_step,
            a_connector_that_is_not_there_is_missing,
            an_init_where_nobody_listens_fails_its_first_step,
            a_worker_that_rebalances_is_asked_again,
            a_worker_that_never_stops_rebalancing_is_an_error,
            answers_that_are_not_connects_are_errors,
            a_file_that_is_not_there_is_told_before_anything_is_done,
            a_placeholder_without_a_value_fails_its_step;
        flow:
            the_connectors_of_the_fixtures_run_and_are_found_the_second_time,
            rows_of_every_table_come_unwrapped_to_the_topic_of_its_name,
            a_tick_is_in_clickhouse_and_its_group_has_no_lag,
            an_order_is_in_kafka_and_in_clickhouse_and_is_deleted_again,
            what_is_wrong_is_told_before_anything_is_written,
            a_record_that_does_not_arrive_has_no_delay,
            who_is_told_to_stop_cleans_up_and_stops,
            a_topic_that_is_deleted_in_between_has_no_row_and_the_row_is_deleted,
            a_row_that_goes_nowhere_is_deleted_all_the_same,
            engines_that_are_paused_are_errors_at_the_deadline;
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials()).exit_code();
    }
    let held = hold(|worker| {
        bench::WORKER.set(*worker).expect("main is called once");
        let conclusion = libtest_mimic::run(&arguments, trials());
        bench::end();
        if conclusion.has_failed() { 101 } else { 0 }
    });
    held.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
