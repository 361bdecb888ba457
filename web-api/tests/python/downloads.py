#!/usr/bin/env python3
"""Verifies and computes what was downloaded of a model.

usage: downloads.py VENV FOLDER

FOLDER has wine-1/{README.md,model.onnx,model.safetensors,model.sig}, key.pem and expected.json: {"inputs",
"probabilities", "digest"}. Makes its own virtual environment in VENV, once. Exits 1 at the first thing that is not as
it has to be.
"""

import json
import os
import shutil
import sys

# What is imported here leaves no files between the sources.
sys.dont_write_bytecode = True
import environment  # noqa: E402

# model-signing imports pyOpenSSL without naming it.
PACKAGES = ["numpy", "onnxruntime", "safetensors", "model-signing", "pyopenssl", "huggingface_hub"]


def check(condition, what):
    if not condition:
        sys.exit(f"not as it has to be: {what}")


def signature(model, key):
    import model_signing

    def verify(folder):
        config = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key)
        config.verify(folder, os.path.join(folder, "model.sig"))

    verify(model)
    for name in ("README.md", "model.onnx", "model.safetensors"):
        altered = model + "-altered"
        shutil.copytree(model, altered)
        with open(os.path.join(altered, name), "r+b") as file:
            file.seek(40)
            file.write(b"X")
        try:
            verify(altered)
            sys.exit(f"an altered {name} was taken for the signed one")
        except ValueError:
            pass
        shutil.rmtree(altered)


def predictions(model, expected):
    import numpy as np
    import onnxruntime
    from safetensors import safe_open

    wanted = np.array(expected["probabilities"]).reshape(len(expected["inputs"]), -1)
    inputs = np.array(expected["inputs"], dtype=np.float32)
    session = onnxruntime.InferenceSession(os.path.join(model, "model.onnx"))
    got = session.run(["probabilities"], {"input": inputs})[0]
    check(np.abs(got - wanted).max() <= 1e-5, f"ONNX: {got} for {wanted}")
    onnx = session.get_modelmeta().custom_metadata_map
    with safe_open(os.path.join(model, "model.safetensors"), framework="numpy") as file:
        metadata = file.metadata()
        weight, bias = file.get_tensor("layers.0.weight"), file.get_tensor("layers.0.bias")
    scaled = (inputs - json.loads(metadata["sahakar.mean"])) / json.loads(metadata["sahakar.deviation"])
    powers = np.exp(scaled @ weight + bias)
    got = powers / powers.sum(axis=1, keepdims=True)
    check(np.abs(got - wanted).max() <= 1e-5, f"safetensors: {got} for {wanted}")
    check(metadata == onnx, "both files say the same about themselves")
    check(metadata["sahakar.digest"] == expected["digest"], "the digest in the files")


def card(model):
    from huggingface_hub import ModelCard

    with open(os.path.join(model, "README.md"), encoding="utf-8") as file:
        data = ModelCard(file.read()).data
    check(data.license == "unknown" and "federated-learning" in data.tags, "front-matter")
    check(data.eval_results[0].metric_value == 0.75, "the accuracy in the front-matter")


def main(folder):
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    model = os.path.join(folder, "wine-1")
    signature(model, os.path.join(folder, "key.pem"))
    predictions(model, expected)
    card(model)
    print("downloads: all as it has to be")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    environment.become(sys.argv[1], PACKAGES)
    main(sys.argv[2])
