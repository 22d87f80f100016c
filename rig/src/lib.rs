//! What tests and measurements stand on: a PostgreSQL as the product starts it, nodes as real processes that can be broken,
//! and webhooks on bare sockets that misbehave as told.

mod cluster;
mod disk;
mod forbidden_addresses;
mod hostile_webhooks;
mod node;
mod proc;
mod receiver;
mod refused_bodies;

pub use cluster::{Cluster, Database, Work};
pub use disk::SmallDisk;
pub use forbidden_addresses::{FORBIDDEN_ADDRESSES, ForbiddenAddress};
pub use hostile_webhooks::{End, HostileWebhook, flooding_webhooks, hostile_webhooks};
pub use node::{Node, Program};
pub use receiver::{Act, Received, Receiver};
pub use refused_bodies::{nested, refused_bodies};
pub use server::store::MIGRATIONS;
