//! Order, retries, deadlines, cancellation.
