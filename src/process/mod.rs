//! Starting and ending processes; the holder that outlives us.
pub mod cancel;
