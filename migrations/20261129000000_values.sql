-- Whether the JSON text `data` has `value` at `path`. Text is compared as text, a number by what it is worth or as it is written.
-- What PostgreSQL's text cannot hold (`\u0000`, halves of surrogate pairs) stands in the way of nothing else in the same data.
create or replace function has_value(data text, path text[], value text) returns boolean
    language plpgsql immutable strict parallel safe as $$
declare
    number constant text := '^-?[0-9]{1,100}(\.[0-9]{1,100})?([eE][-+]?[0-9]{1,3})?$';
    part   json;
begin
    begin
        part := data::json #> path;
    exception when data_exception then
        -- An escape counts when an even number of backslashes stands before it.
        part := regexp_replace(regexp_replace(data,
                    '(?<!\\)((?:\\\\)*)(?:\\u0000|\\u[dD][89abAB][[:xdigit:]]{2}(?!\\u[dD][c-fC-F]))', '\1\\ufffd', 'g'),
                    '(?<!\\u[dD][89abAB][[:xdigit:]]{2})(?<!\\)((?:\\\\)*)\\u[dD][c-fC-F][[:xdigit:]]{2}', '\1\\ufffd', 'g'
                )::json #> path;
    end;
    return case json_typeof(part)
               when 'number' then case
                   when part::text = value then true
                   when part::text ~ number and value ~ number then part::text::numeric = value::numeric
                   else false
               end
               when 'null'    then value = 'null'
               when 'string'  then part #>> '{}' = value
               when 'boolean' then part::text = value
               else false
           end;
exception
    when data_exception or program_limit_exceeded then
        return false;
end
$$;
