-- The tables of Milestones. Text keys collate "C": one order on every server and in every program, so that locks
-- taken in key order are taken in the same order by all workers.

create table milestone (
    id                     uuid primary key default gen_random_uuid(),
    reference_type         text collate "C" not null,
    reference_name         text collate "C" not null,
    track_field            text collate "C" not null,
    value                  text not null check (value <> ''),
    milestone_tracker      text collate "C" not null,
    from_value             text,
    from_value_known       text not null default 'unknown' check (from_value_known in ('observed', 'state', 'unknown')),
    tracker_revision       uuid,
    occurrence             integer check (occurrence > 0),
    reached_at             timestamptz not null default now(),
    recorded_at            timestamptz not null default now(),
    actor                  text,
    source_identity        text,
    source_identity_kind   text,
    origin_topic_id        text,
    origin_partition       integer,
    origin_offset          bigint,
    announce               boolean not null default false,
    silent                 boolean not null default false,
    constraint milestone_has_a_whole_origin_or_none
        check (num_nulls(origin_topic_id, origin_partition, origin_offset) in (0, 3)),
    constraint milestone_made_by_hand_is_never_announced
        check (origin_offset is not null or not announce)
);
comment on table milestone is 'A value that a tracked field of a document reached. Written once for each change, whatever is delivered again.';
comment on column milestone.id is 'Computed from tracker, field, document and source identity; sorts by event time. Random for rows made by hand.';
comment on column milestone.from_value_known is 'observed: the change event said it; state: from document_state; unknown: neither knew.';
comment on column milestone.occurrence is '1, 2, … of this tracker for this document; null for rows made by hand.';
comment on column milestone.reached_at is 'Event time: when the source committed the change.';
comment on column milestone.silent is 'Written while a restored database was brought up to date; its event was published before the restore.';

-- Publishing after a crash looks rows up by the range of their origin.
create index milestone_by_origin on milestone (origin_partition, origin_offset) where origin_offset is not null;
create index milestone_by_document on milestone (reference_type, reference_name, reached_at);

-- What a system manager deleted stays deleted when its change is evaluated again.
create table deleted_milestone (
    id          uuid primary key,
    deleted_at  timestamptz not null default now(),
    deleted_by  text not null default session_user
);

create function remember_deleted_milestones() returns trigger language plpgsql security definer
set search_path from current as $$
begin
    insert into deleted_milestone (id)
    select id from gone where origin_offset is not null
    on conflict (id) do nothing;
    return null;
end $$;

create trigger remember_deleted_milestones after delete on milestone
referencing old table as gone for each statement execute function remember_deleted_milestones();

create table milestone_tracker (
    name           text collate "C" primary key check (name <> ''),
    description    text not null default '',
    document_type  text collate "C" not null check (document_type not in ('', 'Milestone', 'Milestone Tracker')),
    track_field    text collate "C" not null check (track_field <> ''),
    rule           jsonb not null default '{}' check (jsonb_typeof(rule) = 'object'),
    disabled       boolean not null default false,
    managed_by     text not null default 'hand' check (managed_by in ('config', 'hand')),
    revision       uuid not null default gen_random_uuid(),
    modified_at    timestamptz not null default now()
);
comment on column milestone_tracker.rule is 'values, from_values: lists of canonical texts; as, scale: how the column is encoded.';
comment on column milestone_tracker.managed_by is 'config: `trackers apply` made it and may change and remove it; hand: it stays until somebody deletes it.';

-- Every committed change of milestone_tracker makes one revision: a random id, and the trackers as they then stood.
create table tracker_revision (
    number      bigint generated always as identity primary key,
    revision    uuid not null unique default gen_random_uuid(),
    created_at  timestamptz not null default now(),
    created_by  text not null default session_user,
    trackers    jsonb not null
);
insert into tracker_revision (trackers) values ('[]');

create table tracker_revision_start (
    revision      uuid not null,
    topic_id      text collate "C" not null,
    partition     integer not null,
    first_offset  bigint not null,
    primary key (revision, topic_id, partition)
);
comment on table tracker_revision_start is 'The first offset of each partition that was evaluated with a revision.';

