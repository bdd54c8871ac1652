#!/usr/bin/env python3
"""Checks a log's files and one .tlog-proof with tlog-scales from PyPI, and its disclosures by hand.

    check_proof.py LOG_FOLDER EARLIER_CHECKPOINT PROOF VKEY [WITNESS_VKEY]

None of the code is ours. Ends with 0 and one line if everything agrees.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint, InclusionProof


def check_log(folder, earlier, vkeys):
    """The whole tree from its tiles, every 50th entry, and that the log has only grown."""
    reader = TilesReader(LocalBackend(Path(folder)))
    checkpoint = reader.get_checkpoint()
    checkpoint.verify(vkeys[0])
    assert checkpoint.origin == vkeys[0].name
    assert reader.calculate_root_hash() == checkpoint.root_hash, "the tiles have another root"
    for index in range(0, checkpoint.size, 50):
        leaf = hashlib.sha256(b"\0" + reader.get_entry(index)).digest()
        reader.get_inclusion_proof(index, checkpoint.size).check(leaf, checkpoint.root_hash)
    old = Checkpoint.from_text(Path(earlier).read_text())
    old.verify(vkeys[0])
    proof = reader.get_consistency_proof(old.size, checkpoint.size)
    proof.check(old.root_hash, checkpoint.root_hash)
    return checkpoint.size


def check_proof(path, vkeys):
    """One record: signature and cosignature, place in the tree, what the disclosures say."""
    head, note = Path(path).read_text().split("\n\n", 1)
    magic, extra, index, *hashes = head.split("\n")
    assert magic == "c2sp.org/tlog-proof@v1"
    checkpoint = Checkpoint.from_text(note)
    for vkey in vkeys:
        checkpoint.verify(vkey)
    extra = json.loads(base64.b64decode(extra.removeprefix("extra "), validate=True))
    leaf = hashlib.sha256(b"\0" + extra["leaf"].encode()).digest()
    nodes = [base64.b64decode(line, validate=True) for line in hashes]
    index = int(index.removeprefix("index "))
    InclusionProof(index, checkpoint.size, nodes).check(leaf, checkpoint.root_hash)
    digests = json.loads(extra["leaf"])["_sd"]
    names = []
    for disclosure in extra["disclosures"]:
        digest = base64.urlsafe_b64encode(hashlib.sha256(disclosure.encode()).digest()).rstrip(b"=").decode()
        assert digest in digests, "a disclosure is not the leaf's"
        names.append(json.loads(base64.urlsafe_b64decode(disclosure + "=="))[1])
    return index, names


def main(folder, earlier, proof, *vkeys):
    vkeys = [Vkey.from_string(vkey) for vkey in vkeys]
    size = check_log(folder, earlier, vkeys)
    index, names = check_proof(proof, vkeys)
    print(f"python: a log of {size}, position {index} with {len(names)} disclosures")


main(*sys.argv[1:])
