"""Who may install what: keys, versions, dependencies, approval, and manifests that do not tell the truth."""

from __future__ import annotations

import json

import pytest

from bailiwick.errors import BailiwickError, ModuleRefused, NotFound, NotTrusted, SchemaViolated, UsageRefused
from bailiwick.keys import Signer, new_secret
from bailiwick.supervisor import NodeRules

from .conftest import (
    AUTHOR,
    CLOCK,
    OPERATOR,
    OTHER_TENANT,
    STRANGER,
    TENANT,
    asking,
    files_of,
    manifest_of,
    text_of,
    wasm_of,
)

OTHER_WASM = wasm_of(text_of('{"ok":{"greeting":"good evening"}}'))


def refusal(registry, files, kind=ModuleRefused, **how) -> str:
    """Give the code by which an installation is refused."""
    with pytest.raises(kind) as caught:
        registry.install(files, OPERATOR, **how)
    assert caught.value.hint
    return caught.value.code


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_module_of_a_trusted_author_is_installed_and_recorded_once(house, registry):
    """Wrong if a signed module were refused, or installing it twice left two records."""
    first = registry.install(files_of(), OPERATOR)
    assert registry.install(files_of(), OPERATOR) == first
    assert house.types() == ["module.key-trusted", "module.installed"]
    assert first.key == AUTHOR.verifier.text()


@pytest.mark.parametrize(
    ("signer", "code"), [(None, "unsigned"), (STRANGER, "key-unknown")], ids=["unsigned", "stranger"]
)
def test_a_module_that_nobody_trusted_signed_is_refused_and_that_is_recorded(house, registry, signer, code):
    """Wrong if code from anybody could be installed, or if the attempt left no trace."""
    assert refusal(registry, files_of(signer=signer), NotTrusted) == code
    refused = house.events()[-1]
    assert (refused.event_type, refused.detail["code"]) == ("module.refused", code)
    assert "name" not in refused.detail, "nobody vouched for what it calls itself"


def test_a_revoked_key_installs_nothing_and_is_never_trusted_again(registry):
    """Wrong if a stolen key could be made good by trusting it once more."""
    registry.untrust(AUTHOR.verifier.text(), OPERATOR)
    assert refusal(registry, files_of(), NotTrusted) == "key-revoked"
    with pytest.raises(NotTrusted) as caught:
        registry.trust(AUTHOR.verifier.text(), OPERATOR)
    assert caught.value.code == "key-revoked"


def test_a_signature_over_another_manifest_is_refused(registry):
    """Wrong if a signature could be carried from one module to another."""
    files = files_of() | {"module.sig": files_of(manifest_of(version="2.0.0"))["module.sig"]}
    assert refusal(registry, files, NotTrusted) == "signature-wrong"


def test_the_keys_of_one_tenant_are_no_keys_of_another(fleet):
    """Wrong if one tenant's trust let code into another's."""
    assert refusal(fleet.registry(OTHER_TENANT), files_of(), NotTrusted) == "key-unknown"
    assert fleet.modules(OTHER_TENANT) == []


# --- a manifest that lies -------------------------------------------------------------------------------------------


def test_a_binary_that_is_not_the_one_signed_is_refused(registry):
    """Wrong if the code could be exchanged under a signed manifest."""
    files = files_of() | {"greeter.wasm": OTHER_WASM}
    assert refusal(registry, files) == "module-digest"


def test_a_manifest_that_states_another_form_is_refused(registry):
    """Wrong if a binary were run as what it is not."""
    assert refusal(registry, files_of(manifest_of(abi="component/1"))) == "module-form"


@pytest.mark.parametrize(
    "changes",
    [{}, {"limits": {"memory_bytes": 65_536}}, {"tier": "standard", "limits": {"memory_bytes": 10 << 20}}],
    ids=["tier", "limits", "limits-of-a-larger-tier"],
)
def test_a_binary_that_starts_with_more_memory_than_stated_is_refused(registry, changes):
    """Wrong if a module were installed that can never run within what it says it needs."""
    wasm = wasm_of(text_of('{"ok":1}', memory=300))
    assert refusal(registry, files_of(manifest_of(wasm=wasm, **changes), wasm)) == "module-memory"


