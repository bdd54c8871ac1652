#!/usr/bin/env python3
"""Checks golden leaves of whowas without any code of whowas: Python 3, standard library only.

    python3 scripts/check_leaf.py crates/whowas-event/tests/golden/leaves.json

For each vector it rebuilds, from the record's salt and plain values alone, every disclosure, its digest,
the leaf's `_sd`, the canonical leaf and its RFC 6962 hash. Exits 1 naming the first difference.
The rules are in docs/format.md.
"""

import base64
import hashlib
import json
import sys


def jcs(value):
    """RFC 8785 for the values a leaf can have: no fractions; members sorted by UTF-16 code units."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(jcs(name) + ":" + jcs(value[name]) for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(jcs(item) for item in value) + "]"
    if isinstance(value, float):
        raise ValueError("a leaf has no fractions")
    return json.dumps(value, ensure_ascii=False)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(data):
    return hashlib.sha256(data).digest()


def disclosure(record_salt, name, value):
    """The text that is hashed: base64url of JSON [salt, name, value]."""
    field_salt = sha256(record_salt + name.encode())[:16]
    return base64url(jcs([base64url(field_salt), name, value]).encode())


def check(vector):
    """Yields (what, recomputed, stated), in the order in which one follows from the other."""
    salt = bytes.fromhex(vector["salt_hex"])
    digests = []
    for name, value in vector["personal"].items():
        text = disclosure(salt, name, value)
        digest = base64url(sha256(text.encode()))
        digests.append(digest)
        stated = vector["disclosures"].get(name, {})
        yield f"disclosure of {name}", text, stated.get("text")
        yield f"digest of {name}", digest, stated.get("digest")
    yield "names of disclosures", sorted(vector["personal"]), sorted(vector["disclosures"])
    yield "_sd", sorted(digests), json.loads(vector["leaf"])["_sd"]
    leaf = jcs({"_sd": sorted(digests), "_sd_alg": "sha-256", **vector["clear"]})
    yield "leaf", leaf, vector["leaf"]
    leaf_hash = base64.b64encode(sha256(b"\x00" + leaf.encode())).decode()
    yield "leaf hash", leaf_hash, vector["leaf_hash_base64"]


def main(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        for what, recomputed, stated in check(vector):
            if recomputed != stated:
                print(f"{vector['name']}: {what} differs\n  recomputed {recomputed!a}\n  stated     {stated!a}")
                return 1
    print(f"{len(vectors)} leaves agree")
    return 0 if vectors else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
