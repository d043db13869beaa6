//! KEY=VALUE templates: a pure leaf.
