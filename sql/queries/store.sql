-- Everything that a worker says to PostgreSQL while it stores and publishes. One statement per step and batch.

-- name: read_positions
-- Both watermarks' PostgreSQL side, for partitions just assigned.
select topic, partition, topic_id, consumer_group, next_offset, published_offset, last_offset, last_timestamp, last_hash
from stream_position
join unnest(%(topics)s::text[], %(partitions)s::integer[]) as assigned (topic, partition) using (topic, partition);

-- name: last_slots
-- Who stored these partitions last.
select distinct slot
from stream_position
join unnest(%(topics)s::text[], %(partitions)s::integer[]) as assigned (topic, partition) using (topic, partition)
where slot is not null;

-- name: last_slots_ended
-- Of them, those whose sessions have ended: nobody holds their lock.
select distinct slot
from stream_position
join unnest(%(topics)s::text[], %(partitions)s::integer[]) as assigned (topic, partition) using (topic, partition)
where slot is not null and not exists (
    select from pg_locks
    where locktype = 'advisory' and objsubid = 2
        and database = (select oid from pg_database where datname = current_database())
        and classid::bigint = hashtext(%(group)s)::bigint & 4294967295 and objid::bigint = slot);

-- name: create_positions
-- A partition seen for the first time. Somebody else may have been here first: then theirs counts.
insert into stream_position (topic, partition, topic_id, consumer_group, next_offset, published_offset)
select topic, partition, topic_id, %(consumer_group)s, next_offset, published_offset
from unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::text[], %(next_offsets)s::bigint[],
            %(published_offsets)s::bigint[]) as fresh (topic, partition, topic_id, next_offset, published_offset)
on conflict (topic, partition) do nothing;

-- name: move_positions
-- The compare-and-set, always the first statement of a store transaction. Fewer rows than partitions: another instance
-- was here. The locks are taken in order of partition. Told beside it: the revision in force, which nearly always is the
-- one known, so that nobody has to ask.
with held as (
    select position.topic, position.partition, change.new_offset, change.published_offset,
           change.last_offset, change.last_timestamp, change.last_hash
    from stream_position position
    join unnest(%(topics)s::text[], %(partitions)s::integer[], %(topic_ids)s::text[], %(stored)s::bigint[],
                %(new_offsets)s::bigint[], %(published_offsets)s::bigint[], %(last_offsets)s::bigint[],
                %(last_timestamps)s::bigint[], %(last_hashes)s::bigint[])
        as change (topic, partition, topic_id, stored, new_offset, published_offset, last_offset, last_timestamp, last_hash)
        on change.topic = position.topic and change.partition = position.partition
    where position.topic_id = change.topic_id
        and position.consumer_group = %(consumer_group)s
        and position.next_offset = change.stored
    order by position.topic, position.partition
    for update of position
)
update stream_position
set next_offset = held.new_offset,
    published_offset = held.published_offset,
    last_offset = coalesce(held.last_offset, stream_position.last_offset),
    last_timestamp = coalesce(held.last_timestamp, stream_position.last_timestamp),
    last_hash = coalesce(held.last_hash, stream_position.last_hash),
    slot = %(slot)s,
    updated_at = now()
from held
where stream_position.topic = held.topic and stream_position.partition = held.partition
returning (extract(epoch from now()) * 1000000)::bigint,
    (select revision::text from tracker_revision order by number desc limit 1);

-- name: current_trackers
-- The revision in force; the trackers only when they are not the ones known.
select revision::text, case when revision::text = %(known_revision)s then null else trackers::text end
from tracker_revision
order by number desc
limit 1;

-- name: follow_trackers
-- Trackers of the stream; one of config.yaml, or made by hand, keeps its name. How the column is encoded is what other
-- trackers of the same field say.
insert into milestone_tracker (name, document_type, track_field, rule, disabled, managed_by)
select said.name, said.document_type, said.track_field, coalesce(alike.rule, '{}'), said.disabled, 'frappe'
from unnest(%(names)s::text[], %(types)s::text[], %(fields)s::text[], %(disabled)s::boolean[])
    as said (name, document_type, track_field, disabled)
