-- Moves deliveries that ended from the queue into the history; those whose lease was lost are passed over. $1 is the node, $2
-- the outcomes.
with gone as (
    delete from queue q
     using unnest($2::outcome[]) as i
     where q.event_id = any(array[i.event_id]) and q.trigger_id + 0 = i.trigger_id and q.run = i.run and q.fence = i.fence
    returning i.*, q.project_id
)
insert into deliveries (event_id, project_id, trigger_id, run, node, status, attempts, started_at, duration_us,
                        response_status, response_cut, response_headers, response_body, error,
                        dns_us, connect_us, tls_us, first_byte_us)
select event_id, project_id, trigger_id, run, $1,
       case when delivered then 'delivered'::delivery_status else 'failed'::delivery_status end,
       attempt, started_at, duration_us,
       response_status, response_cut, response_headers, response_body, error,
       dns_us, connect_us, tls_us, first_byte_us
  from gone
returning event_id, trigger_id
