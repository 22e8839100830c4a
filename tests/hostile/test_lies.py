"""Modules that say what is not so: keys nobody trusts, manifests that lie, older versions, names that are paths."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bailiwick.cli.folder import read_folder
from bailiwick.errors import BailiwickError, InputRefused
from bailiwick.keys import Signer, new_secret
from bailiwick.trust import sign_manifest
from tests.hostile.guests import CLOCK, CLOCK_COMPONENT, PUPPET, TYPED, component, core
from tests.hostile.stand import FREE, Stand, code_of, dice_of, told
from tests.supervisor.conftest import (
    AUTHOR,
    GREETING,
    OPERATOR,
    STRANGER,
    asking,
    files_of,
    manifest_of,
    wasm_of,
)

SAME_NAME = Signer("modules/acme", new_secret(b"another secret under the name..."))


def refusal_of(stand: Stand, files: dict[str, bytes]) -> str:
    """Install what must be refused: the code, after the ledger has the refusal and nothing is installed."""
    with pytest.raises(BailiwickError) as caught:
        stand.registry.install(files, OPERATOR)
    assert stand.house.types()[-1] == "module.refused"
    assert stand.house.events()[-1].detail["code"] == caught.value.code
    stand.neighbour_is_right()
    return code_of(caught.value)


def signature(**changes: Any) -> bytes:
    """Give the author's signature file with members changed."""
    stated = json.loads(sign_manifest(manifest_of(), AUTHOR))
    return json.dumps({**stated, **changes}, separators=(",", ":"), sort_keys=True).encode() + b"\n"


SIGNED: dict[str, tuple[str, Callable[[], bytes | None]]] = {
    "nobody": ("unsigned", lambda: None),
    "a stranger": ("key-unknown", lambda: sign_manifest(manifest_of(), STRANGER)),
    "a stranger under the author's name": ("key-unknown", lambda: sign_manifest(manifest_of(), SAME_NAME)),
    "the author, another manifest": ("signature-wrong", lambda: sign_manifest(manifest_of(version="1.0.1"), AUTHOR)),
    "a stranger, the author's key stated": (
        "signature-wrong",
        lambda: signature(signature=json.loads(sign_manifest(manifest_of(), STRANGER))["signature"]),
    ),
    "zeros": ("signature-wrong", lambda: signature(signature=base64.b64encode(bytes(64)).decode())),
    "too few bytes": ("signature-wrong", lambda: signature(signature=base64.b64encode(bytes(63)).decode())),
    "no base64": ("signature-form", lambda: signature(signature="*" * 88)),
    "another format": ("signature-form", lambda: signature(format="bailiwick-signature/2")),
    "a key that is none": ("signature-form", lambda: signature(key="modules/acme+0+AAAA")),
    "more members": ("signature-form", lambda: signature(more=1)),
    "two of them": ("signature-form", lambda: signature() * 2),
    "a member twice": ("signature-form", lambda: signature().replace(b'{"format"', b'{"key":"x","format"', 1)),
    "a long one": ("signature-form", lambda: signature() + b" " * 2_000),
    "nothing": ("signature-form", lambda: b""),
    "no text": ("signature-form", lambda: b"\xff\xfe" * 20),
}


@pytest.mark.parametrize(("code", "signed"), SIGNED.values(), ids=SIGNED.keys())
def test_what_nobody_trusted_signed_is_refused(stand: Stand, code: str, signed):
    """Wrong if code ran that nobody answers for."""
    made = signed()
    files = files_of(signer=None) | ({} if made is None else {"module.sig": made})
    assert refusal_of(stand, files) == code


def test_a_revoked_key_installs_nothing_and_what_it_signed_is_not_called_any_more(stand: Stand):
    """Wrong if a stolen key worked on after everybody knew."""
    stand.add("early", core("(i64.const 0)"))
    stand.registry.untrust(AUTHOR.verifier.text(), OPERATOR)
    assert refusal_of(stand, files_of()) == "key-revoked"
    with pytest.raises(BailiwickError) as caught:
        stand.call("early")
    assert (caught.value.code, stand.house.types()[-1]) == ("key-revoked", "module.denied")
    with pytest.raises(BailiwickError) as caught:
        stand.registry.trust(AUTHOR.verifier.text(), OPERATOR)
    assert caught.value.code == "key-revoked"