left join lateral (
    select jsonb_strip_nulls(jsonb_build_object(
        'as', other.rule -> 'as', 'scale', other.rule -> 'scale', 'filled', other.rule -> 'filled')) as rule
    from milestone_tracker other
    where other.document_type = said.document_type and other.track_field = said.track_field and other.name <> said.name
    order by other.name
    limit 1) alike on true
on conflict (name) do update set
    document_type = excluded.document_type, track_field = excluded.track_field, rule = excluded.rule,
    disabled = excluded.disabled, revision = gen_random_uuid(), modified_at = now()
where milestone_tracker.managed_by = 'frappe'
    and (milestone_tracker.document_type, milestone_tracker.track_field, milestone_tracker.disabled)
        is distinct from (excluded.document_type, excluded.track_field, excluded.disabled);

-- name: forget_followed
delete from milestone_tracker where name = any(%(names)s::text[]) and managed_by = 'frappe';

-- name: outranked_followed
select name from milestone_tracker where name = any(%(names)s::text[]) and managed_by <> 'frappe' order by name;

-- name: record_revision_starts
insert into tracker_revision_start (revision, topic_id, partition, first_offset)
select %(revision)s::uuid, topic_id, partition, first_offset
from unnest(%(topic_ids)s::text[], %(partitions)s::integer[], %(first_offsets)s::bigint[])
    as start (topic_id, partition, first_offset)
on conflict (revision, topic_id, partition) do nothing;

-- name: lock_states
-- Of documents never seen there is no row to lock yet: whoever adds it first, in save_states, was first.
-- All names of a type are one condition on the index, which goes from page to page, not from its root to each name.
select state.reference_type, state.reference_name, state.track_field, state.known, state.value,
       (extract(epoch from state.since) * 1000000)::bigint, (extract(epoch from state.ended_at) * 1000000)::bigint,
       state.occurrences, state.recent, state.recent_transactions, state.moved_to,
       state.origin_topic_id, state.origin_partition, state.origin_offset, state.within
from document_state state
join unnest(%(types)s::text[], %(fields)s::text[], %(firsts)s::integer[], %(lasts)s::integer[])
    as kind (reference_type, track_field, first, last)
    on state.reference_type = kind.reference_type
    and state.track_field = kind.track_field
    and state.reference_name = any((%(names)s::text[])[kind.first:kind.last])
order by state.reference_type, state.reference_name, state.track_field
for update of state;

-- name: given_states
-- Document states as they are to be: what add_states and change_states begin with. What many rows share is sent once
-- and joined by its number: most of the cost is in sending.
insert into document_state (reference_type, reference_name, track_field, known, value, since, ended_at, occurrences,
                            recent, recent_transactions, moved_to, origin_topic_id, origin_partition, origin_offset,
                            within)
select reference_type, reference_name, track_field, known, value, since, ended_at, occurrences, recent,
       recent_transactions, moved_to, origin_topic_id, origin_partition, origin_offset, within
from (
    select shared.reference_type, shared.track_field, shared.known, shared.moved_to, shared.origin_topic_id,
           shared.origin_partition, shared.within, one.reference_name, one.value, one.occurrences, one.origin_offset,
           timestamptz 'epoch' + one.since * interval '1 microsecond' as since,
           timestamptz 'epoch' + one.ended_at * interval '1 microsecond' as ended_at,
           decode(one.recent, 'hex') as recent, decode(one.recent_transactions, 'hex') as recent_transactions
    from (select unnest(%(shared)s::integer[]) as shared, unnest(%(names)s::text[]) as reference_name,
                 unnest(%(values)s::text[]) as value, unnest(%(since)s::bigint[]) as since,
                 unnest(%(ended_at)s::bigint[]) as ended_at, unnest(%(occurrences)s::text[]) as occurrences,
                 unnest(%(recent)s::text[]) as recent, unnest(%(recent_transactions)s::text[]) as recent_transactions,
                 unnest(%(origin_offsets)s::bigint[]) as origin_offset) as one
    join unnest(%(types)s::text[], %(fields)s::text[], %(knowns)s::boolean[], %(moved_to)s::text[],
                %(origin_topic_ids)s::text[], %(origin_partitions)s::integer[], %(within)s::text[])
        with ordinality
        as shared (reference_type, track_field, known, moved_to, origin_topic_id, origin_partition, within, number)
        on shared.number = one.shared
) as state;

