//! One file a gate kind, in one flat registry.
