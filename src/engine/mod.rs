//! The façade: what the server, the command line, the tests, the benches and embedding programs use.

pub mod response;
