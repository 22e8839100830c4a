"""Law that others keep: pulled only at a commit that a pinned key signed, only forward, and each step is a record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.decisions import RawInput
from bailiwick.errors import NotFound, NotTrusted, PackRefused, Unavailable, UsageRefused
from bailiwick.schema import Schemas
from tests.conformance.ports.repository import Repository, key, public_line
from tests.law import NAME, LeaveLaw
from tests.test_installing import FACTS, TENANT, Stand

if shutil.which("git") is None:
    pytest.skip("git is not installed: apt-get install git", allow_module_level=True)


class Elsewhere(Stand):
    """A home that follows a repository of law."""

    def __init__(self, folder: Path) -> None:
        """Make both; nothing is committed yet."""
        super().__init__(folder)
        self.repository = Repository(folder / "law.git")
        self.node.follow(TENANT, str(self.repository.folder), NAME, path="packs", keys=[public_line(key())])

    def commit(self, law: LeaveLaw, by=key(), **how) -> str:  # noqa: B008 a key that is the same each time
        """Commit a version of the law, signed."""
        files = {f"packs/{NAME}/{path}": content for path, content in law.files().items()}
        return self.repository.commit(self.repository.folder_of(files), by=by, **how)

    def pull(self, **how) -> str:
        """Pull and install, and give the version that is used then."""
        self.node.install_pack(TENANT, self.node.pull(TENANT, NAME, **how).offer)
        return str(self.version())

    def told(self) -> list[tuple[str, str | None]]:
        """Give what the records say of the source, each by its contract."""
        records = [each for each in self.node.ledger(TENANT).records() if each.event_type == "pack.source-changed"]
        for each in records:
            Schemas().contract("pack-source-changed").check(dict(each.detail), subject="the record")
        return [(each.detail["state"], each.detail.get("code")) for each in records]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Give a home that follows a repository."""
    made = Elsewhere(tmp_path)
    yield made
    made.node.close()


def test_a_signed_commit_becomes_the_law_that_decides(elsewhere: Elsewhere):
    """Wrong if law could not come from where its authors keep it."""
    first = elsewhere.commit(LeaveLaw())
    assert elsewhere.pull() == "1.0.0"
    assert elsewhere.decide() == "capped"
    second = elsewhere.commit(LeaveLaw(version="1.1.0", cap=4_321))
    assert elsewhere.decide() == "capped"
    assert elsewhere.pull(commit=second) == "1.1.0"
    assert elsewhere.decide() == "paid"
    assert elsewhere.told() == [("followed", None), ("moved", None), ("moved", None)]
    (source,) = elsewhere.node.sources(TENANT)
    assert source.commit == second != first
    assert elsewhere.node.replay(TENANT).differing == ()


def test_pulling_what_is_pinned_already_changes_nothing(elsewhere: Elsewhere):
    """Wrong if a timer filled the ledger."""
    elsewhere.commit(LeaveLaw())
    elsewhere.pull()
    size = elsewhere.node.ledger(TENANT).size()
    assert elsewhere.pull() == "1.0.0"
    assert elsewhere.node.ledger(TENANT).size() == size


@pytest.mark.parametrize(("by", "code"), [(None, "commit-unsigned"), (key(2), "commit-key-unknown")])
def test_a_commit_that_nobody_pinned_signed_is_refused_and_told_once(elsewhere: Elsewhere, by, code: str):
    """Wrong if whoever may push could change the law, or a timer told of it for ever."""
    elsewhere.commit(LeaveLaw())
    elsewhere.pull()
    elsewhere.commit(LeaveLaw(version="1.1.0", cap=4_321), by=by)
    for _ in range(3):
        with pytest.raises(NotTrusted) as caught:
            elsewhere.pull()
        assert caught.value.code == code
    assert elsewhere.told()[2:] == [("refused", code)]
    assert elsewhere.decide() == "capped"


def test_a_rewritten_history_is_refused_but_by_order(elsewhere: Elsewhere):
    """Wrong if an older law that was signed once could be pushed again as the newest."""
    first = elsewhere.commit(LeaveLaw())
    elsewhere.commit(LeaveLaw(version="1.1.0", cap=4_321))
    elsewhere.pull()
    elsewhere.commit(LeaveLaw(version="1.2.0", cap=1), parents=(first,))
    with pytest.raises(NotTrusted) as caught:
        elsewhere.pull()
    assert caught.value.code == "commit-rewound"
    elsewhere.repository.git("update-ref", "refs/heads/main", first)
    with pytest.raises(NotTrusted):
        elsewhere.pull()
    assert elsewhere.decide() == "paid"
    elsewhere.commit(LeaveLaw(version="1.2.0", cap=1), parents=(first,), message=b"Again\n")
    assert elsewhere.pull(may_rewind=True) == "1.2.0"
    record = [each for each in elsewhere.node.ledger(TENANT).records() if each.event_type == "pack.source-changed"][-1]
    assert record.detail["rewound"] is True


def test_following_again_with_other_keys_does_not_move_the_pin(elsewhere: Elsewhere):
    """Wrong if adding a key were a way to begin history anew."""
    first = elsewhere.commit(LeaveLaw())
    elsewhere.commit(LeaveLaw(version="1.1.0"))
    elsewhere.pull()
    keys = [public_line(key()), public_line(key(2))]
    elsewhere.node.follow(TENANT, str(elsewhere.repository.folder), NAME, path="packs", keys=keys)
    elsewhere.commit(LeaveLaw(version="1.2.0"), by=key(2), parents=(first,))
    with pytest.raises(NotTrusted) as caught:
        elsewhere.pull()
    assert caught.value.code == "commit-rewound"