ASKS = [asking(CLOCK, "now")]
LIES: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "its digest": ("module-digest", {"digest": "sha256:" + "0" * 64}, GREETING),
    "its form": ("module-form", {"abi": "component-call/1"}, GREETING),
    "a typed form": ("module-form", {"abi": "component-call/1"}, wasm_of(TYPED)),
    "asking nothing, core": ("module-unasked", {}, wasm_of(PUPPET)),
    "asking nothing, component": ("module-unasked", {"abi": "component-call/1"}, wasm_of(CLOCK_COMPONENT)),
    "a function it lacks": ("module-function", {"abi": "component/1", "functions": FREE}, wasm_of(TYPED)),
    "memory": ("module-memory", {"limits": {"memory_bytes": 65_536}}, GREETING),
    "an interface nobody has": (
        "module-interface", {"capabilities": [asking("bailiwick:files/files@0.1.0", "read")]}, GREETING,
    ),
    "an interface that is to come": (
        "module-interface", {"capabilities": [asking("bailiwick:data/query@0.1.0", "query")]}, GREETING,
    ),
    "a function nobody has": ("module-interface", {"capabilities": [asking(CLOCK, "set")]}, GREETING),
    "one interface twice": ("module-manifest", {"capabilities": ASKS * 2}, GREETING),
    "being a part of the system": ("module-internal", {"internal": True}, GREETING),
    "what it needs": ("module-dependency", {"dependencies": [{"name": "absent", "version": "*"}]}, GREETING),
}  # fmt: skip


@pytest.mark.parametrize(("code", "changes", "wasm"), LIES.values(), ids=LIES.keys())
def test_a_signed_manifest_that_lies_is_refused(stand: Stand, code: str, changes, wasm: bytes):
    """Wrong if a signature made what a manifest says true."""
    assert refusal_of(stand, files_of(manifest_of(wasm=wasm, **changes), wasm)) == code


BREAKS = [
    {"limits": {"fuel": 0}}, {"limits": {"fuel": 10**11}}, {"limits": {"memory_bytes": 1 << 40}}, {"tier": "endless"},
    {"functions": {}}, {"functions": {"../do": FREE["do"]}}, {"functions": {"do": {**FREE["do"], "timeout_ms": 10**9}}},
    {"version": "1.0"}, {"version": "01.0.0"}, {"version": "1.0.0-x"}, {"version": "9" * 40 + ".0.0"},
    {"version": "\u0661.0.0"}, {"capabilities": [asking("wasi:clocks/wall-clock@0.2.0", "now")] * 40},
    {"functions": {"do": {**FREE["do"], "input": {"$ref": "https://example.org/schema"}}}},
    {"functions": {"do": {**FREE["do"], "input": {"$ref": "file:///etc/passwd"}}}},
    {"functions": {"do": {**FREE["do"], "input": {"type": "nothing"}}}},
    {"functions": {"do": {**FREE["do"], "input": {"pattern": "("}}}},
]  # fmt: skip
NAMES = [
    "", ".", "..", "../up", "a/b", "/etc/passwd", "a\\b", "a\0b", "A", "a b", "a" * 65, "-a", "a--b", "con:",
    "\u202egnp", "caf\u00e9", "module.json", "%2e%2e", "a\n",
]  # fmt: skip
FILES = [
    "../up.wasm",
    "/tmp/x.wasm",
    "a/b.wasm",
    ".wasm",
    "..wasm",
    "a.wasm/",
    "a.wasm\0",
    "A.wasm",
    "a.WASM",
]


@pytest.mark.parametrize("number", range(len(BREAKS)))
def test_a_signed_manifest_that_is_none_is_refused(stand: Stand, number: int):
    """Wrong if a limit, a name or a reference outside the contract came through because somebody signed it."""
    manifest = manifest_of(**BREAKS[number])
    assert refusal_of(stand, files_of(manifest)) in {"schema-violated", "module-manifest", "schema-invalid"}


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_is_a_path_or_a_trick_names_nothing(stand: Stand, name: str):
    """Wrong if a name could leave its folder, look like another, or reach a file system at all."""
    manifest = manifest_of() | {"name": name}
    assert refusal_of(stand, files_of(manifest)) == "schema-violated"
    for act in (stand.call, stand.registry.manifest):
        with pytest.raises(BailiwickError) as caught:
            act(name)
        assert code_of(caught.value) == "module-not-found"
        assert "\n" not in caught.value.message
        assert "\0" not in caught.value.message


