#!/usr/bin/env bash
# New content or a new version without a gap: restarts the server processes one after the other,
# each only when the one before answers again. nginx sends people to the others meanwhile.
#   deploy/change.sh /opt/calla-2 5005 5006
# /opt/calla must be a link to the present checkout; the new one has its .venv and a trained model.
# To go back, call it with the checkout of before.
# Elsewhere, or without systemd: LINK names another link, SYSTEMCTL a program that is called
# with "restart calla@PORT" or "restart calla-actions" and returns when that is started.
set -euo pipefail
new=${1:?which checkout?}; shift
[ $# -ge 2 ] || { echo "Name the ports of at least two processes: with one there is a gap." >&2; exit 2; }
link=${LINK:-/opt/calla}
systemctl=${SYSTEMCTL:-systemctl}
# Not for the processes that are started.
unset LINK SYSTEMCTL
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
log() { if [ "$systemctl" = systemctl ]; then echo "journalctl -u calla@$1"; else echo "what $systemctl has it write to"; fi; }
restart() {
  for port in "$@"; do
    echo "Restarting the process on port $port ..."
    if ! { "$systemctl" restart "calla@$port" && ready "$port"; }; then
      echo "The process on port $port does not get ready. Its log: $(log "$port")" >&2
      return 1
    fi
  done
}
switch "$new"
if ! restart "$@"; then
  echo "Going back to $old ..." >&2
  switch "$old"
  if restart "$@"; then
    echo "Gone back: all processes run from $old again." >&2
  else
    echo "Going back did not work either: $link is $old again, and not every process is ready." >&2
  fi
  exit 1
fi
"$systemctl" restart calla-actions
echo "All processes run from $new. Before: $old."
