//! Engines that demand a password, TLS, a certificate of ours or SASL: what is measured there, and what is said when
//! any of it is wrong. Certificates are made by openssl when the tests run; what needs openssl or nginx is ignored
//! where nobody asked for it.

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod kafka;
mod postgres;
mod redis;
mod runs;
mod servers;
mod web;
