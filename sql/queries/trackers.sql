-- The trackers, as `milestones trackers …` reads and writes them.

-- name: all_trackers
select name, description, document_type, track_field, rule::text, disabled, managed_by
from milestone_tracker
order by name;

-- name: current_revision
select revision::text, trackers::text from tracker_revision order by number desc limit 1;

-- name: lock_trackers
-- The lock that every change of milestone_tracker takes: plan and change see the same trackers.
select pg_advisory_xact_lock(hashtext('milestones.tracker_revision'));

-- name: put_tracker
insert into milestone_tracker (name, description, document_type, track_field, rule, disabled, managed_by)
values (%(name)s, %(description)s, %(document_type)s, %(track_field)s, %(rule)s::jsonb, %(disabled)s, %(managed_by)s)
on conflict (name) do update set
    description = excluded.description, document_type = excluded.document_type, track_field = excluded.track_field,
    rule = excluded.rule, disabled = excluded.disabled, managed_by = excluded.managed_by,
    revision = gen_random_uuid(), modified_at = now();

-- name: remove_trackers
delete from milestone_tracker where name = any(%(names)s);

-- name: set_disabled
update milestone_tracker set disabled = %(disabled)s, revision = gen_random_uuid(), modified_at = now()
where name = %(name)s;

-- name: history
select revision::text, created_at, created_by, trackers::text from tracker_revision order by number;
