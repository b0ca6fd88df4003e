-- Dead letters that were sent again: when, how often, by whom, and where the record stands now.
alter table dead_letter
    add column redrive_count       integer not null default 0 check (redrive_count >= 0),
    add column redriven_at         timestamptz,
    add column redriven_by         text,
    add column redriven_topic_id   text collate "C",
    add column redriven_partition  integer,
    add column redriven_offset     bigint,
    add constraint dead_letter_was_redriven_to_a_whole_place_or_not_at_all
        check (num_nulls(redriven_at, redriven_by, redriven_topic_id, redriven_partition, redriven_offset) in (0, 5)),
    add constraint dead_letter_redriven_is_counted
        check ((redrive_count = 0) = (redriven_at is null));
comment on column dead_letter.redrive_count is 'How often `milestones dead-letters redrive` sent this record to its input topic again.';
comment on column dead_letter.redriven_offset is 'With topic id and partition: where the record was written the last time.';

-- For the question whether a dead letter is one that was redriven before.
create index dead_letter_by_redriven on dead_letter (redriven_topic_id, redriven_partition, redriven_offset)
where redriven_offset is not null;

-- What became of each dead letter; `open` is what still needs somebody.
create view dead_letter_status as
select
    letter.origin_topic_id, letter.origin_partition, letter.origin_offset,
    (select position.topic from stream_position position where position.topic_id = letter.origin_topic_id limit 1) as topic,
    letter.error_class, letter.message, letter.field, letter.recorded_at,
    letter.redrive_count, letter.redriven_at, letter.redriven_by,
    letter.redriven_topic_id, letter.redriven_partition, letter.redriven_offset,
    earlier.origin_topic_id as redriven_from_topic_id,
    earlier.origin_partition as redriven_from_partition,
    earlier.origin_offset as redriven_from_offset,
    case
        when letter.redriven_offset is null then 'open'
        when exists (
            select from dead_letter later
            where later.origin_topic_id = letter.redriven_topic_id and later.origin_partition = letter.redriven_partition
                and later.origin_offset = letter.redriven_offset
        ) then 'superseded'
        when exists (
            select from stream_position position
            where position.topic_id = letter.redriven_topic_id and position.partition = letter.redriven_partition
                and position.next_offset > letter.redriven_offset
        ) then 'done'
        else 'sent'
    end as status
from dead_letter letter
left join lateral (
    select origin_topic_id, origin_partition, origin_offset
    from dead_letter
    where redriven_topic_id = letter.origin_topic_id and redriven_partition = letter.origin_partition
        and redriven_offset = letter.origin_offset
    limit 1
) earlier on true;
comment on view dead_letter_status is 'open: not sent again; sent: sent again, not evaluated yet; done: evaluated; superseded: a dead letter again, which stands for it.';
