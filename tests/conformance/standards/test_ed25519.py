"""Our keys against the Ed25519 vectors of Project Wycheproof."""

import json
import os
from pathlib import Path

import pytest

from bailiwick.keys import Verifier

IS_SET = "BAILIWICK_VECTORS" in os.environ
FILE = Path(os.environ.get("BAILIWICK_VECTORS", "")) / "ed25519-wycheproof" / "ed25519_test.json"

pytestmark = pytest.mark.skipif(not IS_SET, reason="BAILIWICK_VECTORS names no folder with public vectors")


def cases():
    """Give key, message, signature and result of every vector."""
    if not IS_SET:
        return []
    groups = json.loads(FILE.read_text())["testGroups"]
    return [(group["publicKey"]["pk"], case) for group in groups for case in group["tests"]]


def test_the_vectors_are_there():
    """Otherwise an empty file would pass for a hundred good answers."""
    results = {case["result"] for _, case in cases()}
    assert len(cases()) >= 150
    assert results == {"valid", "invalid"}


@pytest.mark.parametrize(
    ("public", "case"), cases(), ids=lambda value: value["tcId"] if isinstance(value, dict) else ""
)
def test_a_signature_is_as_the_vector_says(public, case):
    """Otherwise we would accept a signature that others refuse, or refuse one that they accept."""
    verifier = Verifier(name="wycheproof", public=bytes.fromhex(public))
    is_signed = verifier.is_signed(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
    assert is_signed is (case["result"] == "valid"), case["comment"]