@pytest.mark.parametrize("file", FILES, ids=repr)
def test_a_binary_whose_name_is_a_path_is_refused(stand: Stand, file: str):
    """Wrong if a manifest could name a file beside its folder."""
    manifest = manifest_of() | {"file": file}
    files = {
        "module.json": json.dumps(manifest).encode(),
        "module.sig": sign_manifest(manifest, AUTHOR),
        file: GREETING,
    }
    assert refusal_of(stand, files) == "schema-violated"


def test_links_pipes_and_folders_in_a_modules_folder_are_left_alone(stand: Stand, tmp_path: Path):
    """Wrong if installing a folder could read another file of whoever installs it, or wait for ever."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"not for modules")
    folder = tmp_path / "module"
    folder.mkdir()
    for name, content in files_of().items():
        (folder / name).write_bytes(content)
    (folder / "greeter.wasm").unlink()
    (folder / "greeter.wasm").symlink_to(secret)
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "round").symlink_to(folder / "round")
    (folder / "inner").mkdir()
    os.mkfifo(folder / "pipe")
    found = read_folder(folder)
    assert sorted(found) == ["module.json", "module.sig"]
    assert refusal_of(stand, found) == "module-file"
    (folder / "pipe").unlink()
    for number in range(201):
        (folder / f"{number}").write_bytes(b"")
    with pytest.raises(InputRefused):
        read_folder(folder)


def test_older_code_never_comes_back_by_any_way(stand: Stand):
    """Wrong if a hole that was mended could be opened again with what its author signed before."""

    def files(version: str, answer: int) -> dict[str, bytes]:
        wasm = wasm_of(core(f"(i64.const {answer})"))
        return files_of(manifest_of("aged", version=version, wasm=wasm), wasm)

    stand.registry.install(files("1.2.0", 1), OPERATOR)
    assert refusal_of(stand, files("1.1.9", 2)) == "module-downgrade"
    assert refusal_of(stand, files("1.2.0", 2)) == "module-version-taken"
    stand.registry.remove("aged", OPERATOR)
    assert refusal_of(stand, files("1.1.9", 2)) == "module-downgrade"
    assert refusal_of(stand, files("1.2.0", 2)) == "module-version-taken"
    assert stand.house.open().registry("local").install(files("1.2.0", 1), OPERATOR).version == "1.2.0"


def test_manifests_of_random_bytes_are_refused(stand: Stand):
    """Wrong if whoever can send a folder could break the registry with what is in it."""
    whole = files_of()
    for case in range(120):
        with told(case):
            dice = dice_of("manifests", case)
            raw = bytearray(whole["module.json"])
            for _ in range(dice.randrange(1, 5)):
                at = dice.randrange(len(raw))
                raw[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
            cut = bytes(raw[: dice.choice([len(raw), len(raw), dice.randrange(len(raw))])])
            if case % 3 == 0:
                cut = dice.randbytes(case * 5)
            with pytest.raises(BailiwickError) as caught:
                stand.registry.install(whole | {"module.json": b" " + cut + b"x"}, OPERATOR)
            code_of(caught.value)
            stand.neighbour_is_right()


def test_components_that_lie_do_not_shadow_one_that_does_not(stand: Stand):
    """Wrong if a refused version took the place of the one that is there."""
    stand.add("echo", component(), abi="component-call/1")
    worse = manifest_of("echo", version="2.0.0", wasm=wasm_of(TYPED), abi="component-call/1", functions=FREE)
    assert refusal_of(stand, files_of(worse, wasm_of(TYPED))) == "module-form"
    assert stand.call("echo", b'{"a":1}').value == {"a": 1}


@pytest.mark.parametrize("operator", ["allOf", "anyOf", "oneOf"])
def test_shared_types_that_multiply_each_other_are_refused(stand: Stand, operator: str):
    """Wrong if thirty lines of a manifest kept the node busy for ever with the first call: no fuel pays for schemas."""
    types: dict[str, Any] = {
        f"T{each}": {operator: [{"$ref": f"urn:bailiwick:type:T{each + 1}"}] * 2} for each in range(30)
    }
    types["T30"] = {"type": "string"}
    functions = {"do": {**FREE["do"], "input": {"$ref": "urn:bailiwick:type:T0"}}}
    assert refusal_of(stand, files_of(manifest_of(types=types, functions=functions))) == "module-manifest"
