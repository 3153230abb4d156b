-- Two roles besides the superuser: vigia_owner changes the schema (vigia migrate); vigia_runtime runs everything else
-- and cannot change it. psql runs this file once, as superuser in the new database. The passwords come from the
-- environment.
\set ON_ERROR_STOP on
\getenv owner_password DATABASE_OWNER_PASSWORD
\getenv runtime_password DATABASE_RUNTIME_PASSWORD

SELECT current_database() AS database \gset

CREATE ROLE vigia_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE vigia_runtime LOGIN PASSWORD :'runtime_password';

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO vigia_runtime;
GRANT CONNECT, TEMPORARY, CREATE ON DATABASE :"database" TO vigia_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO vigia_runtime;
GRANT USAGE, CREATE ON SCHEMA public TO vigia_owner;

ALTER DEFAULT PRIVILEGES FOR ROLE vigia_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO vigia_runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE vigia_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO vigia_runtime;