def test_a_commit_that_is_not_on_what_is_followed_is_not_found(elsewhere: Elsewhere):
    """Wrong if a commit of some other branch could be announced."""
    first = elsewhere.commit(LeaveLaw())
    elsewhere.commit(LeaveLaw(version="1.1.0"), ref="refs/heads/draft")
    draft = elsewhere.repository.tip
    elsewhere.repository.git("update-ref", "refs/heads/main", first)
    with pytest.raises(NotFound):
        elsewhere.pull(commit=draft)


def test_a_pack_that_fails_its_cases_is_refused_and_the_pin_stays(elsewhere: Elsewhere):
    """Wrong if a signature were enough to put broken law to use."""
    files = {f"packs/{NAME}/{path}": raw for path, raw in LeaveLaw().files().items()}
    case = f"packs/{NAME}/tests/cases.yaml"
    files[case] = files[case].replace(b"outcome: paid", b"outcome: nothing")
    elsewhere.repository.commit(elsewhere.repository.folder_of(files), by=key())
    with pytest.raises(PackRefused):
        elsewhere.pull()
    assert elsewhere.told() == [("followed", None), ("refused", "pack-cases")]
    assert elsewhere.node.sources(TENANT)[0].commit is None


def test_an_older_version_on_a_newer_commit_is_refused(elsewhere: Elsewhere):
    """Wrong if going back in versions were possible without going back in history."""
    elsewhere.commit(LeaveLaw(version="1.1.0", cap=4_321))
    elsewhere.pull()
    elsewhere.commit(LeaveLaw())
    with pytest.raises(PackRefused) as caught:
        elsewhere.pull()
    assert caught.value.code == "pack-downgrade"
    assert elsewhere.decide() == "paid"


def test_a_key_that_is_revoked_signs_no_more(elsewhere: Elsewhere):
    """Wrong if a stolen key had to be taken out of every source by hand."""
    elsewhere.commit(LeaveLaw())
    elsewhere.pull()
    pinned = elsewhere.node.sources(TENANT)[0].keys[0]
    elsewhere.node.supervisor.registry(TENANT).untrust(pinned, elsewhere.node.actor(TENANT))
    elsewhere.commit(LeaveLaw(version="1.1.0"))
    with pytest.raises(NotTrusted) as caught:
        elsewhere.pull()
    assert caught.value.code == "key-revoked"
    with pytest.raises(NotTrusted):
        elsewhere.decide()


def test_a_place_that_is_gone_leaves_the_law_in_use(elsewhere: Elsewhere):
    """Wrong if deciding needed the repository."""
    elsewhere.commit(LeaveLaw())
    elsewhere.pull()
    shutil.rmtree(elsewhere.repository.folder)
    with pytest.raises(Unavailable):
        elsewhere.pull()
    elsewhere.reopen()
    assert elsewhere.decide() == "capped"


def test_the_ledger_holds_no_address(elsewhere: Elsewhere):
    """Wrong if where a tenant gets its law could be read from what is exported."""
    elsewhere.commit(LeaveLaw())
    elsewhere.pull()
    ledger = b"".join(record.raw for record in elsewhere.node.ledger(TENANT).records())
    assert str(elsewhere.repository.folder).encode() not in ledger
    assert b"refs/" not in ledger


def test_what_is_not_followed_is_not_pulled(elsewhere: Elsewhere):
    """Wrong if a place went on being believed after it was left."""
    elsewhere.commit(LeaveLaw())
    elsewhere.pull()
    elsewhere.node.unfollow(TENANT, NAME)
    for act in (elsewhere.pull, lambda: elsewhere.node.unfollow(TENANT, NAME)):
        with pytest.raises(NotFound) as caught:
            act()
        assert caught.value.code == "source-not-found"
    assert elsewhere.node.sources(TENANT) == []
    assert elsewhere.decide() == "capped"


def test_a_source_without_a_key_is_refused(elsewhere: Elsewhere):
    """Wrong if a place could be followed whoever signs."""
    with pytest.raises(UsageRefused) as caught:
        elsewhere.node.follow(TENANT, str(elsewhere.repository.folder), NAME, keys=[])
    assert caught.value.code == "source-keys"


def test_the_terminal_follows_and_pulls(elsewhere: Elsewhere, monkeypatch, capsys):
    """Wrong if the examples that the help shows did not work."""
    from bailiwick.cli import main

    elsewhere.node.unfollow(TENANT, NAME)
    elsewhere.node.close()
    made = elsewhere.repository.commit(elsewhere.repository.packs({NAME: LeaveLaw().files()}), by=key(), parents=())
    monkeypatch.chdir(elsewhere.folder)
    (elsewhere.folder / "id_ed25519.pub").write_text(public_line(key()) + "\n")
    home = ["--home", str(elsewhere.home)]
    for words in (
        "pack follow law.git leave-law --key id_ed25519.pub",
        "pack follow law.git leave-law --ref main --key id_ed25519.pub --json",
        "pack sources",
        "pack sources --json",
        "pack pull leave-law",
        f"pack pull leave-law --commit {made} --yes --json",
    ):
        assert main([*words.split(), *home]) == 0, words
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["name"], answer["version"], answer["installed"]) == (NAME, "1.0.0", True)
    assert main(["pack", "unfollow", NAME, *home]) == 0
    elsewhere.node = elsewhere.open()
    (answer,) = elsewhere.node.decide(TENANT, NAME, [RawInput(media="json", body=json.dumps(FACTS))])
    assert answer.outcome == "capped"
