"""CKKS of TenSEAL with NVFlare's parameters: milliseconds and bytes, as JSON rows for benches-sealing.

CPU time of the process, one thread, the least of several runs. Usage: tenseal_ckks.py FILE [largest dimension]
"""

import json
import sys
import time

import numpy as np
import tenseal as ts

SLOTS = 4096  # of polynomials of degree 8192


def least(work, budget=2.0):
    """The least milliseconds of at least one run, and the last result."""
    best, spent, result = float("inf"), 0.0, None
    for _ in range(5):
        result = None
        start = time.process_time()
        result = work()
        took = time.process_time() - start
        best, spent = min(best, took), spent + took
        if spent > budget:
            break
    return best * 1e3, result


def rows(dimension):
    values = np.random.default_rng(1).normal(0, 1e-2, dimension)
    chunks = [values[i : i + SLOTS] for i in range(0, dimension, SLOTS)]
    for name, kind in [
        ("symmetric", ts.ENCRYPTION_TYPE.SYMMETRIC),
        ("public", ts.ENCRYPTION_TYPE.ASYMMETRIC),
    ]:
        context = ts.context(
            ts.SCHEME_TYPE.CKKS,
            poly_modulus_degree=8192,
            coeff_mod_bit_sizes=[60, 40, 40],
            encryption_type=kind,
            n_threads=1,
        )
        context.global_scale = 2**40
        seal_ms, ciphertexts = least(lambda: [ts.ckks_vector(context, c) for c in chunks])
        serialise_ms, data = least(lambda: [c.serialize() for c in ciphertexts])
        size = sum(map(len, data))
        parse_ms, others = least(lambda: [ts.ckks_vector_from(context, d) for d in data])
        del data
        add_ms, sums = least(lambda: [a + b for a, b in zip(ciphertexts, others)])
        del ciphertexts, others
        open_ms, opened = least(lambda: [c.decrypt() for c in sums])
        error = np.abs(np.concatenate(opened)[:dimension] - 2 * values).max()
        assert error < 1e-5, error
        yield {
            "scheme": f"TenSEAL {ts.__version__} CKKS 8192 [60,40,40] 2^40, {name}",
            "dimension": dimension,
            "contributors": 0,
            "added": 2,
            "seal_ms": seal_ms,
            "encode_ms": serialise_ms,
            "receive_ms": parse_ms,
            "add_ms": add_ms,
            "open_ms": open_ms,
            "bytes": size,
        }


largest = int(sys.argv[2]) if len(sys.argv) > 2 else 10**7
measured = [row for e in range(4, 8) if 10**e <= largest for row in rows(10**e)]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(measured, file, indent=1)
