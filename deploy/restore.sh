#!/usr/bin/env bash
# Puts a backup of deploy/backup.sh back. Stop every Calla process first.
#   deploy/restore.sh FILE [FOLDER...]
# Reads the settings from the environment, as Calla does.
# What was erased after the backup is erased again when Calla starts, as far as it stands in the lists of the data
# folder, of the folder in which FILE is, and of the other folders named: copies of data folders' "erased".
set -euo pipefail
umask 077
file=${1:?which backup?}; shift
home=$(dirname "$0")/..
data=${CALLA_DATA_FOLDER:-$home/var}
url=${DATABASE_URL:-}
[ -n "$url" ] || [ -z "${DATABASE_URL_FILE:-}" ] || url=$(cat "$DATABASE_URL_FILE")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
tar -C "$work" -xf "$file"
mkdir -p "$data"
# Calla runs as the owner of the folder, and whoever restores may be somebody else.
put() {
  if [ "$(id -u)" = 0 ]; then chown --reference="$(dirname "$2")" "$1"; fi
  mv "$1" "$2"
}
case "${url:-sqlite}" in
  postgresql*)
    [ -f "$work/calla.dump" ] || { echo "This backup is of SQLite." >&2; exit 2; }
    pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error --dbname="${url/+psycopg2/}" "$work/calla.dump" ;;
  *)
    [ -f "$work/calla.db" ] || { echo "This backup is of PostgreSQL." >&2; exit 2; }
    place=${url#sqlite:///}; place=${place:-$data/calla.db}
    rm -f "$place-wal" "$place-shm"
    put "$work/calla.db" "$place" ;;
esac
# Redis still knows what was said after the backup.
if [ -n "${REDIS_URL:-}${REDIS_URL_FILE:-}" ]; then
  "$home/.venv/bin/python" - <<'PYTHON' || echo "Redis could not be emptied of Calla's keys: restart it before you start Calla." >&2
import os, sys, redis

url = os.environ.get("REDIS_URL") or open(os.environ["REDIS_URL_FILE"]).read().strip()
try:
    with redis.from_url(url, socket_timeout=10, socket_connect_timeout=5) as connection:
        for key in connection.scan_iter("calla:*", count=1000):
            connection.delete(key)
except redis.RedisError as problem:
    sys.exit(type(problem).__name__)
PYTHON
fi
begun=$(cat "$work/begun" 2>/dev/null || echo 0)
lists=("$data/erased" "$(dirname "$file")/erased" "$@")
if ! PYTHONPATH="$home" "$home/.venv/bin/python" -m calla.erased "$begun" "$work/erasures" "${lists[@]}"; then
  echo "Restored from $file, but what was erased after the backup is back. Mend what the line above says and call" \
    "this again before you start Calla." >&2
  exit 1
fi
if [ "$(id -u)" = 0 ]; then chown --reference="$data" "$data/erasures"; fi
echo "Restored from $file."
