-- Two users for the roles of sql/roles.sql: one migrates, one runs the consumer. Their passwords come from the environment and are set
-- each time, so that a changed one counts with the next start.
\getenv admin_password ERP_ADMIN_PASSWORD
\getenv worker_password ERP_WORKER_PASSWORD

select format('create role %I login in role %I', name, belongs_to)
from (values ('erp_admin', 'milestones_owner'), ('erp_worker', 'milestones_consumer')) users (name, belongs_to)
where not exists (select from pg_roles where rolname = name)
\gexec

select format('alter role erp_admin password %L', :'admin_password'),
    format('alter role erp_worker password %L', :'worker_password')
\gexec
