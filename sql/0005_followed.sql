-- Trackers that are followed in the stream: rows of Frappe's `Milestone Tracker`.

alter table milestone_tracker
    drop constraint milestone_tracker_managed_by_check,
    add constraint milestone_tracker_managed_by_check check (managed_by in ('config', 'hand', 'frappe'));
comment on column milestone_tracker.managed_by is
    'config: `trackers apply` made it and may change and remove it; frappe: a row of the stream did; hand: it stays until somebody deletes it.';
