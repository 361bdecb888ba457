#!/usr/bin/env python3
"""Computes models from their files: ONNX by onnxruntime, safetensors by numpy, and compares with what is expected.

usage: model_files.py VENV FOLDER

FOLDER has, for each model NAME, NAME.onnx, NAME.safetensors and NAME.json: {"architecture", "mean", "deviation",
"inputs": [[…]], "probabilities": [[…]]}. Makes its own virtual environment in VENV, once. Exits 1 at the first
difference above 1e-5.
"""

import glob
import json
import os
import subprocess
import sys
import venv

# All that they bring: what is published tomorrow may not fail a change of today.
PACKAGES = [
    "flatbuffers==25.12.19", "ml_dtypes==0.6.0", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0", "packaging==26.3",
    "protobuf==7.36.2", "safetensors==0.8.0", "typing_extensions==4.16.0",
]
TOLERANCE = 1e-5


def python_of(folder):
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


def sigmoid(x):
    import numpy as np

    return 1 / (1 + np.exp(-x))


def dense(tensors, values):
    import numpy as np

    index = 0
    while f"layers.{index}.weight" in tensors:
        if index > 0:
            values = np.maximum(values, 0)
        values = values @ tensors[f"layers.{index}.weight"] + tensors[f"layers.{index}.bias"]
        index += 1
    return values


def convolved(tensors, architecture, values):
    import numpy as np

    rows = len(values)
    values = values.reshape(rows, architecture["channels"], architecture["height"], architecture["width"])
    for index, stage in enumerate(architecture["convolutions"]):
        weight, side = tensors[f"convolutions.{index}.weight"], stage["kernel"]
        margin = side // 2 if stage["padding"] == "same" else 0
        values = np.pad(values, ((0, 0), (0, 0), (margin, margin), (margin, margin)))
        windows = np.lib.stride_tricks.sliding_window_view(values, (side, side), axis=(2, 3))
        values = np.einsum("nchwyx,ocyx->nohw", windows, weight)
        values = np.maximum(values + tensors[f"convolutions.{index}.bias"][None, :, None, None], 0)
        if stage["pooling"] == "max2":
            height, width = values.shape[2] // 2, values.shape[3] // 2
            values = values[:, :, : 2 * height, : 2 * width]
            values = values.reshape(rows, -1, height, 2, width, 2).max(axis=(3, 5))
    return dense(tensors, values.reshape(rows, -1))


def recurrent(tensors, architecture, values):
    import numpy as np

    sequence = tensors["embedding.weight"][values.astype(int)].transpose(1, 0, 2)
    hidden = architecture["hidden"]
    for layer in range(architecture["layers"]):
        def of(name):
            return tensors[f"recurrent.{layer}.{name}"]

        state, states = np.zeros((len(values), hidden)), []
        for value in sequence:
            a = np.split(value @ of("input.weight") + of("input.bias"), 3, axis=1)
            b = np.split(state @ of("state.weight") + of("state.bias"), 3, axis=1)
            reset, keep = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
            new = np.tanh(a[2] + reset * b[2])
            state = (1 - keep) * new + keep * state
            states.append(state)
        sequence = np.stack(states)
    return dense(tensors, sequence[-1])


def embedded(tensors, architecture, values):
    import numpy as np

    numeric = architecture["numeric"]
    parts = [values[:, :numeric]]
    for index in range(len(architecture["categorical"])):
        parts.append(tensors[f"embeddings.{index}.weight"][values[:, numeric + index].astype(int)])
    return dense(tensors, np.concatenate(parts, axis=1))


def by_numpy(path, case):
    import numpy as np
    from safetensors.numpy import load_file

    tensors = {name: tensor.astype(np.float64) for name, tensor in load_file(path).items()}
    values = (np.array(case["inputs"]) - case["mean"]) / np.array(case["deviation"])
    architecture = case["architecture"]
    kinds = {"cnn": convolved, "char_gru": recurrent, "table_mlp": embedded}
    if architecture["kind"] in kinds:
        outputs = kinds[architecture["kind"]](tensors, architecture, values)
    else:
        outputs = dense(tensors, values)
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def by_onnxruntime(path, case):
    import numpy as np
    import onnx
    import onnxruntime

    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = np.array(case["inputs"], dtype=np.float32)
    probabilities, labels = session.run(["probabilities", "label"], {"input": inputs})
    if labels.tolist() != np.array(case["probabilities"]).argmax(axis=1).tolist():
        sys.exit(f"{path}: other labels: {labels}")
    named = session.get_modelmeta().custom_metadata_map
    if named.get("digest") != "of a test":
        sys.exit(f"{path}: other metadata: {named}")
    return probabilities


def main(folder):
    import numpy as np

    cases = sorted(glob.glob(os.path.join(folder, "*.json")))
    if not cases:
        sys.exit(f"no models in {folder}")
    for path in cases:
        with open(path, encoding="utf-8") as file:
            case = json.load(file)
        expected = np.array(case["probabilities"])
        for suffix, compute in ((".safetensors", by_numpy), (".onnx", by_onnxruntime)):
            got = compute(path.removesuffix(".json") + suffix, case)
            difference = np.abs(got - expected).max()
            print(f"{os.path.basename(path)} {suffix}: largest difference {difference:.1e}")
            if not difference <= TOLERANCE:
                sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if os.environ.get("MODEL_FILES_IN_VENV") != "1":
        interpreter = python_of(sys.argv[1])
        os.environ["MODEL_FILES_IN_VENV"] = "1"
        os.execv(interpreter, [interpreter, *sys.argv])
    main(sys.argv[2])
