#!/usr/bin/env bash
# New content or a new version without a gap: restarts the server processes one after the other,
# each only when the one before answers again. nginx sends people to the others meanwhile.
#   deploy/change.sh /opt/calla-2 5005 5006
# /opt/calla must be a link to the present checkout; the new one has its .venv and a trained model.
# To go back, call it with the checkout of before.
set -euo pipefail
new=${1:?which checkout?}; shift
[ $# -ge 2 ] || { echo "Name the ports of at least two processes: with one there is a gap." >&2; exit 2; }
link=${CALLA_LINK:-/opt/calla}
[ -L "$link" ] || { echo "$link is no link to a checkout." >&2; exit 2; }
# Its model is there, whole, and fits: a server that will not start is found before anything changes.
(cd "$new" && .venv/bin/python -c 'from calla.model import latest_model; print("Model:", latest_model().name)')
old=$(readlink -f "$link")
switch() { ln -sfn "$1" "$link.next" && mv -T "$link.next" "$link"; }
ready() {
  for _ in $(seq 240); do
    curl --silent --fail --max-time 2 "http://127.0.0.1:$1/health/ready" >/dev/null && return
    sleep 0.5
  done
  return 1
}
restart() {
  for port in "$@"; do
    echo "Restarting the process on port $port ..."
    ${CALLA_SYSTEMCTL:-systemctl} restart "calla@$port" && ready "$port" || return 1
  done
}
switch "$new"
if ! restart "$@"; then
  echo "It does not get ready: going back to $old." >&2
  switch "$old"
  restart "$@" || true
  exit 1
fi
${CALLA_SYSTEMCTL:-systemctl} restart calla-actions
echo "All processes run from $new. Before: $old."