def test_a_function_with_a_smaller_tier_than_the_binary_needs_is_refused(registry):
    """Wrong if one function of a module could never be called."""
    wasm = wasm_of(text_of('{"ok":1}', memory=300))
    manifest = manifest_of(wasm=wasm, tier="standard")
    manifest["functions"]["greet"]["tier"] = "lightweight"
    assert refusal(registry, files_of(manifest, wasm)) == "module-memory"


def test_a_binary_that_imports_what_nobody_asked_for_is_refused(registry):
    """Wrong if a module could reach for what its manifest does not say."""
    wasm = wasm_of('(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))')
    assert refusal(registry, files_of(manifest_of(wasm=wasm), wasm)).startswith("module-")


def test_a_binary_that_is_no_webassembly_is_refused(registry):
    """Wrong if any file could be installed as code."""
    assert refusal(registry, files_of(manifest_of(wasm=b"MZ\x90"), b"MZ\x90")) == "module-not-wasm"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"capabilities": [asking("bailiwick:data/query@0.1.0", "query")]}, "module-interface"),
        ({"capabilities": [asking("bailiwick:ai/classify@0.1.0", "classify")]}, "module-interface"),
        ({"capabilities": [asking("bailiwick:events/emit@0.1.0", "emit")]}, "module-interface"),
        ({"capabilities": [asking("wasi:cli/environment@0.2.0", "get-environment")]}, "module-interface"),
        ({"capabilities": [asking(CLOCK, "set")]}, "module-interface"),
        ({"capabilities": [asking(CLOCK, "now"), asking(CLOCK, "now")]}, "module-manifest"),
        ({"dependencies": [{"name": "other", "version": "^1.0.0"}]}, "module-dependency"),
        ({"internal": True}, "module-internal"),
        ({"file": "other.wasm"}, None),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else str(value),
)
def test_what_cannot_be_offered_or_met_is_refused_with_its_reason(registry, changes, code):
    """Wrong if a module were installed that finds missing at its first call what it told us it needs."""
    files = files_of(manifest_of(**changes))
    if code is None:
        del files["other.wasm"]
        code = "module-file"
    assert refusal(registry, files) == code


def test_the_reason_for_an_interface_that_is_published_but_not_offered_is_given(registry):
    """Wrong if an author were told that a published contract does not exist."""
    files = files_of(manifest_of(capabilities=[asking("bailiwick:data/query@0.1.0", "query")]))
    with pytest.raises(ModuleRefused, match="tables come with the data room"):
        registry.install(files, OPERATOR)


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "https://example.org/x.json"}, {"type": "strnig"}, {"$ref": "urn:bailiwick:type:Missing"}],
    ids=["elsewhere", "misspelt", "missing"],
)
def test_a_schema_that_does_not_compile_is_refused_at_install(registry, schema):
    """Wrong if a broken contract were found only when somebody calls."""
    manifest = manifest_of()
    manifest["functions"]["greet"]["output"] = schema
    with pytest.raises((ModuleRefused, SchemaViolated)):
        registry.install(files_of(manifest), OPERATOR)


def test_shared_enums_inputs_and_types_are_found_by_the_functions(fleet, registry):
    """Wrong if a manifest could not share its shapes among its functions."""
    manifest = manifest_of(
        enums={"Mood": {"kind": "Kind", "stern": "Stern"}},
        inputs={"Person": {"type": "object", "properties": {"mood": {"$ref": "urn:bailiwick:enum:Mood"}}}},
        types={"Greeting": {"type": "object", "required": ["greeting"]}},
    )
    manifest["functions"]["greet"] |= {
        "input": {"$ref": "urn:bailiwick:input:Person"},
        "output": {"$ref": "urn:bailiwick:type:Greeting"},
    }
    registry.install(files_of(manifest), OPERATOR)
    assert fleet.call(TENANT, "greeter", "greet", b'{"mood":"kind"}', OPERATOR).value == {"greeting": "hello"}
    with pytest.raises(SchemaViolated):
        fleet.call(TENANT, "greeter", "greet", b'{"mood":"angry"}', OPERATOR)


