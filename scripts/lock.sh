#!/usr/bin/env bash
# Writes the lock files from pyproject.toml: exact versions and hashes, no addresses.
set -euo pipefail
cd "$(dirname "$0")/.."
common=(--quiet --python-version 3.10 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "scripts/lock.sh")
uv pip compile "${common[@]}" pyproject.toml --output-file requirements.lock
uv pip compile "${common[@]}" pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
