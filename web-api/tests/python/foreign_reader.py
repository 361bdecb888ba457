#!/usr/bin/env python3
"""Reads a served log as others read it: by the text of the specifications, and by a client that is not ours.

usage: foreign_reader.py VENV BASE_URL VKEY OLD_CHECKPOINT RECEIPT

VKEY is the log's verifier key, OLD_CHECKPOINT a file with a checkpoint from when the log was shorter, RECEIPT a file with a
tlog-proof of one entry. Makes its own virtual environment in VENV, once. Exits 1 at the first thing that is not as it has to be.

The first reader is written from c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-tiles, c2sp.org/tlog-proof and
RFC 6962 alone, on Python's standard library and `cryptography`. The second is aics-tlog of PyPI, unmodified, which needs
Python 3.12; where there is none it is left out, and said to be.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

OURS = ["cryptography"]
FOREIGN = ["aics-tlog==0.2.1"]
FULL = 256


def check(condition, what):
    if not condition:
        sys.exit(f"not as it has to be: {what}")


def environment(folder, python, packages):
    """A virtual environment of `python` with `packages`, made once."""
    its_python = os.path.join(folder, "bin", "python")
    done = os.path.join(folder, "done")
    if not os.path.exists(done):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        subprocess.run([its_python, "-m", "pip", "-q", "install", *packages], check=True)
        open(done, "w", encoding="utf-8").close()
    return its_python


def newer_python():
    """A Python of 3.12 or later, if there is one."""
    for name in ["python3", "python3.14", "python3.13", "python3.12"]:
        path = shutil.which(name)
        code = "import sys; sys.exit(sys.version_info < (3, 12))"
        if path and subprocess.run([path, "-c", code], capture_output=True).returncode == 0:
            return path
    return None


# By the text of the specifications.


def leaf_hash(leaf):
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes):
    """The head of a tree over leaf hashes, by the definition: split at the largest power of two below the size."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(root_of(hashes[:split]), root_of(hashes[split:]))


def verifier_of(vkey):
    """c2sp.org/signed-note: the name, the key id, and the Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, key_id, encoded = vkey.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    check(key[0] == 1 and len(key) == 33, "an Ed25519 verifier key")
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    check(expected.hex() == key_id, "the key id is the hash of name and key")
    return name, expected, Ed25519PublicKey.from_public_bytes(key[1:])


def open_checkpoint(note, vkey):
    """c2sp.org/tlog-checkpoint: size and root of a note that the log's key signed."""
    name, key_id, key = verifier_of(vkey)
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    signed = 0
    for line in signatures.splitlines():
        dash, who, encoded = line.split(" ")
        check(dash == "\u2014", "a signature line begins with an em dash")
        signature = base64.b64decode(encoded, validate=True)
        if who == name and signature[:4] == key_id:
            key.verify(signature[4:], text.encode())
            signed += 1
    check(signed == 1, "the log signed its checkpoint")
    origin, size, root, *_ = text.split("\n")
    check(origin == name and str(int(size)) == size, "origin and size")
    return int(size), base64.b64decode(root, validate=True)


def path_of(level, index, width):
    """c2sp.org/tlog-tiles: the path of a tile of hashes, or of a bundle where the level is "entries"."""
    groups, rest = [f"{index % 1000:03}"], index // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03}")
        rest //= 1000
    partial = "" if width == FULL else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def get(base, path):
    with urllib.request.urlopen(f"{base}/{path}") as answer:
        return answer.read()


