-- What trackers say beside the value: labels and an owner, which go into the event, and which rules a document meets.

alter table milestone
    -- json, not jsonb: it is kept as it was written, and the event made from it is the same each time.
    add column labels json check (json_typeof(labels) = 'object'),
    add column owner  text check (owner <> '');
comment on column milestone.labels is 'The tracker''s labels when it was reached; null for none.';
comment on column milestone.owner is 'The tracker''s owner when it was reached.';

alter table document_state add column within text not null default '[]';
comment on column document_state.within is 'JSON: of the trackers that wait for a return, those whose rules the document meets.';

comment on column milestone_tracker.rule is
    'values, from_values, at_least, at_most, when, filled, occurrence, snapshot, announce, labels, owner; as, scale: how the column is encoded. Texts are canonical.';
