"""`bailiwick decide --attach`: a pack that pins another owner's schema gets it from a folder, once."""

from __future__ import annotations

import pytest

from tests.decisions.test_intake_documents import ATTACHED, FILES, NAME, RIGHT


@pytest.fixture
def pack(folder) -> str:
    """Give the folder of a pack whose contract is not in it, and beside it the contract under another name."""
    for path, text in FILES.items():
        file = folder / NAME / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "theirs").mkdir()
    (folder / "theirs" / "schema-v2.json").write_bytes(ATTACHED)
    (folder / "right.json").write_text(RIGHT)
    return f"./{NAME}"


def test_the_contract_is_found_by_its_digest_and_kept(cli, pack):
    """Wrong if: a file's name decided which contract it is, or every decision needed the folder again."""
    cli("init")
    assert cli("decide", pack, "right.json", "--attach", "theirs", "--json").lines[0]["outcome"] == "right"
    assert cli("decide", pack, "right.json", "--json").lines[0]["outcome"] == "right"
    replayed = cli("replay", "--all", "--json").json
    assert (replayed["replayed"], replayed["differing"], replayed["unavailable"]) == (2, [], 0)


def test_without_the_folder_the_refusal_says_where_to_get_it(cli, pack):
    """Wrong if: whoever lacks the contract did not learn its digest, its address and the option."""
    cli("init")
    ran = cli("decide", pack, "right.json")
    assert ran.code == 4
    for word in ("invoice.json", "sha256:", "https://example.org/invoice.json", "--attach"):
        assert word in ran.err


def test_a_changed_contract_is_another_one(cli, pack, folder):
    """Wrong if: a schema of the same name with one letter changed would do."""
    cli("init")
    (folder / "theirs" / "schema-v2.json").write_bytes(ATTACHED.replace(b"minimum", b"maximum"))
    assert cli("decide", pack, "right.json", "--attach", "theirs").code == 4


def test_a_broken_document_exits_1_with_every_violation(cli, pack, folder):
    """Wrong if: a script could not tell a broken document from a decided one."""
    cli("init")
    (folder / "broken.json").write_text('{"total": 0, "more": 1}')
    ran = cli("decide", pack, "broken.json", "--attach", "theirs", "--json")
    assert ran.code == 1
    assert {each["rule"] for each in ran.lines[0]["error"]["violations"]} == {
        "additionalProperties",
        "exclusiveMinimum",
    }


def test_a_folder_that_is_none_is_refused(cli, pack):
    """Wrong if: a mistyped folder were an empty one."""
    cli("init")
    assert cli("decide", pack, "right.json", "--attach", "thiers").code == 4
