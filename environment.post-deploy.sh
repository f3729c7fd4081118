#!/usr/bin/env bash
# Install Lode itself into an environment that conda made from environment.yml. Snakemake runs this by its name after
# `--software-deployment-method conda` has made one; by hand: `conda run -n lode bash environment.post-deploy.sh`.
# Editable, as the workflow runs in the checkout; in environment.yml it could not stand, since Snakemake has conda
# read a copy of that file in another folder.
set -euo pipefail
python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
