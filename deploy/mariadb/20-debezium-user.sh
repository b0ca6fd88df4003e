# Debezium's user, with what it needs and no more. Read by the image's own start script (so not to be made executable) when the database is
# new; the password is that of the connect service.
password=${DEBEZIUM_PASSWORD//\\/\\\\}
docker_process_sql <<SQL
create user debezium@'%' identified by '${password//\'/\\\'}';
-- For the first reading: rows, and a lock for as long as it notes the tables and the place in the binary log.
grant select on \`${MARIADB_DATABASE}\`.* to debezium@'%';
grant reload on *.* to debezium@'%';
-- For everything after it: the binary log, and the question how far it goes.
grant replication slave, binlog monitor on *.* to debezium@'%';
SQL
