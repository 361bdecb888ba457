#!/usr/bin/env bash
# Measures every mode of sealing and TenSEAL beside it, and prints one table.
# Usage: benches/sealing/run.sh [JSON FILE] [further arguments of benches-sealing]
set -euo pipefail
cd "$(dirname "$0")/../.."
json=${1:-target/sealing.json}
shift || true
folder=${SAHAKAR_BENCH_FOLDER:-target/sealing}
mkdir -p "$folder" "$(dirname "$json")"
if [ ! -x "$folder/venv/bin/python" ]; then
    python3 -m venv "$folder/venv"
fi
"$folder/venv/bin/pip" install --quiet "tenseal==0.3.18" "numpy>=1.26,<3"
cargo build --release --package benches-sealing
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
"$folder/venv/bin/python" benches/sealing/tenseal_ckks.py "$folder/tenseal.json"
cargo run --quiet --release --package benches-sealing -- --merge "$folder/tenseal.json" --json "$json" "$@"
