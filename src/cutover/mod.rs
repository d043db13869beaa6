//! The one-shot switch: preflight, ten steps, switch gate, readiness, watch, and the way back.

pub mod lock;
pub mod resume;
