#!/usr/bin/env bash
# Run a command in the project's environment, made or renewed first from the pins in environment.yml.
#   bash workflow/with_env.sh snakemake --profile workflow/profiles/local
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
pins=$(sed -n '/^ *- pip:$/,$ s/^ *- \(.*==.*\)$/\1/p' environment.yml)
stamp=$(printf '%s\n' "$pins" pyproject-1 | cksum | tr ' ' '-')

if [ "$(cat "$venv/stamp" 2>/dev/null || true)" != "$stamp" ]; then
    python=${PYTHON:-python3}
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "error: $("$python" --version 2>&1) is too old; Lode needs Python 3.11 or newer (set PYTHON=...)" >&2
        exit 1
    }
    echo "Setting up $venv from environment.yml (about two minutes, 6 GB; once)" >&2
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement <(printf '%s\n' "$pins")
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    printf '%s\n' "$stamp" >"$venv/stamp"
fi

# glibc gives the memory of large tensors back at every step and takes it anew, a page fault each 4 KiB
# (docs/performance.md, "Memory that is kept").
export MALLOC_MMAP_THRESHOLD_=${MALLOC_MMAP_THRESHOLD_:-4294967296} MALLOC_TRIM_THRESHOLD_=${MALLOC_TRIM_THRESHOLD_:-4294967296}

PATH="$PWD/$venv/bin:$PATH" exec "$@"
