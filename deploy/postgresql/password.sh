#!/usr/bin/env bash
# In the container: gives Calla's role the password of its secret.
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/calla_database_password)" --username postgres <<'SQL'
ALTER ROLE calla PASSWORD :'password';
SQL
