use uuid::Uuid;

use super::Store;

/// Another node, as the database saw it last.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub id: Uuid,
    pub is_dead: bool,
}

impl Store {
    /// Says that a node lives. Gives the others; those that have not been seen for the given time in seconds are dead.
    pub async fn beat(&self, node: Uuid, unseen_seconds: f64) -> Result<Vec<Peer>, sqlx::Error> {
        sqlx::query_as!(
            Peer,
            r#"with beat as (
                 insert into nodes (id, version) values ($1, $2) on conflict (id) do update set seen_at = now()
             )
             select id, seen_at < now() - make_interval(secs => $3) as "is_dead!" from nodes where id <> $1"#,
            node,
            env!("CARGO_PKG_VERSION"),
            unseen_seconds
        )
        .fetch_all(&self.relaxed)
        .await
    }

    /// Releases the leases of dead nodes and forgets those nodes, unless they have been seen again. Gives how many deliveries
    /// were released.
    pub async fn bury(&self, dead: &[Uuid], unseen_seconds: f64) -> Result<u64, sqlx::Error> {
        // Leases first: should this node die in between, the next one finds the dead node again.
        let released = sqlx::query!(
            "update queue set owner = null, due_at = now()
              where owner = any(array(
                    select id from nodes where id = any($1) and seen_at < now() - make_interval(secs => $2)))",
            dead,
            unseen_seconds
        )
        .execute(&self.relaxed)
        .await?;
        sqlx::query!(
            "delete from nodes where id = any($1) and seen_at < now() - make_interval(secs => $2)",
            dead,
            unseen_seconds
        )
        .execute(&self.relaxed)
        .await?;
        Ok(released.rows_affected())
    }

    /// Takes leave: gives back every lease that is still held, and forgets the node. Their attempts are not counted: the
    /// node stopped of its own accord, so none of them brought it down.
    pub async fn leave(&self, node: Uuid) -> Result<(), sqlx::Error> {
        sqlx::query!("update queue set owner = null, due_at = now(), attempt = attempt - 1 where owner = $1", node)
            .execute(&self.relaxed)
            .await?;
        sqlx::query!("delete from nodes where id = $1", node).execute(&self.relaxed).await.map(drop)
    }
}
