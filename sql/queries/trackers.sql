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

-- name: align_followed
-- Trackers of the stream do not say how a column is encoded: they follow those of config.yaml.
update milestone_tracker followed set rule = said.rule, revision = gen_random_uuid(), modified_at = now()
from (
    select distinct on (document_type, track_field) document_type, track_field, jsonb_strip_nulls(jsonb_build_object(
        'as', rule -> 'as', 'scale', rule -> 'scale', 'filled', rule -> 'filled')) as rule
    from milestone_tracker
    where managed_by <> 'frappe'
    order by document_type, track_field, name) said
where followed.managed_by = 'frappe' and followed.rule <> said.rule
    and (followed.document_type, followed.track_field) = (said.document_type, said.track_field);

-- name: remove_trackers
delete from milestone_tracker where name = any(%(names)s);

-- name: set_disabled
update milestone_tracker set disabled = %(disabled)s, revision = gen_random_uuid(), modified_at = now()
where name = %(name)s;

-- name: history
select revision::text, created_at, created_by, trackers::text from tracker_revision order by number;
