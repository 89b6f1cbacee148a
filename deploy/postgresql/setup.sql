-- PostgreSQL for Calla (15 or later), run once by its administrator:
--   sudo -u postgres psql -v ON_ERROR_STOP=1 -f deploy/postgresql/setup.sql
-- then give the role its password: sudo -u postgres psql -c '\password calla'
CREATE ROLE calla LOGIN;
CREATE DATABASE calla OWNER calla ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE calla FROM PUBLIC;
\connect calla

-- A failed statement would be quoted in the server's log, and with it what a person wrote.
ALTER ROLE calla SET log_min_error_statement = 'panic';
ALTER ROLE calla SET log_statement = 'none';
ALTER ROLE calla SET log_min_duration_statement = -1;

-- What is erased must leave the write-ahead log too: Calla has its files changed, and old ones are
-- deleted instead of used again. (Standby servers and archives of the log are yours to clear.)
GRANT pg_checkpoint TO calla;
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO calla;
ALTER SYSTEM SET wal_recycle = off;
SELECT pg_reload_conf();
