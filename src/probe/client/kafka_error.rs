//! What goes wrong with Kafka, in words: librdkafka's codes, what it complains of by events, and names that it would
//! not survive.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether a topic can have this name.
///
/// # Errors
/// What is allowed.
pub fn check_topic(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=249).contains(&name.len()) && name.chars().all(allowed) && !matches!(name, "." | "..") {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(format!("`{shown}` is no topic name: expected 1 to 249 letters, digits, `.`, `_` or `-`"))
}

/// What librdkafka complained of.
#[derive(Clone, Default)]
pub struct Complaints(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    last: String,
    refusal: String,
    cut: String,
    all_down: bool,
}

impl Complaints {
    /// The last one; empty where there was none. One about who we are, or about TLS, is not driven out by one about
    /// the connection that ends in consequence.
    pub fn last(&self) -> String {
        let heard = self.heard();
        if heard.refusal.is_empty() { heard.last.clone() } else { heard.refusal.clone() }
    }

    /// How the last connection was cut, where nothing was complained of; empty where none was. A broker that wants to
    /// know who we are, or speaks TLS, only cuts the connection.
    pub fn last_or_cut(&self) -> String {
        let last = self.last();
        if last.is_empty() { self.heard().cut.clone() } else { last }
    }

    /// Whether all brokers that are known were found to be down.
    pub fn all_down(&self) -> bool {
        self.heard().all_down
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Complaints {
    /// That a connection was cut is told by no event, only in the log.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        if facility == "FAIL" {
            // `[thrd:host:9092/bootstrap]: host:9092/bootstrap: Disconnected: ... (after 2ms in state UP)`
            let told = text.split_once("]: ").map_or(text, |(_, told)| told);
            self.heard().cut = told.split(" (after ").next().unwrap_or(told).to_owned();
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if matches!(error, KafkaError::Global(Code::AllBrokersDown)) {
            self.heard().all_down = true;
        } else {
            // `host:9092/bootstrap: Connect to ipv4#1.2.3.4:9092 failed: Connection refused (after 0ms in state ...`
            let told = reason.split(" (after ").next().unwrap_or(reason).to_owned();
            if matches!(error, KafkaError::Global(Code::Authentication | Code::SSL)) {
                self.heard().refusal = told;
            } else {
                self.heard().last = told;
            }
        }
    }
}

impl ConsumerContext for Complaints {}

/// librdkafka's code of an error, wherever it keeps it.
pub fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// An error in words, with what to do where that is plain.
pub fn describe(error: &KafkaError) -> String {
    match code(error) {
        Some(code) => describe_code(code),
        None => error.to_string(),
    }
}

/// As [`describe`], for a code.
pub fn describe_code(code: Code) -> String {
    let hint = match code {
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => "; the user lacks this right",
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            "; is the topic there (init kafka)?"
        }
        Code::InvalidReplicationFactor => "; are there as many brokers?",
        Code::MessageSizeTooLarge => "; see the topic's max.message.bytes",
        _ => "",
    };
    format!("{code}{hint}")
}

/// Whether an error only says that no answer came.
pub fn silent(error: &KafkaError) -> bool {
    use Code::{
        AllBrokersDown, BrokerTransportFailure, MessageTimedOut, OperationTimedOut, RequestTimedOut,
        TimedOutQueue, WaitingForCoordinator,
    };
    let silence = [
        AllBrokersDown,
        BrokerTransportFailure,
        MessageTimedOut,
        OperationTimedOut,
        RequestTimedOut,
        TimedOutQueue,
        WaitingForCoordinator,
    ];
    code(error).is_some_and(|code| silence.contains(&code))
}

/// Whether reading may still go on after this: brokers come back, and the group is only a name.
pub fn passing(code: Code) -> bool {
    use Code::{
        AllBrokersDown, BrokerTransportFailure, CoordinatorLoadInProgress, CoordinatorNotAvailable,
        GroupAuthorizationFailed, NotCoordinator, OperationTimedOut, Resolve,
    };
    let passing = [
        AllBrokersDown,
        BrokerTransportFailure,
        CoordinatorLoadInProgress,
        CoordinatorNotAvailable,
        GroupAuthorizationFailed,
        NotCoordinator,
        OperationTimedOut,
        Resolve,
    ];
    passing.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_no_topic_can_have_are_refused() {
        for bad in ["", ".", "..", "a b", "a\0b", "ä", &"a".repeat(250)] {
            assert!(check_topic(bad).is_err(), "{bad}");
        }
        assert!(check_topic("quant_hft_pg.trading_core.orders").is_ok());
    }

    proptest! {
        #[test]
        fn a_topic_name_is_safe_for_the_native_library(name: String) {
            if check_topic(&name).is_ok() {
                prop_assert!(name.is_ascii() && !name.contains('\0') && !name.is_empty());
            }
        }
    }

    #[test]
    fn what_librdkafka_complains_of_is_kept_without_its_inner_states() {
        let complaints = Complaints::default();
        let reason = "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)";
        complaints.error(KafkaError::Global(Code::BrokerTransportFailure), reason);
        complaints.error(KafkaError::Global(Code::AllBrokersDown), "1/1 brokers are down");
        assert!(complaints.all_down());
        assert!(complaints.last().ends_with("Connection refused"));
    }
}
