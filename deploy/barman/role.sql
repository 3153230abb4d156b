-- The role by which Barman copies the database: it reads changes and settings, and can alter nothing.
-- psql --set password=... --file role.sql, as superuser; safe to repeat. Functions are granted in the database postgres,
-- which Barman connects to.
\set ON_ERROR_STOP on
\connect postgres
SELECT 'CREATE ROLE vigia_wal LOGIN REPLICATION'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigia_wal') \gexec
ALTER ROLE vigia_wal PASSWORD :'password' CONNECTION LIMIT 4;
GRANT CONNECT ON DATABASE postgres TO vigia_wal;
GRANT pg_read_all_settings, pg_read_all_stats, pg_checkpoint TO vigia_wal;
GRANT EXECUTE ON FUNCTION pg_backup_start(text, boolean) TO vigia_wal;
GRANT EXECUTE ON FUNCTION pg_backup_stop(boolean) TO vigia_wal;
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO vigia_wal;
GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO vigia_wal;
