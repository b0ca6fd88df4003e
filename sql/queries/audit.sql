-- What `milestones audit` reads.

-- name: positions
select topic, topic_id, partition, consumer_group, next_offset, published_offset,
       last_offset, last_timestamp, last_hash
from stream_position
order by topic, partition;

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
       milestone.announce, milestone.silent
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
