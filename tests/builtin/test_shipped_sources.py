"""What the shipped modules share is one text."""

from pathlib import Path

import pytest

BUILTIN = Path(__file__).parents[2] / "src" / "bailiwick" / "builtin"
HEADERS = sorted((BUILTIN / "modules").glob("*/bailiwick.h"))


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.parent.name)
def test_the_header_of_a_module_is_that_of_the_template(header):
    """Wrong if a mend in one were missing in the other."""
    assert header.read_bytes() == (BUILTIN / "templates" / "c" / "bailiwick.h").read_bytes()


def test_there_are_headers_to_compare():
    """Wrong if the test above passed by not running."""
    assert [path.parent.name for path in HEADERS] == ["audit-view", "esta-accrual"]
