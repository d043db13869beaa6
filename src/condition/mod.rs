//! The condition language: a pure leaf that knows no probe, profile or journal.
