"""RFC 8785 (JSON Canonicalization Scheme) against its published vectors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import rfc8785

from bailiwick.canonical import canonical_bytes, jcs_bytes
from bailiwick.errors import RecordRefused
from bailiwick.schema import parse_document

VECTORS = Path(os.environ.get("BAILIWICK_VECTORS", "")) / "rfc8785-jcs"
INSIDE = ["arrays", "unicode"]
OUTSIDE = {
    "french": "profile-key",
    "structures": "profile-float",
    "values": "profile-float",
    "weird": "profile-key",
}
ALL = sorted({*INSIDE, *OUTSIDE})

pytestmark = pytest.mark.skipif(
    not os.environ.get("BAILIWICK_VECTORS"), reason="BAILIWICK_VECTORS does not name the folder of public vectors"
)


def read(name: str) -> tuple[bytes, bytes]:
    """Give a vector: the document as published and its canonical form."""
    return (VECTORS / "input" / f"{name}.json").read_bytes(), (VECTORS / "output" / f"{name}.json").read_bytes()


def test_every_published_vector_is_named_here():
    """A vector would be left out without anybody noticing."""
    assert sorted(path.stem for path in (VECTORS / "input").glob("*.json")) == ALL


@pytest.mark.parametrize("name", ALL)
def test_the_whole_of_rfc_8785_is_spoken(name):
    """Digests of foreign documents would be ours alone."""
    document, canonical = read(name)
    assert jcs_bytes(parse_document(document)) == canonical


@pytest.mark.parametrize("name", ALL)
def test_the_oracle_of_the_property_tests_speaks_it_too(name):
    """The property tests would compare with something that is wrong itself."""
    import json

    document, canonical = read(name)
    assert rfc8785.dumps(json.loads(document)) == canonical


@pytest.mark.parametrize("name", INSIDE)
def test_inside_the_profile_the_fast_encoder_gives_the_published_bytes(name):
    """What we seal would not be canonical for others."""
    document, canonical = read(name)
    assert canonical_bytes(parse_document(document)) == canonical


@pytest.mark.parametrize(("name", "code"), OUTSIDE.items())
def test_outside_the_profile_the_fast_encoder_refuses(name, code):
    """Fractions or foreign keys would be sealed."""
    with pytest.raises(RecordRefused) as refused:
        canonical_bytes(parse_document(read(name)[0]))
    assert refused.value.code == code
