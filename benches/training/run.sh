#!/usr/bin/env bash
# Trains the same models with our engine, with burn and with PyTorch, one thread each and in turn, and prints one table.
# Usage: benches/training/run.sh [MODEL ...]   (mlp, mcmahan, small, gru)
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${SAHAKAR_BENCH_FOLDER:-target/training}
mkdir -p "$folder"
if [ ! -x "$folder/venv/bin/python" ]; then
    python3 -m venv "$folder/venv"
fi
"$folder/venv/bin/pip" install --quiet "torch==2.15.0" "numpy>=1.26,<3"
cargo build --release --workspace --example training_speed
speed=${CARGO_TARGET_DIR:-target}/release/examples/training_speed
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 RAYON_NUM_THREADS=1
: >"$folder/lines.json"
for model in "${@:-mlp mcmahan small gru}"; do
    for name in $model; do
        "$folder/venv/bin/python" benches/training/torch_speed.py "$name" >>"$folder/lines.json"
        "$speed" cpu "$name" >>"$folder/lines.json"
        "$speed" flex "$name" >>"$folder/lines.json"
    done
done
python3 benches/training/table.py "$folder/lines.json"
