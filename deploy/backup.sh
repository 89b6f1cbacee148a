#!/usr/bin/env bash
# Backs up Calla's database and what belongs to it, while Calla runs:
#   deploy/backup.sh FOLDER
# Reads DATABASE_URL (or DATABASE_URL_FILE) and CALLA_DATA_FOLDER from the environment, as Calla does.
# The file holds health questions: keep it encrypted, and no longer than CALLA_RETENTION_DAYS.
set -euo pipefail
umask 077
folder=${1:?where to?}
mkdir -p "$folder"
data=${CALLA_DATA_FOLDER:-var}
url=${DATABASE_URL:-}
[ -n "$url" ] || [ -z "${DATABASE_URL_FILE:-}" ] || url=$(cat "$DATABASE_URL_FILE")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
case "${url:-sqlite}" in
  postgresql*) pg_dump --format=custom --no-owner --file="$work/calla.dump" "${url/+psycopg2/}" ;;
  sqlite) sqlite3 "$data/calla.db" ".backup '$work/calla.db'" ;;
  sqlite:///*) sqlite3 "${url#sqlite:///}" ".backup '$work/calla.db'" ;;
esac
# Erasures that are noted and not done: without them a restored conversation would come back for good.
if [ -f "$data/erasures" ]; then cp "$data/erasures" "$work/"; fi
file="$folder/calla-$(date -u +%Y%m%dT%H%M%SZ).tar"
tar -C "$work" -cf "$file.part" . && mv "$file.part" "$file"
echo "$file"