-- name: add_states
-- Those of documents that were never seen, in one order by all workers, before any that was is changed: who waits for
-- another's new document has changed nothing yet. No `on conflict`: that costs each row a third more, and of a document
-- that another worker was the first to add nothing may be stored either way.
-- include given_states
order by reference_type, reference_name, track_field;

-- name: change_states
-- Those that are there: they were locked. An insert that always meets them, for it has no plan to choose: an update from
-- a join, planned when the table was small, would read all of it for each batch when it has grown. It costs the same.
-- include given_states
on conflict (reference_type, reference_name, track_field) do update
set known = excluded.known,
    value = excluded.value,
    since = excluded.since,
    ended_at = excluded.ended_at,
    occurrences = excluded.occurrences,
    recent = excluded.recent,
    recent_transactions = excluded.recent_transactions,
    moved_to = excluded.moved_to,
    origin_topic_id = excluded.origin_topic_id,
    origin_partition = excluded.origin_partition,
    origin_offset = excluded.origin_offset,
    within = excluded.within;

-- name: known_aliases
-- The renames of this batch that were seen before, with the half that was first.
select alias.reference_type, alias.old_name, alias.new_name, alias.source_identity,
       case when alias.settled then 'both' else alias.first_half end
from document_alias alias
join unnest(%(types)s::text[], %(old_names)s::text[], %(new_names)s::text[], %(identities)s::text[])
    as rename (reference_type, old_name, new_name, source_identity)
    on alias.reference_type = rename.reference_type and alias.old_name = rename.old_name
    and alias.new_name = rename.new_name and alias.source_identity = rename.source_identity;

-- name: record_aliases
insert into document_alias (reference_type, old_name, new_name, source_identity, renamed_at, first_half, settled)
select reference_type, old_name, new_name, source_identity, timestamptz 'epoch' + renamed_at * interval '1 microsecond',
       first_half, settled
from unnest(%(types)s::text[], %(old_names)s::text[], %(new_names)s::text[], %(identities)s::text[],
            %(renamed_at)s::bigint[], %(first_halves)s::text[], %(settled)s::boolean[])
    as alias (reference_type, old_name, new_name, source_identity, renamed_at, first_half, settled)
on conflict (reference_type, old_name, new_name, source_identity) do update set settled = true;

-- name: record_milestones
-- Some may be there: that is an error, since `on conflict` costs each row a seventh more. Some somebody deleted by hand,
-- and they stay deleted: then there are fewer rows than were sent. Which they are says recorded_before. Columns are
-- unnested side by side in the select list: in `from` each would be kept in a table of its own.
insert into milestone (id, reference_type, reference_name, track_field, value, milestone_tracker, from_value,
                       from_value_known, tracker_revision, occurrence, reached_at, recorded_at, actor, source_identity,
                       source_identity_kind, origin_topic_id, origin_partition, origin_offset, announce, silent,
                       labels, owner)
select id, reference_type, reference_name, track_field, value, milestone_tracker, from_value, from_value_known,
       %(revision)s::uuid, occurrence, timestamptz 'epoch' + reached_at * interval '1 microsecond',
       timestamptz 'epoch' + %(recorded_at)s * interval '1 microsecond', actor, source_identity, source_identity_kind,
       origin_topic_id, origin_partition, origin_offset, announce, silent, labels::json, owner
from (select unnest(%(shared)s::integer[]) as shared, unnest(%(ids)s::uuid[]) as id,
             unnest(%(names)s::text[]) as reference_name, unnest(%(values)s::text[]) as value,
             unnest(%(from_values)s::text[]) as from_value, unnest(%(occurrences)s::integer[]) as occurrence,
             unnest(%(reached_at)s::bigint[]) as reached_at, unnest(%(actors)s::text[]) as actor,
             unnest(%(identities)s::text[]) as source_identity, unnest(%(origin_offsets)s::bigint[]) as origin_offset)
    as reached
