"""What holds for every test: examples are judged by what they show, and no test touches the keys of whoever runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("bailiwick", deadline=None, print_blob=True)
settings.load_profile("bailiwick")

KEY_VARIABLES = ("BAILIWICK_PASSPHRASE", "BAILIWICK_PASSPHRASE_FILE", "XDG_CONFIG_HOME")


@pytest.fixture(autouse=True, scope="session")
def keys_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the machine's key of test homes in a folder that goes away, and lock them with nothing else."""
    before = {name: os.environ.pop(name, None) for name in KEY_VARIABLES}
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("settings"))
    yield
    os.environ.pop("XDG_CONFIG_HOME")
    os.environ.update({name: value for name, value in before.items() if value is not None})
