use uuid::Uuid;

use super::Store;

impl Store {
    /// Says that a node lives.
    pub async fn beat(&self, node: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "insert into nodes (id, version) values ($1, $2) on conflict (id) do update set seen_at = now()",
            node,
            env!("CARGO_PKG_VERSION")
        )
        .execute(&self.relaxed)
        .await
        .map(drop)
    }

    /// Releases the leases of nodes that have not been seen for the given time in seconds, and forgets those nodes.
    /// Gives how many deliveries were released.
    pub async fn bury_dead_nodes(&self, unseen_seconds: f64) -> Result<u64, sqlx::Error> {
        let dead = sqlx::query_scalar!(
            "select id from nodes where seen_at < now() - make_interval(secs => $1)",
            unseen_seconds
        )
        .fetch_all(&self.relaxed)
        .await?;
        if dead.is_empty() {
            return Ok(0);
        }
        // Leases first: should this node die in between, the next one finds the dead node again.
        let released = sqlx::query!("update queue set owner = null, due_at = now() where owner = any($1)", &dead)
            .execute(&self.relaxed)
            .await?;
        sqlx::query!(
            "delete from nodes where id = any($1) and seen_at < now() - make_interval(secs => $2)",
            &dead,
            unseen_seconds
        )
        .execute(&self.relaxed)
        .await?;
        Ok(released.rows_affected())
    }

    /// Takes leave: gives back every lease that is still held, and forgets the node.
    pub async fn leave(&self, node: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!("update queue set owner = null, due_at = now() where owner = $1", node)
            .execute(&self.relaxed)
            .await?;
        sqlx::query!("delete from nodes where id = $1", node).execute(&self.relaxed).await.map(drop)
    }
}
