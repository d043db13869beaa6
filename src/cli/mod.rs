//! One file a verb: arguments → settings → call.
