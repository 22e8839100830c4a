"""Components made into one: what is joined, what stays open under a name of its own, what is refused and why."""

from __future__ import annotations

import pytest

from bailiwick.engine import Part, compose
from bailiwick.errors import ModuleRefused, UsageRefused
from bailiwick.model import Tier

CLOCK = "bailiwick:clock/clock@0.1.0"
ADD = "acme:math/add@1.0.0"
BUDGET = Tier.LIGHTWEIGHT.budget


def importing(interface, name="add", *, kind="s64"):
    """The text of an import with one function of two numbers."""
    two = f'(param "a" {kind}) (param "b" {kind}) (result {kind})'
    return f'(import "{interface}" (instance $m (export "{name}" (func {two})))) (alias export $m "{name}" (func $f))'


def caller(interface=ADD, name="add", export="check", exports_as="", *, kind="s64"):
    """A component that answers a number with what an imported function makes of it and one."""
    core = "i64" if kind == "s64" else "i32"
    lifted = f'(func $out (param "n" {kind}) (result {kind}) (canon lift (core func $i "run")))'
    shown = f'(export "{export}" (func $out))'
    if exports_as:
        lifted = f'(func $out (param "a" {kind}) (param "b" {kind}) (result {kind}) (canon lift (core func $i "two")))'
        shown = f'(instance $x (export "{name}" (func $out))) (export "{exports_as}" (instance $x))'
    return f"""(component {importing(interface, name, kind=kind)}
      (core func $g (canon lower (func $f)))
      (core module $c (import "m" "f" (func $f (param {core} {core}) (result {core})))
        (func (export "run") (param {core}) (result {core}) (call $f (local.get 0) ({core}.const 1)))
        (func (export "two") (param {core} {core}) (result {core}) (call $f (local.get 0) (local.get 1))))
      (core instance $i (instantiate $c (with "m" (instance (export "f" (func $g)))))) {lifted} {shown})"""


def adder(interface=ADD, name="add", *, by="i64.add", kind="s64", imports=""):
    """A component that exports an interface with one function of two numbers."""
    core = "i64" if kind == "s64" else "i32"
    return f"""(component {imports}
      (core module $c (func (export "f") (param {core} {core}) (result {core}) ({by} (local.get 0) (local.get 1))))
      (core instance $i (instantiate $c))
      (func $f (param "a" {kind}) (param "b" {kind}) (result {kind}) (canon lift (core func $i "f")))
      (instance $x (export "{name}" (func $f))) (export "{interface}" (instance $x)))"""


NOW = '(instance (export "now" (func (result u64))))'


@pytest.fixture
def part(to_wasm):
    """Give a function that makes a part of a text."""
    return lambda name, text: Part(name, to_wasm(text))


def test_what_one_exports_answers_what_another_imports(engine, part):
    """If it failed, a composed module would not be one."""
    whole = compose(part("checker", caller()), [part("maths", adder())])
    assert whole.imports == {}
    assert whole.joined == (("checker", ADD, "maths"),)
    guest = engine.load(whole.wasm)
    assert (guest.form, guest.imports) == ("component/1", ())
    assert engine.run(guest, "check", b'{"n":41}', BUDGET).output == b'{"ok":42}'


def test_parts_are_joined_in_a_chain_whatever_their_order(engine, part):
    """If it failed, a part could not stand on another that stands on a third."""
    middle = caller(ADD, "add", exports_as="acme:math/sum@1.0.0")
    parts = [part("sums", middle), part("maths", adder())]
    for others in (parts, parts[::-1]):
        whole = compose(part("checker", caller("acme:math/sum@1.0.0")), others)
        assert engine.run(engine.load(whole.wasm), "check", b'{"n":1}', BUDGET).output == b'{"ok":2}'


def test_each_part_asks_the_host_under_a_name_of_its_own(engine, part):
    """If it failed, what is granted to one part would be granted to all of them."""
    asks = f'(import "{CLOCK}" {NOW})'
    first = caller().replace("(component ", f"(component {asks} ", 1)
    whole = compose(part("checker", first), [part("maths", adder(imports=asks))])
    assert whole.imports == {
        "bailiwick:checker-clock/clock@0.1.0": ("checker", CLOCK),
        "bailiwick:maths-clock/clock@0.1.0": ("maths", CLOCK),
    }
    assert engine.load(whole.wasm).imports == (
        "bailiwick:checker-clock/clock@0.1.0#now",
        "bailiwick:maths-clock/clock@0.1.0#now",
    )


