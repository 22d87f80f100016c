-- Moves deliveries that ended from the queue into the history; those whose lease was lost are passed over. $14 is the node.
with gone as (
    delete from queue q
     using unnest($1::uuid[], $2::int[], $3::smallint[], $4::int[], $5::text[], $6::smallint[], $7::timestamptz[],
                  $8::int[], $9::smallint[], $10::bool[], $11::text[], $12::bytea[], $13::text[],
                  $15::int[], $16::int[], $17::int[], $18::int[])
        as i (event_id, trigger_id, run, fence, status, attempts, started_at,
              duration_us, response_status, response_cut, response_headers, response_body, error,
              dns_us, connect_us, tls_us, first_byte_us)
     where q.event_id = any(array[i.event_id]) and q.trigger_id + 0 = i.trigger_id and q.run = i.run and q.fence = i.fence
    returning i.*, q.project_id
)
insert into deliveries (event_id, project_id, trigger_id, run, node, status, attempts, started_at, duration_us,
                        response_status, response_cut, response_headers, response_body, error,
                        dns_us, connect_us, tls_us, first_byte_us)
select event_id, project_id, trigger_id, run, $14, status::delivery_status, attempts, started_at, duration_us,
       response_status, response_cut, response_headers, response_body, error,
       dns_us, connect_us, tls_us, first_byte_us
  from gone
returning event_id, trigger_id
