#!/usr/bin/env bash
# Backs up Calla's database and what belongs to it, while Calla runs:
#   deploy/backup.sh FOLDER
# Reads DATABASE_URL (or DATABASE_URL_FILE) and CALLA_DATA_FOLDER from the environment, as Calla does.
# The file holds health questions: keep it encrypted, and no longer than CALLA_RETENTION_DAYS.
set -euo pipefail
umask 077
folder=${1:?where to?}
data=${CALLA_DATA_FOLDER:-$(dirname "$0")/../var}
# A running Calla always has this file. Without the erasures that are noted and not done, a restored
# conversation would come back for good.
if [ ! -f "$data/erasures" ]; then
  echo "No backup: $data has no file \"erasures\", so it is not the data folder of a Calla that has run." \
    "Set CALLA_DATA_FOLDER as Calla has it (set -a; . /etc/calla/env; set +a)." >&2
  exit 2
fi
mkdir -p "$folder"
url=${DATABASE_URL:-}
[ -n "$url" ] || [ -z "${DATABASE_URL_FILE:-}" ] || url=$(cat "$DATABASE_URL_FILE")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
# Whatever is erased from now on is erased again after a restore.
date +%s > "$work/begun"
case "${url:-sqlite}" in
  postgresql*) pg_dump --format=custom --no-owner --file="$work/calla.dump" "${url/+psycopg2/}" ;;
  sqlite) sqlite3 "$data/calla.db" ".backup '$work/calla.db'" ;;
  sqlite:///*) sqlite3 "${url#sqlite:///}" ".backup '$work/calla.db'" ;;
esac
cp "$data/erasures" "$work/"
# What has been erased, as times and hashes, beside the backups: a restore of an older one needs the newest list.
if [ -d "$data/erased" ]; then
  mkdir -p "$folder/erased" && cp -rp "$data/erased/." "$folder/erased/"
  find "$folder/erased" -type f -mtime "+$((${CALLA_RETENTION_DAYS:-30} + 1))" -delete
fi
file="$folder/calla-$(date -u +%Y%m%dT%H%M%SZ).tar"
tar -C "$work" -cf "$file.part" . && mv "$file.part" "$file"
echo "$file"
