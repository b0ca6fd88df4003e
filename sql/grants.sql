-- Rights of the roles in sql/roles.sql. `milestones migrate` runs this after the migrations, as often as it is called;
-- roles that do not exist are passed over.
do $$
begin
    if exists (select from pg_roles where rolname = 'milestones_consumer') then
        grant select on schema_migration, milestone_tracker, tracker_revision, deleted_milestone to milestones_consumer;
        grant select, insert on milestone, dead_letter, tracker_revision_start to milestones_consumer;
        grant select, insert, update on document_state, document_alias, stream_position to milestones_consumer;
        -- For `dead-letters`, which notes what was sent again.
        grant select on dead_letter_status to milestones_consumer;
        grant update (redrive_count, redriven_at, redriven_by, redriven_topic_id, redriven_partition, redriven_offset)
            on dead_letter to milestones_consumer;
        -- For `run` and `trackers apply`, which write the trackers of config.yaml.
        grant insert, update, delete on milestone_tracker to milestones_consumer;
    end if;
    if exists (select from pg_roles where rolname = 'milestones_system_manager') then
        grant select, insert, update, delete on milestone_tracker to milestones_system_manager;
        -- Rows made by hand have no origin and are never announced: those columns cannot be written by hand.
        grant select, delete,
            insert (reference_type, reference_name, track_field, value, milestone_tracker, from_value, from_value_known, reached_at, actor),
            update (reference_type, reference_name, track_field, value, milestone_tracker, from_value, from_value_known, reached_at, actor)
            on milestone to milestones_system_manager;
        grant select on tracker_revision, tracker_revision_start, document_state, document_alias, stream_position,
            dead_letter, dead_letter_status, deleted_milestone, schema_migration,
            document_current_name, milestone_timeline, stage_duration to milestones_system_manager;
        grant update (redrive_count, redriven_at, redriven_by, redriven_topic_id, redriven_partition, redriven_offset)
            on dead_letter to milestones_system_manager;
    end if;
    if exists (select from pg_roles where rolname = 'milestones_reader') then
        grant select on milestone, milestone_tracker, tracker_revision, document_alias,
            document_current_name, milestone_timeline, stage_duration to milestones_reader;
    end if;
end $$;
