//! Profile → plan: a pure function.
