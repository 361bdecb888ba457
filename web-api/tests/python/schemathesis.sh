#!/bin/sh
# Holds a running node against its own description with schemathesis: no 5xx, no answer that the description does not have.
#
#   SAHAKAR_URL=http://127.0.0.1:8080 SAHAKAR_TOKEN=… web-api/tests/python/schemathesis.sh [EXAMPLES]
#
# Makes an environment of its own in a temporary folder, which needs the Python package index once; or takes the program that
# SAHAKAR_SCHEMATHESIS names. What is asked and by whom: description.py.
set -eu
here=$(dirname "$0")
if [ -n "${SAHAKAR_SCHEMATHESIS:-}" ]; then
    exec python3 "$here/description.py" "$SAHAKAR_SCHEMATHESIS" "$@"
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'schemathesis>=4,<5'
python3 "$here/description.py" "$folder/venv/bin/schemathesis" "$@"
