-- Roles of Milestones. Run once, in the database that will hold the tables, by somebody with CREATEROLE, before the first `milestones migrate`:
--     psql "$ADMIN_DSN" -f sql/roles.sql
-- None can log in: grant them to the users that do, e.g.  grant milestones_consumer to erp_worker;
-- Rights on tables are in sql/grants.sql, which `milestones migrate` runs whenever these roles exist.
do $$
declare
    role_name text;
begin
    foreach role_name in array array[
        'milestones_owner',           -- owns the tables and migrates
        'milestones_consumer',        -- what `milestones run` needs, nothing else
        'milestones_system_manager',  -- reads, writes, creates and deletes milestones and trackers, as in Frappe
        'milestones_reader'           -- reads the views and tables
    ] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
        end if;
    end loop;
    execute format('grant usage, create on schema %I to milestones_owner', current_schema());
end $$;
