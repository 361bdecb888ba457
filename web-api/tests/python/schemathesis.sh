#!/bin/sh
# Holds a running node against its own description with schemathesis: no 5xx, no answer that the description does not have.
#
#   SAHAKAR_URL=http://127.0.0.1:8080 SAHAKAR_TOKEN=… web-api/tests/python/schemathesis.sh [EXAMPLES]
#
# Makes an environment of its own in a temporary folder, which needs the Python package index once.
set -eu
url=${SAHAKAR_URL:-http://127.0.0.1:8080}
examples=${1:-25}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'schemathesis>=4,<5'
set -- run "$url/openapi.json" --url "$url" --seed 1 --max-examples "$examples" \
    --phases examples,fuzzing --generation-deterministic \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
if [ -n "${SAHAKAR_TOKEN:-}" ]; then
    set -- "$@" --header "Authorization: Bearer $SAHAKAR_TOKEN"
fi
exec "$folder/venv/bin/schemathesis" "$@"
