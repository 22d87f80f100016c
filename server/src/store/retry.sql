-- Puts deliveries back that failed and are tried again, and writes the failed attempt down; those whose lease was lost are
-- passed over, and what has been written down already is written once. $1 is the node, $2 the outcomes.
with kept as (
    update queue q set due_at = now() + make_interval(secs => i.wait), owner = null
      from unnest($2::outcome[]) as i
     where q.event_id = any(array[i.event_id]) and q.trigger_id + 0 = i.trigger_id and q.run = i.run and q.fence = i.fence
    returning i.*, q.project_id, q.due_at
)
insert into attempts (event_id, project_id, trigger_id, run, attempt, node, started_at, retry_at, duration_us,
                      response_status, response_cut, response_headers, response_body, error,
                      dns_us, connect_us, tls_us, first_byte_us)
select event_id, project_id, trigger_id, run, attempt, $1, started_at, due_at, duration_us,
       response_status, response_cut, response_headers, response_body, error,
       dns_us, connect_us, tls_us, first_byte_us
  from kept
    on conflict do nothing
