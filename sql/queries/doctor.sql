-- What `milestones doctor` asks PostgreSQL. Nothing is written.

-- name: server
select current_setting('server_version'), current_setting('server_version_num')::integer, current_user::text,
    current_setting('is_superuser') = 'on', pg_is_in_recovery() or current_setting('transaction_read_only') = 'on',
    current_setting('server_encoding'), extract(epoch from clock_timestamp())::double precision;

-- name: settings
select name, setting from pg_settings where name = any(array['fsync', 'synchronous_commit', 'full_page_writes']);

-- name: connections_free
-- Of the server, the database and the role, whichever has the fewest left.
select least(
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - (select count(*) from pg_stat_activity where backend_type = 'client backend'),
    (select case when datconnlimit < 0 then 1000000 else datconnlimit end from pg_database
        where datname = current_database())
        - (select count(*) from pg_stat_activity where datname = current_database()),
    (select case when rolconnlimit < 0 then 1000000 else rolconnlimit end from pg_roles where rolname = current_user)
        - (select count(*) from pg_stat_activity where usename = current_user)
)::integer;

-- name: missing_rights
-- Rights of milestones_consumer (sql/grants.sql) that this role has neither itself nor by a membership; tables that are
-- not there are the migrations' affair.
select needed.privilege || ' on ' || needed.relation
from unnest(%(relations)s::text[], %(privileges)s::text[]) as needed (relation, privilege)
where to_regclass(needed.relation) is not null
    and not has_table_privilege(to_regclass(needed.relation), needed.privilege)
order by needed.relation, needed.privilege;
