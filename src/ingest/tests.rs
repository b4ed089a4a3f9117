//! The front door over real sockets, with a log that is kept in memory.

mod answers;
mod authentication;
mod bodies;
mod events;
mod lifecycle;
mod limits;
mod support;
