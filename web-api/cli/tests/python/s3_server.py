#!/usr/bin/env python3
"""Runs moto's S3 server on loopback for a test, and does to its objects what the test says.

usage: s3_server.py VENV

Makes its own virtual environment in VENV, once. The server checks every signature, by botocore's implementation of SigV4,
against the one key that it has. Prints a line of JSON with the endpoint and that key, then answers each line of standard
input with a line of JSON: "list" with the objects' keys, "alter KEY" and "lose KEY" once it is done. Ends with its
standard input.
"""

import json
import os
import subprocess
import sys
import venv

PACKAGES = ["moto[server]==5.2.5", "boto3"]
BUCKET = "updates"
REGION = "eu-central-1"
# Calls of `prepared`, before signatures count.
UNCHECKED = "4"


def python_of(folder):
    python = os.path.join(folder, "bin", "python")
    done = os.path.join(folder, "done")
    if not os.path.exists(done):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *PACKAGES], check=True)
        open(done, "w", encoding="utf-8").close()
    return python


def client(service, endpoint, key):
    import boto3

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def prepared(endpoint):
    """A bucket, and a key that may do anything with objects: the only one that counts from here on."""
    nobody = {"AccessKeyId": "nobody", "SecretAccessKey": "nothing"}
    iam = client("iam", endpoint, nobody)
    iam.create_user(UserName="aggregator")
    allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="aggregator", PolicyName="objects", PolicyDocument=policy)
    key = iam.create_access_key(UserName="aggregator")["AccessKey"]
    constraint = {"LocationConstraint": REGION}
    client("s3", endpoint, nobody).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=constraint)
    return key


def refuses_other_keys(endpoint, key):
    from botocore.exceptions import ClientError

    for wrong in [{**key, "SecretAccessKey": "wrong"}, {**key, "AccessKeyId": "AKIAWRONG"}]:
        try:
            client("s3", endpoint, wrong).list_objects_v2(Bucket=BUCKET)
        except ClientError:
            continue
        sys.exit("the server takes what is signed by another key")


def answer(s3, command, name):
    if command == "list":
        listed = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [one["Key"] for page in listed for one in page.get("Contents", [])]
    if command == "lose":
        s3.delete_object(Bucket=BUCKET, Key=name)
    else:
        body = bytearray(s3.get_object(Bucket=BUCKET, Key=name)["Body"].read())
        # Within the parts: lengths stand in front.
        body[len(body) // 2] ^= 1
        s3.put_object(Bucket=BUCKET, Key=name, Body=bytes(body))
    return "done"


def main():
    import threading

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    key = prepared(endpoint)
    refuses_other_keys(endpoint, key)
    s3 = client("s3", endpoint, key)
    told = {"endpoint": endpoint, "region": REGION, "bucket": BUCKET}
    told |= {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        print(json.dumps(answer(s3, command, name)), flush=True)


if __name__ == "__main__":
    if "SAHAKAR_S3_SERVER" in os.environ:
        main()
    else:
        python = python_of(sys.argv[1])
        environment = {**os.environ, "SAHAKAR_S3_SERVER": "1", "INITIAL_NO_AUTH_ACTION_COUNT": UNCHECKED}
        # Nothing of the machine's own accounts.
        environment |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        os.execve(python, [python, *sys.argv], environment)
