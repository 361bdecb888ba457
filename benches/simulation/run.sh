#!/usr/bin/env bash
# Measures `sahakar simulate` beside Flower and a bare PyTorch loop, and writes RESULTS.md.
# Usage: benches/simulation/run.sh DATA_DIR [federations|throughput] [further arguments of that script]
# DATA_DIR has the four .gz files of Fashion-MNIST. SAHAKAR_BENCH_FOLDER: for the Python environment and what is measured.
# SAHAKAR_BINARY: a sahakar that is built already.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$(realpath "${1:?the folder of Fashion-MNIST}")
what=${2:-all}
shift $(($# < 2 ? $# : 2))
folder=$(realpath -m "${SAHAKAR_BENCH_FOLDER:-target/simulation}")
binary=${SAHAKAR_BINARY:-}
if [ -z "$binary" ]; then
    cargo build --release
    binary=${CARGO_TARGET_DIR:-target}/release/sahakar
fi
python=$folder/venv/bin/python
if [ ! -f "$folder/venv/ready" ]; then
    mkdir -p "$folder"
    python3 -m venv "$folder/venv"
    # PyTorch's own index has wheels without CUDA; where it is out of reach, PyPI's take 5 GB more and compute the same.
    "$python" -m pip install --quiet --index-url https://download.pytorch.org/whl/cpu "torch==2.*" \
        || "$python" -m pip install --quiet "torch==2.*"
    "$python" -m pip install --quiet "numpy>=1.26,<3" "flwr[simulation]==1.41.0"
    touch "$folder/venv/ready"
fi
run() { # run SCRIPT [ARGUMENT…]
    "$python" "benches/simulation/$1.py" --binary "$(realpath "$binary")" --data-dir "$data" --folder "$folder" "${@:2}"
}
case $what in
    all) run federations && run throughput ;;
    federations | throughput) run "$what" "$@" ;;
    *) echo "$0: federations or throughput, not $what" >&2 && exit 2 ;;
esac
