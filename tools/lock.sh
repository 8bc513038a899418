#!/bin/sh
# Writes requirements*.lock from pyproject.toml: exact versions with hashes for every Python from 3.11, and no
# registry address in them.
set -eu
cd "$(dirname "$0")/.."
compile() { out=$1; shift; uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate "$@" --output-file "$out"; }
compile requirements.lock pyproject.toml
compile requirements-dev.lock --constraint requirements.lock --extra dev pyproject.toml
compile requirements-bench.lock --constraint requirements.lock --extra bench pyproject.toml
# Tools that live in environments of their own: their dependencies are not ours.
printf 'moto[server]==5.2.5\n' | compile requirements-s3.lock -
compile airflow/requirements.lock airflow/requirements.in
printf 'pip-audit==2.10.1\n' | compile requirements-audit.lock -
printf 'setuptools==80.9.0\nwheel==0.45.1\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --allow-unsafe - --output-file requirements-build.lock 2>/dev/null \
  || printf 'setuptools==80.9.0\nwheel==0.45.1\n' | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate - --output-file requirements-build.lock