@pytest.mark.parametrize("name", ["../greeter", "Greeter", "a/b", "", "g" * 65, "gr\u0435eter", "greeter\n"])
def test_a_name_that_is_a_path_or_looks_like_another_is_refused(registry, name):
    """Wrong if a name could lead out of where modules are, or pass for another module."""
    with pytest.raises(SchemaViolated):
        registry.install(files_of(manifest_of() | {"name": name}), OPERATOR)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"name":"a","name":"b"}', b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_none_is_refused(house, registry, raw):
    """Wrong if bytes from anybody broke the registry in another way than by a refusal."""
    with pytest.raises(BailiwickError) as caught:
        registry.install(files_of() | {"module.json": raw}, OPERATOR)
    assert caught.value.exit_code == 3
    assert house.types()[-1] == "module.refused"


# --- versions and dependencies --------------------------------------------------------------------------------------


def test_a_higher_version_takes_the_place_of_a_lower_one(fleet, registry):
    """Wrong if an upgrade were refused, or the old code went on answering."""
    registry.install(files_of(), OPERATOR)
    assert fleet.call(TENANT, "greeter", "greet", b"{}", OPERATOR).value == {"greeting": "hello"}
    registry.install(files_of(manifest_of(version="1.0.1", wasm=OTHER_WASM), OTHER_WASM), OPERATOR)
    assert fleet.call(TENANT, "greeter", "greet", b"{}", OPERATOR).value == {"greeting": "good evening"}
    assert [each.version for each in fleet.modules(TENANT)] == ["1.0.1"]


@pytest.mark.parametrize(("version", "code"), [("1.9.9", "module-downgrade"), ("1.10.0", "module-version-taken")])
@pytest.mark.parametrize("is_removed", [False, True], ids=["there", "removed"])
def test_an_older_version_or_other_code_under_a_taken_one_is_refused(registry, version, code, is_removed):
    """Wrong if a mended fault could be brought back by installing what had it, by way of removing or not."""
    registry.install(files_of(manifest_of(version="1.10.0")), OPERATOR)
    if is_removed:
        registry.remove("greeter", OPERATOR)
    files = files_of(manifest_of(version=version, wasm=OTHER_WASM), OTHER_WASM)
    assert refusal(registry, files) == code


def test_what_was_removed_can_be_installed_again_as_it_was(registry):
    """Wrong if removing by mistake could not be undone."""
    first = registry.install(files_of(), OPERATOR)
    registry.remove("greeter", OPERATOR)
    again = registry.install(files_of(), OPERATOR)
    assert (again.manifest, again.record > first.record) == (first.manifest, True)


def test_a_module_that_others_need_is_neither_removed_nor_replaced_by_what_they_cannot_use(registry):
    """Wrong if installing or removing one module could break another."""
    registry.install(files_of(), OPERATOR)
    needing = manifest_of("caller", dependencies=[{"name": "greeter", "version": "^1.0.0"}])
    registry.install(files_of(needing), OPERATOR)
    with pytest.raises(ModuleRefused) as caught:
        registry.remove("greeter", OPERATOR)
    assert caught.value.code == "module-needed"
    assert refusal(registry, files_of(manifest_of(version="2.0.0"))) == "module-dependency"
    assert registry.install(files_of(manifest_of(version="1.1.0")), OPERATOR).version == "1.1.0"


def test_an_internal_module_is_installed_on_the_operators_word_which_is_recorded(house, registry):
    """Wrong if nobody could say afterwards who let it in."""
    registry.install(files_of(manifest_of(internal=True)), OPERATOR, approve_internal=True)
    record = house.events()[-1]
    assert (record.detail["internal"], record.actor) == (True, OPERATOR)


@pytest.mark.parametrize(
    ("allow", "is_let_in"),
    [([], False), (["other"], False), (["greeter"], True), ([manifest_of()["digest"]], True)],
    ids=["none", "another", "name", "digest"],
)
def test_the_nodes_allow_list_decides_what_is_installed(house, allow, is_let_in):
    """Wrong if an operator could not say what may run on the machine at all."""
    house.rules = NodeRules.read({"allow": allow})
    registry = house.open().registry(TENANT)
    registry.trust(AUTHOR.verifier.text(), OPERATOR)
    if is_let_in:
        assert registry.install(files_of(), OPERATOR).name == "greeter"
    else:
        assert refusal(registry, files_of()) == "module-not-allowed"


