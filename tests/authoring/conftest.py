"""New modules in text form, which need no further tool, and an engine to run them."""

import pytest

from bailiwick.adapters.toolchain_wat import WatToolchain
from bailiwick.authoring import build, read_project, start
from bailiwick.engine import Engine


@pytest.fixture(scope="session")
def engine():
    with Engine() as started:
        yield started


@pytest.fixture
def files():
    return start("pay-size", "wat")


@pytest.fixture
def built(files):
    return build(read_project(files), WatToolchain())