create function serialize_tracker_changes() returns trigger language plpgsql as $$
begin
    -- Two changes at once would each record a revision that lacks the other.
    perform pg_advisory_xact_lock(hashtext('milestones.tracker_revision'));
    return null;
end $$;

create function record_tracker_revision() returns trigger language plpgsql security definer
set search_path from current as $$
declare
    latest bigint := (select max(number) from tracker_revision);
    present jsonb := (
        select coalesce(jsonb_agg(jsonb_build_object(
            'name', name, 'description', description, 'document_type', document_type, 'track_field', track_field,
            'rule', rule, 'disabled', disabled, 'managed_by', managed_by) order by name), '[]')
        from milestone_tracker);
begin
    -- Several statements of one transaction make one revision: nobody saw what was between them.
    update tracker_revision set trackers = present where number = latest and xmin = pg_current_xact_id()::xid;
    if not found then
        insert into tracker_revision (trackers)
        select present
        where not exists (select from tracker_revision where number = latest and trackers = present);
    end if;
    return null;
end $$;

create trigger serialize_tracker_changes before insert or update or delete or truncate on milestone_tracker
for each statement execute function serialize_tracker_changes();
create trigger record_tracker_revision after insert or update or delete or truncate on milestone_tracker
for each statement execute function record_tracker_revision();

-- Where each document stands. Updated in place all the time: room on the page keeps the updates off the index.
create table document_state (
    reference_type       text collate "C" not null,
    reference_name       text collate "C" not null,
    track_field          text collate "C" not null,
    known                boolean not null default false,
    value                text,
    since                timestamptz,
    ended_at             timestamptz,
    occurrences          text not null default '{}',
    recent               bytea not null default '',
    recent_transactions  bytea not null default '',
    moved_to             text collate "C",
    origin_topic_id      text,
    origin_partition     integer,
    origin_offset        bigint,
    primary key (reference_type, reference_name, track_field)
) with (fillfactor = 75);
comment on column document_state.known is 'false until a change told the value; null in value then means "not known", else "empty".';
comment on column document_state.occurrences is 'JSON: tracker to the number of milestones it made for this document.';
comment on column document_state.recent is 'The last 32 source identities seen, 8 bytes each, the newest first.';
comment on column document_state.recent_transactions is 'For MySQL and MariaDB: the gtid and the binary log of these, 8 + 8 bytes each.';
comment on column document_state.moved_to is 'Set while only the new name''s half of a rename was seen: the document goes on under that name.';

create table document_alias (
    reference_type   text collate "C" not null,
    old_name         text collate "C" not null,
    new_name         text collate "C" not null,
    source_identity  text collate "C" not null,
    renamed_at       timestamptz not null,
    first_half       text not null check (first_half in ('old', 'new')),
    settled          boolean not null default false,
    primary key (reference_type, old_name, new_name, source_identity)
);
create index document_alias_by_new_name on document_alias (reference_type, new_name);
comment on column document_alias.settled is 'Both halves of the rename were seen.';

-- The watermark `stored`. See docs/decisions.md: below next_offset every record has its verdict.
create table stream_position (
    topic             text collate "C" not null,
    partition         integer not null,
    topic_id          text not null,
    consumer_group    text not null,
    next_offset       bigint not null check (next_offset >= 0),
    published_offset  bigint not null check (published_offset >= 0),
    last_offset       bigint,
    last_timestamp    bigint,
    last_hash         bigint,
    slot              integer,
    updated_at        timestamptz not null default now(),
    primary key (topic, partition)
) with (fillfactor = 50);
comment on column stream_position.published_offset is 'The group''s committed offset, one batch late: where publishing goes on when Kafka has forgotten it.';
comment on column stream_position.slot is 'Of the worker that stored here last; its transaction may have to be ended by the next one.';
comment on column stream_position.last_hash is 'Of the last stored record, with its time stamp in ms: tells a restored log from the one that was read.';

create table dead_letter (
    origin_topic_id   text collate "C" not null,
    origin_partition  integer not null,
    origin_offset     bigint not null,
    error_class       text not null,
    message           text not null,
    field             text,
    recorded_at       timestamptz not null default now(),
    primary key (origin_topic_id, origin_partition, origin_offset)
);
comment on table dead_letter is 'Records that could not be evaluated: origin and reason. The record itself is in the dead-letter topic.';
