//! Starting and ending processes; the holder that outlives us.
