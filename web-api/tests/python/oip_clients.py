#!/usr/bin/env python3
"""Speaks the Open Inference Protocol with a server by an unmodified tritonclient.

usage: oip_clients.py VENV BASE_URL API_KEY MODEL

The model has two features, the second class is "fine". Makes its own virtual environment in VENV, once. Exits 1 at
the first thing that is not as it has to be.
"""

import sys

# What is imported here leaves no files between the sources.
sys.dont_write_bytecode = True
import environment  # noqa: E402

PACKAGES = ["tritonclient[http]", "numpy"]


def check(condition, what):
    if not condition:
        sys.exit(f"not as it has to be: {what}")


def refused(call, status, what):
    from tritonclient.utils import InferenceServerException

    try:
        call()
    except InferenceServerException as error:
        check(error.status() == str(status), f"{what}: status {error.status()}, {error}")
        return str(error)
    sys.exit(f"not refused: {what}")


# tritonclient writes its own headers into the caller's: each request gets a copy.
def probabilities(client, headers, array, datatype, binary, **more):
    import tritonclient.http as triton

    tensor = triton.InferInput("input", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary)]
    result = client.infer("wine", [tensor], outputs=outputs, headers=dict(headers or {}), **more)
    return result.as_numpy("probabilities")


def metadata(client, model):
    check(client.is_server_live() and client.is_server_ready(), "the server's health")
    check(client.is_model_ready(model) and client.is_model_ready(model, "1"), "the model's health")
    check(not client.is_model_ready("beer"), "a model that does not exist is not ready")
    server = client.get_server_metadata()
    check("binary_tensor_data" in server["extensions"], "the server's extensions")
    described = client.get_model_metadata(model)
    check(described == client.get_model_metadata(model, "1"), "the version's metadata")
    check(described["inputs"][0]["shape"] == [-1, 2], "the model's input")


def types(client, headers):
    import numpy as np

    rows = np.array([[1, 10], [3, 9]])
    expected = probabilities(client, headers, rows.astype(np.float32), "FP32", True)
    check(expected.shape == (2, 2) and abs(expected.sum() - 2) < 1e-5, "probabilities")
    for dtype, datatype in [
        (np.uint8, "UINT8"), (np.uint16, "UINT16"), (np.uint32, "UINT32"), (np.uint64, "UINT64"),
        (np.int8, "INT8"), (np.int16, "INT16"), (np.int32, "INT32"), (np.int64, "INT64"),
        (np.float16, "FP16"), (np.float32, "FP32"), (np.float64, "FP64"),
    ]:
        for binary in (True, False):
            got = probabilities(client, headers, rows.astype(dtype), datatype, binary)
            check(np.array_equal(got, expected), f"{datatype}, binary: {binary}")
    bits = np.array([[True, False]])
    for binary in (True, False):
        got = probabilities(client, headers, bits, "BOOL", binary)
        same = probabilities(client, headers, bits.astype(np.float32), "FP32", binary)
        check(np.array_equal(got, same), f"BOOL, binary: {binary}")
    large = np.ones((512, 2), dtype=np.float32)
    plain = probabilities(client, headers, large, "FP32", True)
    for coding in ("gzip", "deflate"):
        got = probabilities(
            client, dict(headers), large, "FP32", True,
            request_compression_algorithm=coding, response_compression_algorithm=coding,
        )
        check(np.array_equal(got, plain), coding)
        got = probabilities(
            client, dict(headers), large, "FP32", False,
            request_compression_algorithm=coding, response_compression_algorithm=coding,
        )
        check(np.array_equal(got, plain), f"{coding}, JSON")


def outputs(client, headers, model):
    import numpy as np
    import tritonclient.http as triton

    tensor = triton.InferInput("input", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.array([[1, 10]], dtype=np.float32))
    every = client.infer(model, [tensor], request_id="mine", headers=dict(headers or {}))
    check(every.get_response()["id"] == "mine", "the request's id")
    check(every.as_numpy("label").tolist() == [b"fine"], "labels, binary")
    text = triton.InferRequestedOutput("label", binary_data=False)
    only = client.infer(model, [tensor], model_version="1", outputs=[text], headers=dict(headers or {}))
    check(only.as_numpy("label").tolist() == ["fine"], "labels, JSON")
    check(only.as_numpy("probabilities") is None, "only what was asked for")
    for binary in (True, False):
        best = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=1)
        named = client.infer(model, [tensor], outputs=[best], headers=dict(headers or {}))
        value = named.as_numpy("probabilities")[0][0]
        value = value.decode() if isinstance(value, bytes) else value
        check(value.endswith(":1:fine"), f"classification: {value}")
    column = []
    for name, value in (("alcohol", 10), ("acidity", 1)):
        part = triton.InferInput(name, [1, 1], "INT64")
        part.set_data_from_numpy(np.array([[value]], dtype=np.int64))
        column.append(part)
    by_feature = client.infer(model, column, headers=dict(headers or {}))
    check(
        np.array_equal(by_feature.as_numpy("probabilities"), every.as_numpy("probabilities")),
        "one tensor for each feature",
    )
    later = client.async_infer(model, [tensor], headers=dict(headers or {})).get_result()
    check(np.array_equal(later.as_numpy("probabilities"), every.as_numpy("probabilities")), "async")


def refusals(client, headers, model):
    import numpy as np
    import tritonclient.http as triton

    def ask(array, datatype, name="input", model=model, headers=headers, **more):
        tensor = triton.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array)
        return lambda: client.infer(model, [tensor], headers=dict(headers or {}), **more)

    good = np.array([[1, 10]], dtype=np.float32)
    refused(ask(good, "FP32", headers=None), 401, "no key")
    refused(ask(good, "FP32", model="beer"), 404, "an unknown model")
    refused(ask(good, "FP32", model_version="9"), 404, "an unknown version")
    refused(ask(good, "FP32", name="other"), 400, "an unknown input")
    refused(ask(np.ones((1, 3), dtype=np.float32), "FP32"), 400, "a wrong shape")
    refused(ask(good * np.nan, "FP32"), 400, "not a number")
    refused(ask(np.array([[2**24 + 1, 0]]), "INT64"), 400, "an integer without an FP32")
    refused(ask(np.array([["a", "b"]], dtype=object), "BYTES"), 400, "texts for numbers")


def main(base_url, api_key, model):
    import tritonclient.http as triton

    client = triton.InferenceServerClient(base_url.removeprefix("http://"))
    headers = {"Authorization": f"Bearer {api_key}"}
    metadata(client, model)
    types(client, headers)
    outputs(client, headers, model)
    refusals(client, headers, model)
    print("tritonclient: all as it has to be")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    environment.become(sys.argv[1], PACKAGES)
    main(*sys.argv[2:])
