-- How the time of an attempt went by, in microseconds: looking the name up, connecting, the TLS handshake, and from its
-- beginning until the head of the response was there. Null: it was not done, as on a connection that was there already.
alter table deliveries
    add column dns_us        integer,
    add column connect_us    integer,
    add column tls_us        integer,
    add column first_byte_us integer;
alter table attempts
    add column dns_us        integer,
    add column connect_us    integer,
    add column tls_us        integer,
    add column first_byte_us integer;

-- What a trigger of the project gets where it says nothing of its own; null: what the server has.
alter table projects
    add column retries          smallint,
    add column timeout_ms       integer,
    add column backoff_first_ms integer,
    add column backoff_max_ms   integer;