def test_types_that_an_interface_names_are_passed_on(engine, part):
    """If it failed, an interface with a record or a result could not stay open."""
    kinds = (
        '(instance (type $r (record (field "code" u32) (field "words" (list string)))) '
        '(export "slip" (type $s (eq $r))) (type $o (option $s)) '
        '(type $v (variant (case "a" $s) (case "b"))) (export "way" (type $w (eq $v))) '
        '(type $e (enum "x" "y")) (export "kind" (type $k (eq $e))) (type $f (flags "p" "q")) '
        '(export "marks" (type $m (eq $f))) '
        '(export "ask" (func (param "slip" $s) (param "way" $w) (param "kind" $k) (param "marks" $m) '
        '(param "pair" (tuple u8 bool)) (result (result $o (error string))))))'
    )
    asks = f'(import "bailiwick:data/query@0.1.0" {kinds})'
    whole = compose(part("checker", caller()), [part("maths", adder(imports=asks))])
    assert engine.load(whole.wasm).imports == ("bailiwick:maths-data/query@0.1.0#ask",)


@pytest.mark.parametrize(
    ("code", "first", "others"),
    [
        ("compose-form", "(module)", {"maths": adder()}),
        ("compose-clash", caller(), {"maths": adder(), "other": adder()}),
        ("compose-unused", caller(), {"maths": adder(), "other": adder("acme:math/other@1.0.0")}),
        ("compose-import", caller(), {"other": adder("acme:math/other@1.0.0")}),
        (
            "compose-cycle",
            caller("acme:a/a@1.0.0"),
            {
                "left": caller("acme:b/b@1.0.0", exports_as="acme:a/a@1.0.0"),
                "right": caller("acme:a/a@1.0.0", exports_as="acme:b/b@1.0.0"),
            },
        ),
        ("compose-types", caller(), {"maths": adder(by="i32.add", kind="s32")}),
        ("compose-types", caller(), {"maths": adder(name="plus")}),
        (
            "compose-unsupported",
            caller(),
            {"maths": adder(imports='(import "bailiwick:a/b@0.1.0" (instance (export "r" (type (sub resource)))))')},
        ),
        ("compose-import", caller(), {"maths": adder(imports='(import "now" (func))')}),
    ],
)
def test_what_cannot_be_joined_is_refused_with_the_reason(part, code, first, others):
    """If it failed, a whole would be made that is not what its author meant, or an error would name nothing."""
    with pytest.raises(ModuleRefused) as caught:
        compose(part("checker", first), [part(name, text) for name, text in others.items()])
    expected = {"compose-unused", "compose-import"} if len(others) == 1 and code == "compose-import" else {code}
    assert caught.value.code in expected
    assert caught.value.hint


@pytest.mark.parametrize("names", [("checker",), ("checker", "checker"), ("checker", "Maths"), ("checker", "a--b")])
def test_parts_need_names_of_their_own(part, names):
    """If it failed, two parts would share their grants, or a name would break the text that is written."""
    with pytest.raises(UsageRefused) as caught:
        compose(part(names[0], caller()), [part(each, adder()) for each in names[1:]])
    assert caught.value.code == "compose-parts"


def test_two_parts_whose_names_run_together_do_not_share_a_grant(part):
    """If it failed, what is granted to one part would be granted to another whose name reads the same."""
    first = caller().replace("(component ", f'(component (import "bailiwick:b-clock/clock@0.1.0" {NOW}) ', 1)
    with pytest.raises(ModuleRefused) as caught:
        compose(part("a", first), [part("a-b", adder(imports=f'(import "{CLOCK}" {NOW})'))])
    assert caught.value.code == "compose-clash"


def test_a_part_cut_short_anywhere_is_refused_or_whole_still(engine, part):
    """If it failed, a damaged part would end the process or pass for another; what may be cut off is its names."""
    whole, refused = part("maths", adder()), 0
    for length in range(len(whole.wasm)):
        try:
            made = compose(part("checker", caller()), [Part("maths", whole.wasm[:length])])
        except ModuleRefused:
            refused += 1
            continue
        assert engine.run(engine.load(made.wasm), "check", b'{"n":41}', BUDGET).output == b'{"ok":42}'
    assert refused > len(whole.wasm) // 2


def test_composing_twice_gives_the_same_bytes(part):
    """If it failed, a digest would not say what was composed."""
    made = [compose(part("checker", caller()), [part("maths", adder())]).wasm for _ in range(2)]
    assert made[0] == made[1]
