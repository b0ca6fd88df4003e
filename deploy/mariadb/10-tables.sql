-- Demo tables in the shape that Frappe gives its document types: `tab<DocType>`, keyed by name, with Frappe's own columns around those of
-- the type. Read once, when the database is new, into the database of MARIADB_DATABASE.
create table `tabSales Order` (
    name varchar(140) not null primary key,
    creation datetime(6),
    modified datetime(6),
    modified_by varchar(140),
    owner varchar(140),
    docstatus int(1) not null default 0,
    idx int(8) not null default 0,
    customer varchar(140),
    transaction_date date,
    delivery_date date,
    grand_total decimal(21,9) not null default 0.000000000,
    status varchar(140) default 'Draft',
    billing_status varchar(140),
    delivery_status varchar(140),
    _user_tags text,
    _comments text,
    _assign text,
    _liked_by text,
    index modified (modified)
) engine = InnoDB row_format = dynamic;

create table `tabProject` (
    name varchar(140) not null primary key,
    creation datetime(6),
    modified datetime(6),
    modified_by varchar(140),
    owner varchar(140),
    docstatus int(1) not null default 0,
    idx int(8) not null default 0,
    project_name varchar(140) unique,
    status varchar(140) default 'Open',
    percent_complete decimal(21,9) not null default 0.000000000,
    expected_end_date date,
    _user_tags text,
    _comments text,
    _assign text,
    _liked_by text,
    index modified (modified)
) engine = InnoDB row_format = dynamic;

create table `tabTask` (
    name varchar(140) not null primary key,
    creation datetime(6),
    modified datetime(6),
    modified_by varchar(140),
    owner varchar(140),
    docstatus int(1) not null default 0,
    idx int(8) not null default 0,
    subject varchar(140),
    project varchar(140),
    status varchar(140) default 'Open',
    priority varchar(140),
    exp_end_date date,
    _user_tags text,
    _comments text,
    _assign text,
    _liked_by text,
    index modified (modified)
) engine = InnoDB row_format = dynamic;

create table `tabIssue` (
    name varchar(140) not null primary key,
    creation datetime(6),
    modified datetime(6),
    modified_by varchar(140),
    owner varchar(140),
    docstatus int(1) not null default 0,
    idx int(8) not null default 0,
    subject varchar(140),
    raised_by varchar(140),
    status varchar(140) default 'Open',
    priority varchar(140),
    opening_date date,
    opening_time time(6),
    _user_tags text,
    _comments text,
    _assign text,
    _liked_by text,
    index modified (modified)
) engine = InnoDB row_format = dynamic;

insert into `tabSales Order`
    (name, creation, modified, modified_by, owner, docstatus, customer, transaction_date, delivery_date, grand_total, status,
     billing_status, delivery_status)
values
    ('SAL-ORD-2026-00001', now(6), now(6), 'ada@example.com', 'ada@example.com', 1, 'Grant Plastics', curdate(), curdate() + interval 14 day,
     1250.50, 'To Deliver and Bill', 'Not Billed', 'Not Delivered'),
    ('SAL-ORD-2026-00002', now(6), now(6), 'bob@example.com', 'ada@example.com', 1, 'West View Software', curdate(), curdate() + interval 7 day,
     480, 'To Bill', 'Partly Billed', 'Fully Delivered'),
    ('SAL-ORD-2026-00003', now(6), now(6), 'ada@example.com', 'ada@example.com', 0, 'Palmer Productions', curdate(), curdate() + interval 30 day,
     9900, 'Draft', 'Not Billed', 'Not Delivered');

insert into `tabProject`
    (name, creation, modified, modified_by, owner, project_name, status, percent_complete, expected_end_date)
values
    ('PROJ-0001', now(6), now(6), 'ada@example.com', 'ada@example.com', 'Warehouse move', 'Open', 35, curdate() + interval 60 day);

insert into `tabTask`
    (name, creation, modified, modified_by, owner, subject, project, status, priority, exp_end_date)
values
    ('TASK-2026-00001', now(6), now(6), 'bob@example.com', 'ada@example.com', 'Count the stock', 'PROJ-0001', 'Working', 'High', curdate() + interval 3 day),
    ('TASK-2026-00002', now(6), now(6), 'bob@example.com', 'ada@example.com', 'Order new shelves', 'PROJ-0001', 'Open', 'Medium', null);

insert into `tabIssue`
    (name, creation, modified, modified_by, owner, subject, raised_by, status, priority, opening_date, opening_time)
values
    ('ISS-2026-00001', now(6), now(6), 'eve@example.com', 'eve@example.com', 'Invoice shows the wrong address', 'buyer@example.net', 'Open', 'High',
     curdate(), curtime(6));
