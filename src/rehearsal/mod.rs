//! Wires plan, services, runner and journal into one run.
