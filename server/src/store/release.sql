-- Gives leases back whose attempt never began; once, however often it is said.
update queue q set due_at = now(), owner = null, attempt = q.attempt - 1
  from unnest($1::uuid[], $2::int[], $3::smallint[], $4::int[]) as i (event_id, trigger_id, run, fence)
 where q.event_id = any(array[i.event_id]) and q.trigger_id + 0 = i.trigger_id and q.run = i.run and q.fence = i.fence
   and q.owner is not null
