//! What tests and measurements stand on: a PostgreSQL as the product starts it, nodes as real processes that can be broken,
//! and webhooks on bare sockets that misbehave as told.

mod cluster;
mod node;
mod proc;
mod receiver;

pub use cluster::{Cluster, Database, Work};
pub use node::{Node, Program};
pub use receiver::{Act, Received, Receiver};
