-- What the demo tells at its end, read from the tables and views that everybody has.

-- name: by_tracker
select milestone_tracker, count(*) from milestone group by milestone_tracker order by count(*) desc, milestone_tracker;

-- name: documents
select count(distinct (reference_type, document_name)) from milestone_timeline;

-- name: story
-- The document and tracker worth showing: the one asked for; else one that was renamed; then six stages, or nearly so.
select reference_type, document_name, milestone_tracker
from milestone_timeline
group by reference_type, document_name, milestone_tracker
order by
    (document_name = %(preferred)s) desc,
    bool_or(recorded_as <> document_name) desc,
    abs(count(*) - 6),
    reference_type, document_name, milestone_tracker
limit 1;

-- name: stages
select
    stage.id::text, stage.value, timeline.recorded_as, timeline.actor, stage.entered_at, stage.open,
    extract(epoch from stage.duration)::float8
from stage_duration stage
join milestone_timeline timeline on timeline.id = stage.id
where stage.reference_type = %(reference_type)s
    and stage.document_name = %(document_name)s
    and stage.milestone_tracker = %(milestone_tracker)s
order by stage.entered_at, stage.id;

-- name: renames
select old_name, new_name, renamed_at
from document_alias
where reference_type = %(reference_type)s and new_name = any(%(names)s::text[])
order by renamed_at;

-- name: longest_waits
-- Stages that documents left again: how long the middle one of them stayed, and how many are there now.
select
    reference_type, track_field, value,
    percentile_cont(0.5) within group (order by extract(epoch from duration)) filter (where not open) as median_s,
    count(*) filter (where not open), count(*) filter (where open)
from stage_duration
group by reference_type, track_field, value
having count(*) filter (where not open) >= 5
order by median_s desc
limit 2;

-- name: dead_letters
select error_class, message, field, origin_partition, origin_offset
from dead_letter
order by error_class, origin_partition, origin_offset
limit %(limit)s;

-- name: dead_letter_count
select count(*) from dead_letter;

-- name: server_version
show server_version;
