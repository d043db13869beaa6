//! The probes that need no engine, on real sockets, files and processes of this machine.

mod bench;
mod command;
mod file;
mod http;
mod prometheus;
mod prometheus_server;
mod tcp;
mod web;
