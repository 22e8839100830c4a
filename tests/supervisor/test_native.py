"""No way leads from an operator's own Python to a tenant."""

from __future__ import annotations

import pytest

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import ModuleRefused, NotFound, NotTrusted
from bailiwick.supervisor import parse_manifest, read_manifest

from .conftest import OPERATOR, TENANT, files_of, manifest_of

SOURCE = b"import os\ndef greet(input):\n    return {'greeting': os.getcwd()}\n"
NATIVE = {"abi": "native-python/1", "file": "module.py"}


def signed(wasm=SOURCE, **changes):
    """Files of a module that its author signed, whatever it is."""
    return files_of(manifest_of(wasm=wasm, **changes), wasm)


def test_a_native_module_is_not_installed_though_it_is_signed(registry, house):
    """Wrong if somebody who can sign could run Python in the node."""
    with pytest.raises(ModuleRefused) as caught:
        registry.install(signed(**NATIVE), OPERATOR)
    assert caught.value.code == "module-native"
    assert house.types()[-1] == "module.refused"


def test_nor_is_it_swapped_in(fleet, registry):
    """Wrong if a version that was checked could be replaced by one in no sandbox."""
    registry.install(files_of(), OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        fleet.swapper(TENANT).plan(signed(**NATIVE, version="1.1.0"), OPERATOR)
    assert caught.value.code == "module-native"
    assert fleet.call(TENANT, "greeter", "greet", b'{"name":"Ada"}', OPERATOR).value == {"greeting": "hello"}


def test_its_manifest_is_no_manifest_anywhere_beyond_the_desk():
    """Wrong if one that came into a store by another way could be loaded from it."""
    with pytest.raises(ModuleRefused) as caught:
        read_manifest(manifest_of(wasm=SOURCE, **NATIVE))
    assert caught.value.code == "module-native"


@pytest.mark.parametrize("abi", ["core-json/1", "component-call/1", "component/1"])
def test_python_that_claims_to_be_a_binary_is_no_binary(registry, abi):
    """Wrong if a name or a claim decided what runs it."""
    with pytest.raises(ModuleRefused) as caught:
        registry.install(signed(abi=abi, file="module.py"), OPERATOR)
    assert caught.value.code in {"module-not-wasm", "module-form"}


@pytest.mark.parametrize("file", ["greeter.wasm", "module.py"])
def test_python_under_any_name_is_never_run(registry, file):
    """Wrong if the suffix of a file meant anything."""
    with pytest.raises(ModuleRefused):
        registry.install(signed(file=file), OPERATOR)


def test_a_binary_that_claims_to_be_native_is_refused_as_well(registry):
    """Wrong if the claim were only looked at where it is true."""
    with pytest.raises(ModuleRefused) as caught:
        registry.install(files_of(manifest_of(abi="native-python/1")), OPERATOR)
    assert caught.value.code == "module-native"


def test_changing_the_claim_after_signing_breaks_the_signature(registry):
    """Wrong if a signature did not vouch for the form."""
    files = files_of()
    native = parse_manifest(files["module.json"]) | NATIVE | {"digest": digest(SOURCE)}
    with pytest.raises(NotTrusted) as caught:
        registry.install({**files, "module.json": canonical_bytes(native), "module.py": SOURCE}, OPERATOR)
    assert caught.value.code == "signature-wrong"


def test_calling_what_was_never_installed_finds_nothing(fleet):
    """Wrong if a call could name a folder or a file."""
    for name in ("module", "../module", "module.py"):
        with pytest.raises(NotFound):
            fleet.call(TENANT, name, "greet", b"{}", OPERATOR)
