-- Dead letters as `milestones dead-letters` selects, shows and notes them. A null parameter selects everything.

-- name: select_letters
-- The newest first.
select origin_topic_id, origin_partition, origin_offset, topic, error_class, message, field, recorded_at, status,
       redrive_count, redriven_at, redriven_by, redriven_topic_id, redriven_partition, redriven_offset,
       redriven_from_topic_id, redriven_from_partition, redriven_from_offset
from dead_letter_status
where (%(reasons)s::text[] is null or error_class = any(%(reasons)s::text[]))
    and (%(field)s::text is null or field = %(field)s)
    and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
    and (%(until)s::timestamptz is null or recorded_at < %(until)s)
    and (%(topic)s::text is null or topic = %(topic)s or origin_topic_id = %(topic)s)
    and (%(partition)s::integer is null or origin_partition = %(partition)s)
    and (%(first_offset)s::bigint is null or origin_offset >= %(first_offset)s)
    and (%(last_offset)s::bigint is null or origin_offset <= %(last_offset)s)
    and (%(topics)s::text[] is null or exists (
        select from unnest(%(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[])
            as named (topic, partition, "offset")
        where (named.topic = dead_letter_status.topic or named.topic = origin_topic_id)
            and named.partition = origin_partition and named."offset" = origin_offset
    ))
order by recorded_at desc, origin_topic_id, origin_partition, origin_offset desc;

-- name: followed_topics
select distinct topic from stream_position;

-- name: try_redrive_lock
-- One redrive at a time: two at once would both send what neither has noted yet. Held by the session.
select pg_try_advisory_lock(hashtext('milestones.redrive'));

-- name: note_redriven
update dead_letter
set redrive_count = redrive_count + 1, redriven_at = now(), redriven_by = session_user,
    redriven_topic_id = sent.to_topic_id, redriven_partition = sent.to_partition, redriven_offset = sent.to_offset
from unnest(%(topic_ids)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(to_topic_ids)s::text[],
            %(to_partitions)s::integer[], %(to_offsets)s::bigint[])
    as sent (topic_id, partition, "offset", to_topic_id, to_partition, to_offset)
where dead_letter.origin_topic_id = sent.topic_id and dead_letter.origin_partition = sent.partition
    and dead_letter.origin_offset = sent."offset";
