"""PostgreSQL: connection, store, trackers, migrations. psycopg stays in here."""
