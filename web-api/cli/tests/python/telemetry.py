#!/usr/bin/env python3
"""Reads figures and spans of a node by the parsers of Prometheus and OpenTelemetry.

usage: telemetry.py VENV figures FILE     FILE has a text in Prometheus' format 0.0.4
       telemetry.py VENV spans FILE       FILE has a list of ExportTraceServiceRequest in OTLP's JSON form

Makes its own virtual environment in VENV, once for each list of packages. Exits 1 at the first thing that is not as it has
to be.
"""

import base64
import fcntl
import json
import os
import subprocess
import sys
import venv

PACKAGES = ["opentelemetry-proto==1.45.2", "prometheus-client==0.26.0", "protobuf==7.36.2"]


def python_of(folder):
    # Tests that run at the same time make one environment, not two in the same place.
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return locked_python_of(folder)


def locked_python_of(folder):
    python = os.path.join(folder, "bin", "python")
    done = os.path.join(folder, "done")
    wanted = "\n".join([sys.version, *PACKAGES])
    if not os.path.exists(done) or open(done, encoding="utf-8").read() != wanted:
        venv.create(folder, with_pip=True, clear=True)
        if subprocess.run([python, "-m", "pip", "-q", "install", *PACKAGES], check=False).returncode != 0:
            sys.exit("the Python package index did not give the packages: without them this test cannot be run")
        with open(done, "w", encoding="utf-8") as file:
            file.write(wanted)
    return python


def check(condition, what):
    if not condition:
        sys.exit(f"not as it has to be: {what}")


def figures(text):
    from prometheus_client.parser import text_string_to_metric_families

    families = list(text_string_to_metric_families(text))
    check(families, "there are figures")
    names = [family.name for family in families]
    check(len(names) == len(set(names)), f"each family is there once: {sorted(names)}")
    for family in families:
        check(family.type in ("counter", "gauge", "histogram"), f"the kind of {family.name}: {family.type}")
        check(family.documentation, f"the help of {family.name}")
        if family.type == "histogram":
            buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
            counts = [sample.value for sample in buckets]
            check(counts == sorted(counts), f"{family.name} is cumulative")
            check(buckets[-1].labels["le"] == "+Inf", f"the last bucket of {family.name}")
            (count,) = [s.value for s in family.samples if s.name.endswith("_count")]
            check(count == counts[-1], f"the count of {family.name}")
    print(f"prometheus_client: {len(families)} families")


def as_protobuf_has_it(span):
    """Ids are hexadecimal in OTLP's JSON, and base64 in protobuf's: the one difference between them (OTLP 1.3, JSON)."""
    for name in ("traceId", "spanId", "parentSpanId"):
        if name in span:
            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return span


def spans(documents):
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    count = 0
    for document in documents:
        for of_resource in document["resourceSpans"]:
            for of_scope in of_resource["scopeSpans"]:
                of_scope["spans"] = [as_protobuf_has_it(span) for span in of_scope["spans"]]
        # Fields that the schema does not know are refused.
        request = ParseDict(document, ExportTraceServiceRequest())
        read = ExportTraceServiceRequest.FromString(request.SerializeToString())
        for of_resource in read.resource_spans:
            attributes = {a.key: a.value.string_value for a in of_resource.resource.attributes}
            check(attributes.get("service.name") == "sahakar", f"the service: {attributes}")
            for span in (span for of_scope in of_resource.scope_spans for span in of_scope.spans):
                check(len(span.trace_id) == 16 and len(span.span_id) == 8, "the lengths of ids")
                check(0 < span.start_time_unix_nano <= span.end_time_unix_nano, "times")
                count += 1
    check(count > 0, "there are spans")
    print(f"opentelemetry-proto: {count} spans")


def main(what, path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if what == "figures":
        figures(text)
    else:
        spans(json.loads(text))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[2] not in ("figures", "spans"):
        sys.exit(__doc__)
    if os.environ.get("TELEMETRY_IN_VENV") != "1":
        interpreter = python_of(sys.argv[1])
        os.environ["TELEMETRY_IN_VENV"] = "1"
        os.execv(interpreter, [interpreter, *sys.argv])
    main(*sys.argv[2:])
