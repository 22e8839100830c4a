"""The tree: against the definition in RFC 6962, in every small size."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.errors import ProofRejected
from bailiwick.ledger.proof import verify_consistency, verify_inclusion
from bailiwick.ledger.tiles import frame_entries, levels, split_entries, tile_count, tile_path, widths
from bailiwick.ledger.tree import Frontier, consistency_proof, inclusion_proof, tile_rows

LEAVES = [sha256(b"\x00" + bytes([number % 256, number // 256])).digest() for number in range(600)]


def tree_root(leaves):
    """The definition, RFC 6962 section 2.1, as it stands there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:])).digest()


def node(height, number):
    """Read a complete subtree from the definition."""
    return tree_root(LEAVES[number << height : (number + 1) << height])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 70), max_size=8))
def test_a_tree_grown_in_pieces_has_the_root_of_the_definition(pieces):
    """Otherwise the root would depend on how records were grouped."""
    frontier = Frontier()
    for piece in pieces:
        frontier.extend(LEAVES[frontier.size : frontier.size + piece])
    assert frontier.root() == tree_root(LEAVES[: sum(pieces)])
    assert Frontier(frontier.size, frontier.peaks()).root() == frontier.root()


def test_growing_gives_the_hashes_that_tiles_hold():
    """Otherwise exported tiles would not be those of the tree."""
    frontier = Frontier()
    rows = {}
    for start in range(0, 600, 37):
        for level, hashes in tile_rows(frontier.extend(LEAVES[start : min(start + 37, 600)])).items():
            rows.setdefault(level, []).extend(hashes)
    assert rows == {0: LEAVES, 1: [node(8, 0), node(8, 1)]}


@pytest.mark.parametrize(("size", "peaks"), [(1, []), (3, LEAVES[:1]), (2, [b"short"]), (0, LEAVES[:1])])
def test_peaks_that_do_not_make_the_size_are_refused(size, peaks):
    """Otherwise a damaged head would continue another tree."""
    with pytest.raises(ValueError, match="do not make a tree"):
        Frontier(size, peaks)


@pytest.mark.parametrize("size", range(1, 21))
def test_every_record_of_a_small_tree_is_proved_and_no_other(size):
    """Otherwise a proof would hold for a record that is not there."""
    root = tree_root(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, node)
        verify_inclusion(LEAVES[index], index, proof, size, root)
        for wrong_index in {index - 1, index + 1, index ^ 4}:
            with pytest.raises(ProofRejected):
                verify_inclusion(LEAVES[index], wrong_index, proof, size, root)
        with pytest.raises(ProofRejected):
            verify_inclusion(LEAVES[index + 1], index, proof, size, root)
        with pytest.raises(ProofRejected):
            verify_inclusion(LEAVES[index], index, [*proof, root], size, root)


@pytest.mark.parametrize("size", range(1, 21))
def test_every_growth_of_a_small_tree_is_proved_and_no_other(size):
    """Otherwise a ledger could change its past and prove that it only grew."""
    root = tree_root(LEAVES[:size])
    for older in range(size + 1):
        proof = consistency_proof(older, size, node)
        older_root = tree_root(LEAVES[:older])
        verify_consistency(older, older_root, size, root, proof)
        with pytest.raises(ProofRejected):
            verify_consistency(older, LEAVES[599], size, root, proof)
        with pytest.raises(ProofRejected):
            verify_consistency(older, older_root, size, root, [*proof, root])
        if 0 < older < size:
            with pytest.raises(ProofRejected):
                verify_consistency(older, older_root, size, LEAVES[599], proof)
            with pytest.raises(ProofRejected):
                verify_consistency(older, older_root, size, root, proof[:-1])


@pytest.mark.parametrize("proof", [[b"short"], [bytes(32)] * 70])
def test_a_proof_of_another_shape_is_refused_before_it_is_computed(proof):
    """Otherwise a hostile proof could cost time without bound."""
    with pytest.raises(ProofRejected):
        verify_inclusion(LEAVES[0], 0, proof, 2**50, LEAVES[1])
    with pytest.raises(ProofRejected):
        verify_consistency(3, LEAVES[0], 2**50, LEAVES[1], proof)


@pytest.mark.parametrize(
    ("number", "path"),
    [(0, "tile/1/000"), (999, "tile/1/999"), (1_000, "tile/1/x001/000"), (1_234_067, "tile/1/x001/x234/067")],
)
def test_tiles_have_the_paths_of_the_specification(number, path):
    """Otherwise nobody else's tool would find them."""
    assert tile_path(1, number) == path
    assert tile_path(1, number, 7) == path + ".p/7"


def test_a_tree_has_the_tiles_of_the_specification():
    """Otherwise a verifier would miss files, or ask for files that cannot be."""
    size = 70_000
    assert levels(size) == 3
    assert [len(list(widths(size, level))) for level in range(3)] == [274, 2, 1]
    assert list(widths(size, 0))[-1] == (273, 112)
    assert list(widths(size, 2)) == [(0, 1)]
    assert tile_count(size) == 274 * 2 + 2 + 1
    assert list(widths(256, 1)) == [(0, 1)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20))
def test_framed_records_read_back_and_no_part_of_them_does(records):
    """Otherwise a cut bundle could pass as a shorter one with the same records."""
    framed = frame_entries(records)
    assert split_entries(framed) == records
    for end in range(len(framed)):
        try:
            assert len(split_entries(framed[:end])) < len(records)
        except ValueError:
            continue