@pytest.mark.parametrize(
    "table",
    [{"allow": "greeter"}, {"allow": ["../x"]}, {"allow": [1]}, {"concurrent": 0}, {"fuel_per_day": True}, {"more": 1}],
    ids=json.dumps,
)
def test_rules_that_cannot_be_read_are_refused_and_not_taken_for_none(table):
    """Wrong if a misspelt rule let everything run."""
    with pytest.raises(UsageRefused):
        NodeRules.read(table)


# --- grants ---------------------------------------------------------------------------------------------------------


ASKING = manifest_of(capabilities=[asking(CLOCK, "now"), asking("bailiwick:random/random@0.1.0", "bytes", "number")])


def test_nothing_is_granted_by_installing(fleet, registry):
    """Wrong if a publisher could grant itself anything."""
    registry.install(files_of(ASKING), OPERATOR)
    assert [each["granted"] for each in fleet.show(TENANT, "greeter").to_json()["capabilities"]] == [None, None]


def test_a_grant_is_of_what_was_asked_for_and_no_more(registry):
    """Wrong if a slip at the terminal gave a module what it never asked for."""
    registry.install(files_of(ASKING), OPERATOR)
    random = "bailiwick:random/random@0.1.0"
    assert registry.grant("greeter", random, OPERATOR, functions=["number"]).functions == ("number",)
    for interface, functions in [(CLOCK, ["set"]), ("bailiwick:config/config@0.1.0", [])]:
        with pytest.raises(UsageRefused) as caught:
            registry.grant("greeter", interface, OPERATOR, functions=functions)
        assert caught.value.code == "grant-unasked"


def test_a_grant_is_replaced_by_the_next_of_its_interface_and_the_same_costs_nothing(house, registry):
    """Wrong if grants could only grow, or granting twice filled the ledger."""
    registry.install(files_of(ASKING), OPERATOR)
    random = "bailiwick:random/random@0.1.0"
    registry.grant("greeter", random, OPERATOR)
    registry.grant("greeter", random, OPERATOR)
    registry.grant("greeter", random, OPERATOR, functions=["number"])
    assert house.types().count("module.granted") == 2
    assert registry.state.now().granted("greeter")[random].functions == ("number",)


@pytest.mark.parametrize(
    ("interface", "function", "scope"),
    [
        (CLOCK, "now", {"zone": "UTC"}),
        ("bailiwick:config/config@0.1.0", "get", {"values": ["a"]}),
        ("bailiwick:config/config@0.1.0", "get", {"values": {"../a": 1}}),
        ("bailiwick:audit/read@0.1.0", "records", {}),
        ("bailiwick:audit/read@0.1.0", "records", {"event_types": ["*"]}),
        ("bailiwick:audit/read@0.1.0", "records", {"event_types": ["*x*"], "resources": ["*"]}),
        ("bailiwick:invoke/invoke@0.1.0", "invoke", {}),
        ("bailiwick:invoke/invoke@0.1.0", "invoke", {"functions": ["*"]}),
        ("bailiwick:invoke/invoke@0.1.0", "invoke", {"functions": []}),
        ("bailiwick:invoke/invoke@0.1.0", "invoke", {"functions": ["greeter"]}),
    ],
    ids=str,
)
def test_a_scope_that_means_nothing_is_not_granted(registry, interface, function, scope):
    """Wrong if a misspelt scope were granted and then read as everything."""
    registry.install(files_of(manifest_of(capabilities=[asking(interface, function)])), OPERATOR)
    with pytest.raises(UsageRefused) as caught:
        registry.grant("greeter", interface, OPERATOR, scope=scope)
    assert caught.value.code == "grant-scope"


