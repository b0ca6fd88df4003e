"""Sends the changes in the table `document_outbox` to Kafka, in order, none lost: a producer to copy from.

The rows go in one Kafka transaction and are deleted when it is committed. A crash in between sends them again, under
the ids that the application gave them, so that nothing counts twice. There is no code for errors: whatever happens,
start it again. See docs/producing.md.
"""

import os
import time

import psycopg
from confluent_kafka import Producer

TAKE = """
with next as (select number from document_outbox order by number limit 500 for update),
    taken as (
        delete from document_outbox using next
        where document_outbox.number = next.number returning document_outbox.*)
select name, change::text from taken order by taken.number"""


def send(database: psycopg.Connection, producer: Producer, topic: str) -> int:
    """Sends what is there, 500 changes at most, and returns how many; when it raises, none is deleted."""
    with database.transaction():
        changes = database.execute(TAKE).fetchall()
        if changes:
            producer.begin_transaction()
            for name, change in changes:
                producer.produce(topic, key=name, value=change)
            producer.commit_transaction()  # Raises unless every record is written to all replicas in sync.
    return len(changes)


def main() -> None:
    """Follows the table for as long as the process lives."""
    topic = os.environ.get("TOPIC", "document-changes")
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
    # The id ends what an earlier run left open; the partitioner is that of Java clients: one key, one partition.
    producer = Producer(
        {"bootstrap.servers": servers, "transactional.id": f"{topic}-outbox", "partitioner": "murmur2_random"}
    )
    producer.init_transactions()
    with psycopg.connect(os.environ.get("POSTGRES_DSN", ""), autocommit=True) as database:
        while True:
            if not send(database, producer, topic):
                time.sleep(0.2)


if __name__ == "__main__":
    main()
