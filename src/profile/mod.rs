//! gates/NAME.toml → checked settings, every error with its position.
