"""Our proofs against the vectors of transparency-dev/merkle: good ones pass, corrupted ones do not."""

import base64
import json
import os
from pathlib import Path

import pytest

from bailiwick.errors import ProofRejected
from bailiwick.ledger.proof import verify_consistency, verify_inclusion

VECTORS = Path(os.environ.get("BAILIWICK_VECTORS", "")) / "rfc6962-merkle"
IS_SET = "BAILIWICK_VECTORS" in os.environ

pytestmark = pytest.mark.skipif(not IS_SET, reason="BAILIWICK_VECTORS names no folder with public vectors")


def cases(kind):
    """Give the vectors of a kind by their file."""
    return sorted((VECTORS / kind).rglob("*.json")) if IS_SET else []


def read(path):
    """Read one vector; a missing list of hashes is an empty one."""
    case = json.loads(path.read_text())
    return case, [base64.b64decode(digest) for digest in case["proof"] or []]


def test_the_vectors_are_there():
    """Otherwise an empty folder would pass for a hundred good answers."""
    assert len(cases("inclusion")) >= 50
    assert len(cases("consistency")) >= 50
    assert any(read(path)[0]["wantErr"] for path in cases("inclusion"))


@pytest.mark.parametrize("path", cases("inclusion"), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_inclusion_is_as_the_vector_says(path):
    """Otherwise we would accept a proof that others refuse, or refuse one that they accept."""
    case, proof = read(path)
    leaf, root = (base64.b64decode(case[name] or "") for name in ("leafHash", "root"))
    expect(case["wantErr"], verify_inclusion, leaf, case["leafIdx"], proof, case["treeSize"], root)


@pytest.mark.parametrize("path", cases("consistency"), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_consistency_is_as_the_vector_says(path):
    """Otherwise we would accept a past that others refuse, or refuse one that they accept."""
    case, proof = read(path)
    older, newer = (base64.b64decode(case[name] or "") for name in ("root1", "root2"))
    expect(case["wantErr"], verify_consistency, case["size1"], older, case["size2"], newer, proof)


def expect(is_refused, verify, *arguments):
    """Verify, and compare with what the vector wants."""
    if not is_refused:
        verify(*arguments)
        return
    with pytest.raises(ProofRejected):
        verify(*arguments)
