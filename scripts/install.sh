#!/usr/bin/env bash
# Makes .venv with exactly the locked packages. Finds uv and Python 3.10 in that order:
# what is there, what pyenv has, what uv can fetch; says what it did.
set -euo pipefail
cd "$(dirname "$0")/.."

find_uv() {
  if command -v uv >/dev/null; then command -v uv; return; fi
  if [ -x .uv/bin/uv ]; then echo .uv/bin/uv; return; fi
  local python
  python=$(command -v python3) || { echo "Calla needs Python 3 to install its tools; none is on the PATH." >&2; return 1; }
  echo "Installing uv into .uv ..." >&2
  "$python" -m venv .uv >&2 || { echo "python3 -m venv does not work here; install python3-venv." >&2; return 1; }
  .uv/bin/pip install --quiet uv==0.13.9 >&2
  echo .uv/bin/uv
}

runs_310() { [ -n "$1" ] && "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in "$(command -v python3.10 || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3.10; do
    if runs_310 "$candidate"; then echo "$candidate"; return; fi
  done
  echo "No Python 3.10 found here; letting uv fetch one ..." >&2
  "$1" python install 3.10 >&2 && "$1" python find 3.10 && return
  echo "Calla needs Python 3.10 (Rasa's limit) and could not get it. Install python3.10 and try again." >&2
  return 1
}

uv=$(find_uv)
if ! runs_310 .venv/bin/python; then
  python=$(find_python "$uv")
  echo "Making .venv with $python"
  "$uv" venv --quiet --clear --python "$python" .venv
fi
echo "Installing the locked packages ..."
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.lock
# Compiled once here instead of at every start; TensorFlow is never imported by the server.
echo "Compiling them ..."
.venv/bin/python -m compileall -q -j 0 -x 'tensorflow|/tests?/' "$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" >/dev/null 2>&1 || true
