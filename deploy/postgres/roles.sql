-- The database's roles besides the superuser. The owner changes the schema (vigia migrate), which also gives each of the
-- others its privileges, table by table (models/migrations/privileges.py). Run by psql as superuser in the database at
-- each start, by the service `roles`; safe to repeat. The passwords come from the files of the folder that the variable
-- DATABASE_SECRETS names.
\set ON_ERROR_STOP on
\getenv secrets DATABASE_SECRETS
\set owner_password `cat :'secrets'/database_owner_password`
\set api_password `cat :'secrets'/database_api_password`
\set pipeline_password `cat :'secrets'/database_pipeline_password`
\set notifier_password `cat :'secrets'/database_notifier_password`
\set upkeep_password `cat :'secrets'/database_upkeep_password`

SELECT '' = ANY (ARRAY[:'owner_password', :'api_password', :'pipeline_password', :'notifier_password', :'upkeep_password'])
    AS password_missing \gset
\if :password_missing
    DO $$ BEGIN RAISE 'a password of the folder DATABASE_SECRETS is missing or empty: run deploy/secrets.sh'; END $$;
\endif

SELECT current_database() AS database \gset

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['vigia_owner', 'vigia_api', 'vigia_pipeline', 'vigia_notifier', 'vigia_upkeep']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- Connections: together below PostgreSQL's default of 100, so that no part can take those of another.
ALTER ROLE vigia_owner PASSWORD :'owner_password' CONNECTION LIMIT 5;
ALTER ROLE vigia_api PASSWORD :'api_password' CONNECTION LIMIT 40;
ALTER ROLE vigia_pipeline PASSWORD :'pipeline_password' CONNECTION LIMIT 20;
ALTER ROLE vigia_notifier PASSWORD :'notifier_password' CONNECTION LIMIT 12;
ALTER ROLE vigia_upkeep PASSWORD :'upkeep_password' CONNECTION LIMIT 10;

-- Defaults of a session; a process may ask for less.
ALTER ROLE vigia_api SET statement_timeout = '10s';
ALTER ROLE vigia_api SET lock_timeout = '5s';
ALTER ROLE vigia_api SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE vigia_pipeline SET statement_timeout = '60s';
ALTER ROLE vigia_pipeline SET lock_timeout = '10s';
ALTER ROLE vigia_pipeline SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE vigia_notifier SET statement_timeout = '10s';
ALTER ROLE vigia_notifier SET lock_timeout = '5s';
ALTER ROLE vigia_notifier SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE vigia_upkeep SET statement_timeout = '15min';
ALTER ROLE vigia_upkeep SET lock_timeout = '10s';
ALTER ROLE vigia_upkeep SET idle_in_transaction_session_timeout = '60s';

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE :"database" TO vigia_owner;
GRANT USAGE, CREATE ON SCHEMA public TO vigia_owner;
GRANT CONNECT ON DATABASE :"database" TO vigia_api, vigia_pipeline, vigia_notifier, vigia_upkeep;
GRANT TEMPORARY ON DATABASE :"database" TO vigia_pipeline;
GRANT USAGE ON SCHEMA public TO vigia_api, vigia_pipeline, vigia_notifier, vigia_upkeep;

-- PostgreSQL lets everybody make large objects, which could fill the disk.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_open', 'lowrite', 'lo_put') \gexec

-- TimescaleDB lets everybody schedule jobs. Only the owner has any.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure),
    format('GRANT EXECUTE ON FUNCTION %s TO vigia_owner', oid::regprocedure)
FROM pg_proc
WHERE proname = 'add_job' AND EXISTS (
    SELECT FROM pg_depend JOIN pg_extension extension ON extension.oid = refobjid AND extname = 'timescaledb'
    WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid) \gexec

-- The one role that earlier versions ran as. Stop its processes first.
SELECT 'DROP OWNED BY vigia_runtime', 'DROP ROLE vigia_runtime'
WHERE EXISTS (SELECT FROM pg_roles WHERE rolname = 'vigia_runtime') \gexec