def test_grants_end_with_the_module_and_with_its_author(registry):
    """Wrong if whoever takes over a name inherited what another author was granted."""
    registry.install(files_of(ASKING), OPERATOR)
    registry.grant("greeter", CLOCK, OPERATOR)
    registry.install(files_of({**ASKING, "version": "1.1.0"}), OPERATOR)
    assert CLOCK in registry.state.now().granted("greeter")
    heir = Signer("modules/heir", new_secret(b"h" * 32))
    registry.trust(heir.verifier.text(), OPERATOR)
    registry.install(files_of({**ASKING, "version": "1.2.0"}, signer=heir), OPERATOR)
    assert registry.state.now().granted("greeter") == {}
    registry.grant("greeter", CLOCK, OPERATOR)
    registry.remove("greeter", OPERATOR)
    assert registry.state.now().grants == {}


def test_the_grants_of_one_tenant_are_none_of_another(fleet, registry):
    """Wrong if granting for one tenant gave the module rights in another."""
    registry.install(files_of(ASKING), OPERATOR)
    registry.grant("greeter", CLOCK, OPERATOR)
    other = fleet.registry(OTHER_TENANT)
    other.trust(AUTHOR.verifier.text(), OPERATOR)
    other.install(files_of(ASKING), OPERATOR)
    assert other.state.now().granted("greeter") == {}
    with pytest.raises(NotFound):
        other.ungrant("greeter", CLOCK, OPERATOR)


# --- lifecycle ------------------------------------------------------------------------------------------------------


def test_a_module_is_loaded_when_first_called_and_unloaded_when_told(fleet, registry):
    """Wrong if compiled code were kept for ever, or an unloaded module could not be called."""
    registry.install(files_of(), OPERATOR)
    assert fleet.loaded(TENANT) == []
    assert fleet.load(TENANT, "greeter").name == "greeter"
    assert fleet.loaded(TENANT) == ["greeter"]
    assert (fleet.unload(TENANT, "greeter"), fleet.unload(TENANT, "greeter")) == (True, False)
    assert fleet.call(TENANT, "greeter", "greet", b"{}", OPERATOR).value == {"greeting": "hello"}
    with pytest.raises(NotFound):
        fleet.load(TENANT, "nobody")


def test_only_so_many_modules_are_kept_compiled(fleet, registry, monkeypatch):
    """Wrong if a tenant with many modules filled the memory with their code."""
    monkeypatch.setattr("bailiwick.supervisor.loaded.LOADED_MAX", 2)
    for name in ("one", "two", "three"):
        registry.install(files_of(manifest_of(name)), OPERATOR)
        fleet.load(TENANT, name)
    assert fleet.loaded(TENANT) == ["three", "two"]


def test_a_binary_that_is_not_what_was_installed_any_more_is_not_run(house, fleet, registry):
    """Wrong if code that changed on the disk were run under its old name."""
    installed = registry.install(files_of(), OPERATOR)
    house.blobs.corrupt(TENANT, installed.pieces[0])
    with pytest.raises(BailiwickError) as caught:
        fleet.call(TENANT, "greeter", "greet", b"{}", OPERATOR)
    assert (caught.value.code, caught.value.exit_code) == ("blob-corrupt", 5)


def test_a_large_binary_is_kept_in_pieces_and_given_back_whole(house, registry, fleet, monkeypatch):
    """Wrong if a guest larger than a blob could not be installed, or came back in another order."""
    monkeypatch.setattr("bailiwick.supervisor.binaries.PIECE_BYTES", 40)
    installed = registry.install(files_of(), OPERATOR)
    assert len(installed.pieces) > 2
    assert fleet.call(TENANT, "greeter", "greet", b"{}", OPERATOR).value == {"greeting": "hello"}


def test_a_tenant_has_only_so_many_modules_and_keys(registry, monkeypatch):
    """Wrong if the folded state of a tenant could grow without end."""
    monkeypatch.setattr("bailiwick.supervisor.registry.MODULES_MAX", 1)
    monkeypatch.setattr("bailiwick.supervisor.registry.KEYS_MAX", 1)
    registry.install(files_of(), OPERATOR)
    assert refusal(registry, files_of(manifest_of("another"))) == "modules-many"
    assert registry.install(files_of(manifest_of(version="1.0.1")), OPERATOR).version == "1.0.1"
    with pytest.raises(UsageRefused) as caught:
        registry.trust(STRANGER.verifier.text(), OPERATOR)
    assert caught.value.code == "keys-too-many"