join unnest(%(types)s::text[], %(fields)s::text[], %(trackers)s::text[], %(from_values_known)s::text[],
            %(identity_kinds)s::text[], %(origin_topic_ids)s::text[], %(origin_partitions)s::integer[],
            %(announce)s::boolean[], %(silent)s::boolean[], %(labels)s::text[], %(owners)s::text[])
    with ordinality
    as shared (reference_type, track_field, milestone_tracker, from_value_known, source_identity_kind, origin_topic_id,
               origin_partition, announce, silent, labels, owner, number)
    on shared.number = reached.shared
-- Nearly always there is none, and then none is looked up.
where not ((select exists (select from deleted_milestone))
           and exists (select from deleted_milestone deleted where deleted.id = reached.id));

-- name: recorded_before
-- Of milestones that were to be inserted, those that were not.
select given.id::text
from unnest(%(ids)s::uuid[]) as given (id)
where exists (select from deleted_milestone deleted where deleted.id = given.id)
    or exists (select from milestone where milestone.id = given.id and milestone.xmin <> pg_current_xact_id()::xid);

-- name: record_dead_letters
insert into dead_letter (origin_topic_id, origin_partition, origin_offset, error_class, message, field)
select topic_id, partition, "offset", error_class, message, field
from unnest(%(topic_ids)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(error_classes)s::text[],
            %(messages)s::text[], %(fields)s::text[])
    as letter (topic_id, partition, "offset", error_class, message, field)
on conflict (origin_topic_id, origin_partition, origin_offset) do nothing;

-- name: stored_milestones
-- What was stored for ranges of offsets whose events were not published yet. next_offset is read in the same statement:
-- a server that lags behind what this worker stored must not be believed.
select span.topic, span.partition, position.next_offset,
       milestone.id::text, milestone.reference_type, milestone.reference_name, milestone.track_field, milestone.value,
       milestone.milestone_tracker, milestone.from_value, milestone.from_value_known, milestone.tracker_revision::text,
       milestone.occurrence, (extract(epoch from milestone.reached_at) * 1000000)::bigint,
       (extract(epoch from milestone.recorded_at) * 1000000)::bigint, milestone.actor, milestone.source_identity,
       milestone.source_identity_kind, milestone.origin_topic_id, milestone.origin_partition, milestone.origin_offset,
       milestone.announce, milestone.silent, milestone.labels::text, milestone.owner
from unnest(%(topics)s::text[], %(topic_ids)s::text[], %(partitions)s::integer[], %(first_offsets)s::bigint[],
            %(next_offsets)s::bigint[]) as span (topic, topic_id, partition, first_offset, next_offset)
left join stream_position position on position.topic = span.topic and position.partition = span.partition
left join milestone
    on milestone.origin_partition = span.partition
    and milestone.origin_offset >= span.first_offset and milestone.origin_offset < span.next_offset
    and milestone.origin_topic_id = span.topic_id
    and milestone.announce and not milestone.silent
order by span.topic, span.partition, milestone.origin_offset, milestone.id;

-- name: stored_dead_letters
select span.topic, letter.origin_topic_id, letter.origin_partition, letter.origin_offset, letter.error_class,
       letter.message, letter.field
from unnest(%(topics)s::text[], %(topic_ids)s::text[], %(partitions)s::integer[], %(first_offsets)s::bigint[],
            %(next_offsets)s::bigint[]) as span (topic, topic_id, partition, first_offset, next_offset)
join dead_letter letter
    on letter.origin_topic_id = span.topic_id and letter.origin_partition = span.partition
    and letter.origin_offset >= span.first_offset and letter.origin_offset < span.next_offset
order by letter.origin_topic_id, letter.origin_partition, letter.origin_offset;

-- name: take_over_positions
-- `milestones take-over`: this database follows another topic id or consumer group from now on.
update stream_position
set topic_id = %(topic_id)s, consumer_group = %(consumer_group)s,
    next_offset = case when topic_id = %(topic_id)s then next_offset else 0 end,
    published_offset = case when topic_id = %(topic_id)s then published_offset else 0 end,
    last_offset = null, last_timestamp = null, last_hash = null, updated_at = now()
where topic = %(topic)s
returning partition;

-- name: positions_of_topics
-- Of all topics where none are named.
select topic, partition, consumer_group, topic_id, next_offset, published_offset, updated_at
from stream_position
where cardinality(%(topics)s::text[]) = 0 or topic = any(%(topics)s::text[])
order by topic, partition;
