-- What became of a leased delivery, as a node writes it down: fields of `queue`, `deliveries` and `attempts` under their names.
create type outcome as (
    event_id         uuid,
    trigger_id       integer,
    fence            integer,
    run              smallint,
    attempt          smallint,
    delivered        boolean,
    wait             float8,       -- seconds until the next attempt
    started_at       timestamptz,
    duration_us      integer,
    dns_us           integer,
    connect_us       integer,
    tls_us           integer,
    first_byte_us    integer,
    response_status  smallint,
    response_cut     boolean,
    response_headers text,
    response_body    bytea,
    error            text
);
