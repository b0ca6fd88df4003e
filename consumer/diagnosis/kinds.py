"""Every kind of finding that asks for something, in the order of docs/doctor.md."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.diagnosis.findings import Finding, Kind, Level

_NOTE, _WARNING, _PROBLEM = Level.NOTE, Level.WARNING, Level.PROBLEM

_CONFIGURATION = (
    Kind("scale-unused", _WARNING, "a scale is said that nothing uses, so that a decimal's bytes cannot be read",
         "say as: decimal beside it, or leave it out"),
    Kind("trackers-unapplied", _NOTE, "config.yaml has other trackers than the database",
         "nothing, `milestones run` applies them; `milestones trackers apply --dry-run` shows them"),
    Kind("no-trackers", _WARNING, "nothing is tracked",
         "write `trackers:` in config.yaml"),
    Kind("column-unfollowed", _NOTE, "`documents` says how a column is encoded that no tracker follows",
         "{advice}"),
)  # fmt: skip

_KAFKA = (
    Kind("broker-unreachable", _PROBLEM, "no broker answers, or none lets this program in",
         "check kafka.bootstrap.servers, security.protocol and credentials, and that the cluster is up"),
    Kind("broker-old", _PROBLEM, "the broker knows no topic ids, by which a topic that was made again is told",
         "upgrade to Kafka 2.8 or later"),
    Kind("transactions-refused", _PROBLEM, "a transaction cannot be begun",
         "allow WRITE and DESCRIBE on transactional ids that begin with {prefix}, or output.guarantee: at_least_once"),
    Kind("topic-missing", _PROBLEM, "a topic does not exist",
         "create {topic}, or set input.create_topics: true; if it is there, allow DESCRIBE on it"),
    Kind("topic-to-be-made", _NOTE, "a topic does not exist yet, and `milestones run` makes it",
         "nothing, or create {topic} with settings of your own before the first run"),
    Kind("pattern-unmatched", _WARNING, "no topic matches input.pattern",
         "correct input.pattern, create the topics, or allow DESCRIBE on them"),
    Kind("not-allowed", _PROBLEM, "this user lacks a right in Kafka",
         "allow {operations} on {resource}"),
    Kind("input-compacted", _WARNING, "compaction may remove a change before it is read",
         "set cleanup.policy=delete on {topic}"),
    Kind("input-retention", _WARNING, "changes are removed after less than a day: a longer stop loses some",
         "raise retention.ms of {topic}, to some days at least"),
    Kind("output-narrow", _WARNING, "an output topic has fewer partitions than the widest input topic",
         "raise the partitions of {topic} to {partitions}"),
    Kind("output-compacted", _PROBLEM, "compaction removes milestones before a subscriber has read them",
         "set cleanup.policy=delete on {topic}"),
    Kind("output-retention", _NOTE, "the topic keeps records for another time than config.yaml says",
         "set retention.ms={wanted} on {topic}, or the same value in config.yaml"),
    Kind("dead-letter-size", _PROBLEM, "a record may be too large for the dead-letter topic, which stops the partition",
         "set max.message.bytes of {topic} to more than {bytes}; dead letters carry some headers more"),
    Kind("replication", _NOTE, "records of a topic are on one broker only: with its disk they are lost",
         "raise their replication factor to 3 where this is more than a trial"),
    Kind("replicas-lag", _WARNING, "replicas are out of sync",
         "look at the brokers that hold {topic}"),
    Kind("workers-idle", _NOTE, "there are more workers than partitions",
         "start {partitions} workers at most, or raise the partitions of the input while it is empty"),
    Kind("group-foreign", _PROBLEM, "members of the group use another assignor, so that workers cannot join",
         "stop those members, or set another kafka.group.id"),
    Kind("group-empty", _NOTE, "no worker is running, and records wait",
         "start `milestones run`"),
    Kind("run-would-stop", _PROBLEM, "positions and log do not fit together, and `milestones run` stops",
         "do what the message says before the next `milestones run`"),
    Kind("registry-unreachable", _PROBLEM, "the schema registry does not answer, or does not let this program in",
         "check input.registry or output.registry: address, credentials, certificates"),
    Kind("registry-missing", _PROBLEM, "records are Avro, and no registry is configured",
         "set input.registry.url"),
    Kind("output-schema-missing", _PROBLEM, "the registry has not the schema that milestones are announced with",
         "register schemas/milestone-reached.avsc under {subject}, or set output.register_schema: true"),
    Kind("output-schema-to-be-made", _NOTE, "the registry has not the schema yet, and `milestones run` registers it",
         "nothing, or register schemas/milestone-reached.avsc under {subject} yourself"),
    Kind("output-schema-incompatible", _PROBLEM, "what is registered does not allow the schema of this version",
         "look at the versions of {subject}: another program's belong elsewhere; or set another output.topic"),
    Kind("schema-unknown", _PROBLEM, "records name a schema that the registry does not give",
         "let input.registry.url name the registry that the connector uses; with Apicurio's ids, by /apis/ccompat/v7"),
)  # fmt: skip

_POSTGRES = (
    Kind("postgres-unreachable", _PROBLEM, "PostgreSQL cannot be reached, or refuses this user",
         "check postgres.dsn, and that the server is up"),
    Kind("postgres-old", _PROBLEM, "PostgreSQL is older than 16",
         "upgrade PostgreSQL to 16 or later"),
    Kind("postgres-read-only", _PROBLEM, "the server is a replica, or the session is read-only",
         "let postgres.dsn name the primary, or all servers of the cluster"),
    Kind("migrations", _PROBLEM, "the tables are behind or ahead of this program",
         "{advice}"),
    Kind("rights-missing", _PROBLEM, "this role lacks rights on the tables",
         "grant milestones_consumer to {role} (sql/roles.sql, then `milestones migrate`)"),
    Kind("superuser", _NOTE, "the role is a superuser: it may do more than it needs",
         "make a role for it and grant it milestones_consumer (sql/roles.sql)"),
    Kind("durability", _WARNING, "PostgreSQL may forget what it has committed",
         "set {setting} = on; without it a crash can take back milestones that were announced"),
    Kind("connections", _WARNING, "not enough connections are left for the workers",
         "raise max_connections, or start fewer workers"),
    Kind("database-encoding", _PROBLEM, "the database cannot store every text",
         "make the database anew with encoding UTF8"),
    Kind("clocks", _WARNING, "clocks differ, so that times and ages are wrong",
         "let time be set by NTP on {machines}"),
)  # fmt: skip

_SAMPLE = (
    Kind("sample-empty", _NOTE, "the input has no records",
         "let the connector run, change a document, and ask the doctor again"),
    Kind("sample-short", _NOTE, "the sample could not be read whole in time",
         "ask again, or for fewer records with --sample"),
    Kind("dead-letters", _WARNING, "records of the sample would be dead letters",
         "do what the message says, then see docs/dead-letters.md for those that are dead letters already"),
    Kind("type-unseen", _NOTE, "no record of a tracked document type is in the sample",
         "nothing if it rarely changes; else see that the connector captures its table"),
    Kind("type-misspelt", _WARNING, "no record of a tracked document type, but of one with a similar name",
         "write document_type: {near}, or documents.{type}.table"),
    Kind("type-untracked", _NOTE, "records of tables that no tracker follows",
         "nothing, or leave them out by the connector's table.include.list"),
    Kind("field-unseen", _WARNING, "no row has the column that a tracker follows",
         "{advice}"),
    Kind("field-partly", _WARNING, "some rows lack the column that a tracker follows",
         "see whether {column} was renamed or dropped, or is left out by the connector's column.include.list"),
    Kind("decimal-unscaled", _PROBLEM, "values are decimals as base64, and nobody knows their scale",
         "set decimal.handling.mode=string in the connector, or as: decimal and scale (BIT: as: bits) at the tracker"),
    Kind("as-missing", _WARNING, "other records' schemas say how the column is encoded, these have none",
         "say as: {encoding} at the tracker, or under documents.{type}.columns.{column}"),
    Kind("time-as-number", _WARNING, "a column looks like a date or a time, and is taken for a number",
         "say as: {encoding} at the tracker, or under documents.{type}.columns.{column}"),
    Kind("null-as-default", _NOTE, "NULL never comes where a column has a DEFAULT, which may hide changes",
         "set value.converter.replace.null.with.default=false (JsonConverter), or what your Avro converter has for it"),
    Kind("router-defaults", _WARNING, "ByLogicalTableRouter of this Debezium writes a column's DEFAULT for NULL",
         "use RegexRouter (docs/configuration.md), or a Debezium in which NULL stays NULL"),
    Kind("replica-identity", _NOTE, "updates do not tell the row before, so it comes from what was seen earlier",
         "alter table … replica identity full for {table}, if from_value must be known from the first change on"),
    Kind("row-image", _WARNING, "updates do not tell tracked columns of the row before",
         "set binlog_row_image=FULL on the database server"),
    Kind("toast", _NOTE, "a tracked column comes as a placeholder, which means unchanged",
         "nothing; replica identity full would let it always come"),
    Kind("key-missing", _PROBLEM, "records have no key",
         "let the connector write keys (message.key.columns), so that a document stays in one partition"),
    Kind("key-shared", _PROBLEM, "one key stands for several documents",
         "let keys be the primary key (message.key.columns, or none), or set documents.{type}.key to its columns"),
    Kind("key-not-of-document", _WARNING, "the key is not what names the document, so its changes may be out of order",
         "let message.key.columns name {columns} for this table"),
    Kind("document-split", _WARNING, "changes of one document are in several partitions: their order is open",
         "let the key be the document, and do not raise the partitions of a topic in use"),
    Kind("identity-offset", _WARNING, "changes have no identity of their source: one delivered twice is seen twice",
         "{advice}"),
    Kind("transaction-metadata", _NOTE, "a gtid names a transaction, not a change: after a fail-over one may be missed",
         "set provide.transaction.metadata=true in the connector"),
)  # fmt: skip

KINDS: Mapping[str, Kind] = {kind.code: kind for kind in (*_CONFIGURATION, *_KAFKA, *_POSTGRES, *_SAMPLE)}

SECTIONS: Mapping[str, tuple[Kind, ...]] = {
    "The configuration": _CONFIGURATION,
    "Kafka": _KAFKA,
    "PostgreSQL": _POSTGRES,
    "The sample": _SAMPLE,
}
"""As the page has them."""


def finding(code: str, place: str, found: str, **said: object) -> Finding:
    """A finding of a kind by its code; `said` fills in its fix."""
    return KINDS[code].at(place, found, **said)
