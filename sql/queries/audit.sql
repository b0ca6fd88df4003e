-- What `milestones audit` reads.

-- name: positions
select topic, topic_id, partition, consumer_group, next_offset, published_offset,
       last_offset, last_timestamp, last_hash
from stream_position
order by topic, partition;

-- name: snapshot
select pg_export_snapshot();

-- name: revision_starts
select start.topic_id, start.partition, start.first_offset, revision.number, revision.revision::text
from tracker_revision_start start
join tracker_revision revision using (revision);

-- name: trackers_of_revisions
select distinct revision.revision::text, revision.trackers::text
from tracker_revision revision
join tracker_revision_start start using (revision);

-- name: dead_letters_between
select letter.origin_offset
from dead_letter letter
where letter.origin_topic_id = %(topic_id)s and letter.origin_partition = %(partition)s
    and letter.origin_offset between %(first)s and %(last)s;

-- name: milestones_by_id
select milestone.id::text, milestone.reference_type, milestone.reference_name, milestone.track_field, milestone.value,
       milestone.milestone_tracker, milestone.from_value, milestone.from_value_known, milestone.tracker_revision::text,
       milestone.occurrence, (extract(epoch from milestone.reached_at) * 1000000)::bigint,
       (extract(epoch from milestone.recorded_at) * 1000000)::bigint, milestone.actor, milestone.source_identity,
       milestone.source_identity_kind, milestone.origin_topic_id, milestone.origin_partition, milestone.origin_offset,
       milestone.announce, milestone.silent, milestone.labels::text, milestone.owner
from milestone
where milestone.origin_topic_id = any(%(topic_ids)s::text[])
order by milestone.id;

-- name: deleted_among
select id::text from deleted_milestone where id = any(%(ids)s::uuid[]);

-- name: try_repair_lock
-- One repair at a time: two at once would both announce what neither has announced yet. Held by the session.
select pg_try_advisory_lock(hashtext('milestones.repair'));

-- name: now
select (extract(epoch from now()) * 1000000)::bigint;

-- name: present_among
select id::text from milestone where id = any(%(ids)s::uuid[])
union all
select id::text from deleted_milestone where id = any(%(ids)s::uuid[]);

-- name: lock_documents
select
from document_state
join unnest(%(types)s::text[], %(names)s::text[], %(fields)s::text[]) as key (reference_type, reference_name, track_field)
    using (reference_type, reference_name, track_field)
order by reference_type, reference_name, track_field
for update of document_state;

-- name: add_missing_states
-- In the order in which workers add them.
insert into document_state (reference_type, reference_name, track_field)
select reference_type, reference_name, track_field
from unnest(%(types)s::text[], %(names)s::text[], %(fields)s::text[]) as key (reference_type, reference_name, track_field)
order by reference_type, reference_name, track_field
on conflict (reference_type, reference_name, track_field) do nothing;

-- name: count_occurrences
-- What a replay wrote counts: the next milestone of the document is one more.
with reached as (
    select reference_type, reference_name, track_field, tracker, max(occurrence) as occurrence
    from unnest(%(types)s::text[], %(names)s::text[], %(fields)s::text[], %(trackers)s::text[], %(occurrences)s::integer[])
        as one (reference_type, reference_name, track_field, tracker, occurrence)
    group by reference_type, reference_name, track_field, tracker
), counted as (
    select reference_type, reference_name, track_field,
           jsonb_object_agg(tracker, greatest(occurrence, coalesce((state.occurrences::jsonb ->> tracker)::integer, 0))) as counts
    from reached
    join document_state state using (reference_type, reference_name, track_field)
    group by reference_type, reference_name, track_field
)
update document_state
set occurrences = (document_state.occurrences::jsonb || counted.counts)::text
from counted
where document_state.reference_type = counted.reference_type
    and document_state.reference_name = counted.reference_name
    and document_state.track_field = counted.track_field;

-- name: selected_milestones
select milestone.id::text, milestone.reference_type, milestone.reference_name, milestone.track_field, milestone.value,
       milestone.milestone_tracker, milestone.from_value, milestone.from_value_known, milestone.tracker_revision::text,
       milestone.occurrence, (extract(epoch from milestone.reached_at) * 1000000)::bigint,
       (extract(epoch from milestone.recorded_at) * 1000000)::bigint, milestone.actor, milestone.source_identity,
       milestone.source_identity_kind, milestone.origin_topic_id, milestone.origin_partition, milestone.origin_offset,
       milestone.announce, milestone.silent, milestone.labels::text, milestone.owner
from milestone
where milestone.origin_offset is not null
    and (%(trackers)s::text[] is null or milestone.milestone_tracker = any(%(trackers)s::text[]))
    and (%(ids)s::uuid[] is null or milestone.id = any(%(ids)s::uuid[]))
    and (%(topic)s::text is null or milestone.origin_topic_id in (
        select position.topic_id from stream_position position where position.topic = %(topic)s::text))
    and (%(partition)s::integer is null or milestone.origin_partition = %(partition)s::integer)
    and (%(first)s::bigint is null or milestone.origin_offset >= %(first)s::bigint)
    and (%(last)s::bigint is null or milestone.origin_offset <= %(last)s::bigint)
    and (%(since)s::bigint is null or milestone.reached_at >= timestamptz 'epoch' + %(since)s::bigint * interval '1 microsecond')
    and (%(until)s::bigint is null or milestone.reached_at < timestamptz 'epoch' + %(until)s::bigint * interval '1 microsecond')
order by milestone.origin_topic_id, milestone.origin_partition, milestone.origin_offset, milestone.id;

-- name: silent_rows
select reference_type, reference_name, track_field, tracker_revision::text, origin_topic_id, origin_partition, origin_offset
from milestone
where silent and origin_topic_id = any(%(topic_ids)s::text[]);

-- name: trackers_with_milestones
select distinct milestone_tracker from milestone;
