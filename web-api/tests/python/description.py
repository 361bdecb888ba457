#!/usr/bin/env python3
"""Holds a running node against its own description with schemathesis: no 5xx, no answer that the description does not have.

usage: SAHAKAR_URL=http://127.0.0.1:8080 SAHAKAR_TOKEN=… [SAHAKAR_API_KEY=…] description.py VENV [EXAMPLES]

Makes its own virtual environment in VENV, once. Everything is asked by nobody, by a buyer and by
the operator, once with invented names and once with names that the node has (an invented name finds what a refusal looks
like, and never what an answer does). Issues API keys and books deposits: run it against a node whose ledger may be thrown away.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request

# What is imported here leaves no files between the sources.
sys.dont_write_bytecode = True
import environment  # noqa: E402

PACKAGES = ["schemathesis"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Each ends the key that the others need.
NOT_WITH_REAL_NAMES = [
    "DELETE /v1/keys/{id}",
    "POST /v1/keys/{id}/rotation",
    "PUT /v1/keys/{id}/grant",
    "DELETE /v1/keys/{id}/buyer",
    "DELETE /v1/members/{key}/label",
]


def ask(url, token=None, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Idempotency-Key", "description-" + os.urandom(8).hex())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer), answer.headers


def names_of(url, token):
    """What the node has, by operation; the buyer's key; and the model."""
    key, _ = ask(f"{url}/v1/keys", token, {"buyer": "Description", "deposit": "100000000"})
    api_key = os.environ.get("SAHAKAR_API_KEY", key["api_key"])
    model = ask(f"{url}/v1/models")[0]["models"][0]
    federation = ask(f"{url}/v1/federations")[0]["federations"][0]["name"]
    members = ask(f"{url}/v1/members")[0]["members"]
    proposals = ask(f"{url}/v1/proposals")[0]["proposals"]
    ask(f"{url}/v1/purchases", api_key, {"model": model["name"], "calls": 1000})
    inputs = ask(f"{url}/v2/models/{model['name']}")[0]["inputs"][0]
    width = int(inputs["shape"][-1])
    tensor = {"name": "input", "shape": [1, width], "datatype": "FP32", "data": [0.5] * width}
    _, headers = ask(f"{url}/v2/models/{model['name']}/infer", api_key, {"inputs": [tensor]})
    receipt = headers["Sahakar-Receipt"].rsplit("/", 1)[1]
    by_prefix = {
        "/v1/federations/": {"name": federation, "key": members[0]["member"]},
        "/v1/models/": {"name": model["name"], "version": "1", "file": "README.md"},
        "/v2/models/": {"name": model["name"], "version": "1"},
        "/v1/keys/": {"id": key["key_id"]},
        "/v1/members/": {"key": members[0]["member"]},
        "/v1/receipts/": {"id": receipt},
        "/v1/ledger/entries/": {"index": 1},
        "/problems/": {"slug": "not-found"},
        "/tile/": {"path": "0/000.p/1"},
    }
    if proposals:
        by_prefix["/v1/proposals/"] = {"id": proposals[0]["id"]}
    return by_prefix, api_key, (model["name"], tensor)


def config(description, by_prefix):
    """A configuration of schemathesis in which paths have these names."""
    lines = []
    for path, operations in description["paths"].items():
        names = next((names for prefix, names in by_prefix.items() if path.startswith(prefix)), {})
        names = {name: value for name, value in names.items() if "{" + name + "}" in path}
        for method in operations:
            if names:
                values = ", ".join(f'"path.{name}" = {json.dumps(value)}' for name, value in names.items())
                lines += ["[[operations]]", f'include-name = "{method.upper()} {path}"', f"parameters = {{ {values} }}"]
    return "\n".join(lines) + "\n"


def with_examples(description, model, tensor):
    """The description with bodies that this node can answer: its own model, and a row for it."""
    text = json.dumps(description)
    text = text.replace('"example": "wine"', f'"enum": [{json.dumps(model)}], "example": {json.dumps(model)}')
    described = json.loads(text)
    for path, operations in described["paths"].items():
        if path.endswith("/infer"):
            content = operations["post"]["requestBody"]["content"]["application/json"]
            content["example"] = {"id": "1", "inputs": [tensor]}
    return described


def run(program, folder, source, caller, examples):
    spec = os.path.join(folder, "description.json")
    with open(spec, "w", encoding="utf-8") as file:
        json.dump(source["description"], file)
    toml = os.path.join(folder, "schemathesis.toml")
    with open(toml, "w", encoding="utf-8") as file:
        file.write(source["config"])
    command = [program, "--config-file", toml, "run", spec, "--url", source["url"], "--seed", "1",
               "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing", "--generation-deterministic",
               "--checks", CHECKS, "--no-color", "--warnings", "off"]
    for name in source["without"]:
        command += ["--exclude-name", name]
    who, token = caller
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    counts = re.search(r"(\d+) generated.*", done.stdout)
    print(f"{source['names']} names, {who}: {counts[0] if counts else 'no test ran'}", flush=True)
    if done.returncode != 0 or not counts:
        print(done.stdout[-40_000:], done.stderr[-4_000:])
    return done.returncode == 0 and counts is not None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    examples = int(sys.argv[2]) if len(sys.argv) > 2 else 25
    program = os.path.join(environment.ready(sys.argv[1], PACKAGES), "schemathesis")
    url = os.environ.get("SAHAKAR_URL", "http://127.0.0.1:8080").rstrip("/")
    token = os.environ.get("SAHAKAR_TOKEN", "")
    if not token:
        sys.exit("SAHAKAR_TOKEN, the operator's token, is missing")
    description, _ = ask(f"{url}/openapi.json")
    by_prefix, api_key, (model, tensor) = names_of(url, token)
    invented = {"names": "invented", "description": description, "config": "", "without": [], "url": url}
    real = {"names": "real", "description": with_examples(description, model, tensor),
            "config": config(description, by_prefix), "without": NOT_WITH_REAL_NAMES, "url": url}
    callers = [("nobody", ""), ("a buyer", api_key), ("the operator", token)]
    with tempfile.TemporaryDirectory() as folder:
        clean = [run(program, folder, source, caller, examples) for source in (invented, real) for caller in callers]
    sys.exit(0 if all(clean) else 1)


if __name__ == "__main__":
    main()
