-- What people read. Names of renamed documents are followed to the name that the document has now.

-- A name says which document only together with a time: after a rename the old name may be given to another one.
create view document_current_name as
with recursive walk (reference_type, name, used_until, current_name, renamed_at, path) as (
    select reference_type, old_name, renamed_at, new_name, renamed_at, array[row(old_name, new_name, source_identity)::text]
    from document_alias
    union all
    select walk.reference_type, walk.name, walk.used_until, next.new_name, next.renamed_at, walk.path || next.step
    from walk
    cross join lateral (
        select new_name, renamed_at, row(old_name, new_name, source_identity)::text as step
        from document_alias
        where reference_type = walk.reference_type and old_name = walk.current_name and renamed_at >= walk.renamed_at
            and row(old_name, new_name, source_identity)::text <> all (walk.path)
        order by renamed_at, source_identity
        limit 1
    ) next
)
select
    reference_type, name, current_name, used_until,
    lag(used_until) over (partition by reference_type, name order by used_until) as used_from
from (
    select distinct on (reference_type, name, used_until) reference_type, name, used_until, current_name
    from walk
    order by reference_type, name, used_until, cardinality(path) desc
) last_step;
comment on view document_current_name is
    'Each former name of a renamed document, when it had it (after used_from, up to used_until), and the name it goes by now.';

create view milestone_timeline as
select
    milestone.reference_type,
    coalesce(renamed.current_name, milestone.reference_name) as document_name,
    milestone.reference_name as recorded_as,
    milestone.track_field,
    milestone.from_value,
    milestone.value,
    milestone.reached_at,
    milestone.milestone_tracker,
    milestone.occurrence,
    milestone.actor,
    milestone.id
from milestone
left join document_current_name renamed
    on renamed.reference_type = milestone.reference_type and renamed.name = milestone.reference_name
    and milestone.reached_at <= renamed.used_until
    and (renamed.used_from is null or milestone.reached_at > renamed.used_from)
order by milestone.reference_type, document_name, milestone.reached_at, milestone.id;
comment on view milestone_timeline is 'Every milestone of a document in order, under its present name; recorded_as is the name it had then.';

create view stage_duration as
select
    stage.reference_type,
    stage.document_name,
    stage.track_field,
    stage.milestone_tracker,
    stage.value,
    stage.reached_at as entered_at,
    stage.left_at,
    stage.left_at is null as open,
    coalesce(stage.left_at, now()) - stage.reached_at as duration,
    stage.id
from (
    select
        timeline.*,
        coalesce(
            lead(timeline.reached_at) over (
                partition by timeline.reference_type, timeline.document_name, timeline.milestone_tracker
                order by timeline.reached_at, timeline.id),
            case when state.known and state.value is distinct from timeline.value and state.moved_to is null
                 then greatest(coalesce(state.ended_at, state.since), timeline.reached_at) end
        ) as left_at
    from milestone_timeline timeline
    left join document_state state
        on state.reference_type = timeline.reference_type
        and state.reference_name = timeline.document_name
        and state.track_field = timeline.track_field
) stage;
comment on view stage_duration is
    'How long each document stayed at each value. A stage is open until the next milestone, or until the document left the value or was deleted.';