def tiles_of(count):
    """Index and width of each tile that `count` hashes or entries fill."""
    return [(n // FULL, min(FULL, count - n)) for n in range(0, count, FULL)]


def split_bundle(data):
    entries = []
    while data:
        length = int.from_bytes(data[:2], "big")
        check(len(data) >= 2 + length, "a bundle is whole")
        entries.append(data[2 : 2 + length])
        data = data[2 + length :]
    return entries


def read_log(base, size):
    """Every entry, and the hashes of the lowest level, held against the entries and the levels above."""
    entries, hashes = [], []
    for index, width in tiles_of(size):
        bundle = split_bundle(get(base, path_of("entries", index, width)))
        tile = get(base, path_of(0, index, width))
        check(len(bundle) == width and len(tile) == 32 * width, "a tile has its width")
        check(b"".join(map(leaf_hash, bundle)) == tile, "a tile has the hashes of its entries")
        entries += bundle
        hashes += [tile[at : at + 32] for at in range(0, len(tile), 32)]
    below, level = hashes, 1
    while len(below) >= FULL:
        full = len(below) // FULL
        above = [root_of(below[n * FULL : (n + 1) * FULL]) for n in range(full)]
        served = b"".join(get(base, path_of(level, *tile)) for tile in tiles_of(full))
        check(served == b"".join(above), f"level {level} has the roots of the full tiles below")
        below, level = above, level + 1
    check(level > 1, "there is a full tile")
    return entries, hashes


def verify_inclusion(leaf, index, size, proof, root):
    """RFC 9162, section 2.1.3.2."""
    check(index < size, "the index is in the tree")
    fn, sn, r = index, size - 1, leaf_hash(leaf)
    for p in proof:
        check(sn != 0, "the proof is not too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    check(sn == 0 and r == root, "the proof leads to the root")


def check_receipt(receipt, vkey, entries, hashes):
    """c2sp.org/tlog-proof: index, hashes, and the checkpoint to which they lead."""
    head, _, checkpoint = receipt.partition("\n\n")
    first, *lines = head.split("\n")
    check(first == "c2sp.org/tlog-proof@v1", "the receipt's first line")
    extra = [line for line in lines if line.startswith("extra ")]
    index = next(int(line[6:]) for line in lines if line.startswith("index "))
    proof = [base64.b64decode(line) for line in lines if " " not in line]
    size, root = open_checkpoint(checkpoint, vkey)
    check(root_of(hashes[:size]) == root, "the receipt is of this log")
    check(base64.b64decode(extra[0][6:]) == entries[index], "the receipt has the entry in it")
    verify_inclusion(entries[index], index, size, proof, root)
    wrong = proof[:-1] + [bytes(32)]
    try:
        verify_inclusion(entries[index], index, size, wrong, root)
    except SystemExit:
        return
    sys.exit("a false proof was taken")


def by_the_text(base, vkey, old, receipt):
    size, root = open_checkpoint(get(base, "checkpoint").decode(), vkey)
    check(size > 2 * FULL and size % FULL, f"a log with two full tiles and a part, not {size}")
    entries, hashes = read_log(base, size)
    check(root_of(hashes) == root, "the entries lead to the signed root")
    old_size, old_root = open_checkpoint(old, vkey)
    check(0 < old_size < size and root_of(hashes[:old_size]) == old_root, "the log only grew")
    check_receipt(receipt, vkey, entries, hashes)
    for path in [path_of(0, size // FULL, size % FULL + 1), path_of("entries", size // FULL, FULL)]:
        try:
            get(base, path)
            sys.exit(f"{path} is served, and cannot be known")
        except urllib.error.HTTPError as error:
            check(error.code == 404, f"{path}: {error.code}")
    print(f"by the text: {size} entries, of which {old_size} were there before")


# By a client of others.


def by_another(base, vkey, old):
    import aics_tlog as tlog

    key = tlog.parse_vkey(vkey)
    reader = tlog.HttpTileReader(base, proxies={})

    def opened(text):
        note = tlog.parse_note(text)
        verified = tlog.verify_checkpoint(note, key, expected_origin=key.name)
        check(verified.ok, f"the checkpoint: {verified}")
        return tlog.parse_checkpoint(note.text)

    new, before = opened(reader.read_checkpoint()), opened(old.encode())
    report = tlog.audit_tiles(reader, new.size, new.root)
    check(report.size == new.size and report.bundles == -(-new.size // FULL), f"{report}")
    tiles = tlog.VerifiedTileReader(reader, new.size, new.root)
    proof = tlog.consistency_proof_from_tiles(tiles, before.size, new.size)
    grew = tlog.verify_consistency(before.size, new.size, before.root, new.root, proof)
    check(grew, "the log only grew")
    for index in [0, FULL - 1, FULL, 2 * FULL, before.size - 1, before.size, new.size - 1]:
        proof = tlog.inclusion_proof_from_tiles(tiles, index, new.size)
        entry = tiles.entry(index)
        found = tlog.verify_leaf_inclusion(entry, index, new.size, proof, new.root)
        check(found, f"entry {index} is in the log")
        other = tlog.verify_leaf_inclusion(entry + b" ", index, new.size, proof, new.root)
        check(not other, "another entry is not")
    print(f"by aics-tlog {tlog.__version__}: {report}")


def main():
    mode, *arguments = sys.argv[1:]
    if mode in ("by-the-text", "by-another"):
        base, vkey, old, receipt = arguments
        old, receipt = (open(path, encoding="utf-8").read() for path in (old, receipt))
        if mode == "by-the-text":
            by_the_text(base, vkey, old, receipt)
        else:
            by_another(base, vkey, old)
        return
    venvs = mode
    python = environment(os.path.join(venvs, "ours"), sys.executable, OURS)
    subprocess.run([python, __file__, "by-the-text", *arguments], check=True)
    python = newer_python()
    if python is None:
        print("left out: aics-tlog needs Python 3.12 or later")
        return
    python = environment(os.path.join(venvs, "another"), python, FOREIGN)
    subprocess.run([python, __file__, "by-another", *arguments], check=True)


if __name__ == "__main__":
    main()
