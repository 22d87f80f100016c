-- Keys are appended in the order of their age only until retention makes room between older ones. From then on an index of
-- ranges would have all of them read whenever some are forgotten. Only events with a key pay for this one.
drop index idempotency_keys_by_age;
create index idempotency_keys_by_age on idempotency_keys (created_at);
