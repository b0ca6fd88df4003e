"""Apache Kafka: source, publisher, topics. confluent-kafka stays in here."""
