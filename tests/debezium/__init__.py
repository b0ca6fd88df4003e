"""The real Debezium: its streams captured into tests/data/debezium, and the program end to end on it."""
