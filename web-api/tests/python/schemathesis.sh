#!/bin/sh
# Holds a running node against its own description with schemathesis: no 5xx, no answer that the description does not have.
#
#   SAHAKAR_URL=http://127.0.0.1:8080 SAHAKAR_TOKEN=… web-api/tests/python/schemathesis.sh [EXAMPLES]
#
# Makes an environment of its own in a temporary folder, which needs the Python package index once. What is asked and by whom:
# description.py.
set -eu
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 "$here/description.py" "$folder/venv" "$@"
