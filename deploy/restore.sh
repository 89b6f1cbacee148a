#!/usr/bin/env bash
# Puts a backup of deploy/backup.sh back. Stop every Calla process first.
#   deploy/restore.sh FILE
# What was erased after the backup is in it again: erase it once more (docs/privacy.md).
set -euo pipefail
umask 077
file=${1:?which backup?}
data=${CALLA_DATA_FOLDER:-var}
url=${DATABASE_URL:-}
[ -n "$url" ] || [ -z "${DATABASE_URL_FILE:-}" ] || url=$(cat "$DATABASE_URL_FILE")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
tar -C "$work" -xf "$file"
mkdir -p "$data"
case "${url:-sqlite}" in
  postgresql*)
    [ -f "$work/calla.dump" ] || { echo "This backup is of SQLite." >&2; exit 2; }
    pg_restore --clean --if-exists --no-owner --single-transaction --exit-on-error --dbname="${url/+psycopg2/}" "$work/calla.dump" ;;
  *)
    [ -f "$work/calla.db" ] || { echo "This backup is of PostgreSQL." >&2; exit 2; }
    place=${url#sqlite:///}; place=${place:-$data/calla.db}
    rm -f "$place-wal" "$place-shm"
    mv "$work/calla.db" "$place" ;;
esac
if [ -f "$work/erasures" ]; then mv "$work/erasures" "$data/erasures"; fi
echo "Restored from $file."
