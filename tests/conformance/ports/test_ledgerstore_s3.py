"""S3 as a ledger's store: conflicts, what a bucket gives back, answers that are lost, and locks that do not hold."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.ledgerstore_s3 import Bucket, S3LedgerStore, connect
from bailiwick.adapters.ledgerstore_worm import probe
from bailiwick.errors import LedgerBroken, LedgerPoisoned, LedgerRaced, Unavailable, Verdict

botocore = pytest.importorskip("botocore.exceptions", reason="boto3 is not installed: pip install 'bailiwick[cluster]'")

RECORDS = [b"record %d" % number for number in range(40)]


class Between:
    """A client of which one operation goes otherwise, and the rest as it is."""

    def __init__(self, client, **changed):
        self._client = client
        self._changed = changed

    def __getattr__(self, name):
        if name in self._changed:
            return lambda **words: self._changed[name](getattr(self._client, name), **words)
        return getattr(self._client, name)


@pytest.fixture
def ledger():
    """Give the name of a ledger that nobody else has."""
    return f"bailiwick/{uuid.uuid4().hex[:16]}"


@pytest.fixture
def open_store(s3_bucket, ledger, tmp_path):
    """Open another view of one ledger, as another machine would; any operation of its client can be changed."""
    disk = SystemDisk()
    opened = []

    def opening(*, mode="", days=0, **changed):
        bucket = Bucket(name=s3_bucket, mode=mode, days=days, client=lambda: Between(connect(), **changed))
        store = S3LedgerStore(bucket, ledger, tmp_path / str(len(opened)), disk)
        opened.append(store)
        return store

    yield opening
    for store in opened:
        store.close()
    disk.close()


@pytest.fixture
def client(s3_environment):
    """Give a client of our own."""
    made = connect()
    yield made
    made.close()


def read_all(store):
    """Read everything, counting first."""
    return store.read(0, store.count())


def refused(status, code):
    """Give the error of a refusal."""
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.ClientError(answer, "PutObject")


def lost():
    """Give the error of an answer that never came."""
    return botocore.ReadTimeoutError(endpoint_url="http://bucket")


def test_of_two_writers_with_one_end_in_mind_one_is_refused(open_store):
    """Wrong if two nodes on one bucket could both store a record of the same index: a fork."""
    one, other = open_store(), open_store()
    one.append(0, RECORDS[:3])
    assert other.count() == 3
    one.append(3, RECORDS[3:5])
    with pytest.raises(LedgerRaced, match="412"):
        other.append(3, [b"mine", b"mine too", b"and mine"])
    assert read_all(other) == RECORDS[:5]
    other.append(5, [b"mine"])
    assert read_all(one)[5:] == [b"mine"]


def test_a_conflict_while_both_write_wrote_nothing(open_store):
    """Wrong if a 409, which S3 gives to one of two that write at the same moment, were taken for a failure."""

    def conflict(_put, **_words):
        raise refused(409, "ConditionalRequestConflict")

    store = open_store(put_object=conflict)
    with pytest.raises(LedgerRaced, match="409"):
        store.append(0, RECORDS[:1])
    assert open_store().count() == 0


def test_a_lost_answer_is_looked_up(open_store):
    """Wrong if an object that is stored were written again under the next index, or called unknown without a look."""

    def put_and_lose(put, **words):
        put(**words)
        raise lost()

    store = open_store(put_object=put_and_lose)
    store.append(0, RECORDS[:3])
    store.append(3, RECORDS[3:4])
    assert read_all(open_store()) == RECORDS[:4]


def test_ones_own_first_attempt_is_no_other_writer(open_store):
    """Wrong if a request that was sent twice by the network's fault looked like a fork."""

    def put_twice(put, **words):
        put(**words)
        return put(**words)

    store = open_store(put_object=put_twice)
    store.append(0, RECORDS[:3])
    assert read_all(store) == RECORDS[:3]


def test_an_answer_that_never_came_and_left_nothing_to_see_is_unknown(open_store):
    """Wrong if a request that may still arrive were called failed, and its records recorded again."""

    def lose(_put, **_words):
        raise lost()

    with pytest.raises(LedgerPoisoned, match="unknown"):
        open_store(put_object=lose).append(0, RECORDS[:1])


def test_a_bucket_that_refuses_wrote_nothing(open_store):
    """Wrong if missing permissions stopped a writer for good."""

    def refuse(_put, **_words):
        raise refused(403, "AccessDenied")

    with pytest.raises(Unavailable, match="AccessDenied") as error:
        open_store(put_object=refuse).append(0, RECORDS[:1])
    assert not isinstance(error.value, LedgerPoisoned)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"record 7", b"record 8"),
        lambda data: data[:-1],
        lambda data: data + b"more\n",
        lambda data: data.replace(b"bailiwick-batch/1 0 ", b"bailiwick-batch/1 1 "),
        lambda data: data.replace(b" 10 ", b" 11 ", 1),
        lambda _: b"",
        lambda _: b"something else",
    ],
)
def test_an_object_that_is_not_what_was_stored_is_corrupt(open_store, client, s3_bucket, ledger, change):
    """Wrong if a bucket could give other bytes than it was given, and they were read as records."""
    store = open_store()
    store.append(0, RECORDS[:10])
    store.append(10, RECORDS[10:12])
    key = f"{ledger}/records/{0:012d}"
    data = client.get_object(Bucket=s3_bucket, Key=key)["Body"].read()
    client.put_object(Bucket=s3_bucket, Key=key, Body=change(data))
    again = open_store()
    assert again.count() == 12
    with pytest.raises(LedgerBroken) as broken:
        again.read(0, 12)
    assert broken.value.verdict is Verdict.CORRUPT


def test_an_object_larger_than_any_group_is_refused(open_store, client, s3_bucket, ledger, monkeypatch):
    """Wrong if whoever may write to the bucket could fill a node's memory."""
    monkeypatch.setattr("bailiwick.adapters.ledgerstore_s3.BATCH_BYTES_MAX", 10_000)
    open_store().append(0, RECORDS[:1])
    client.put_object(Bucket=s3_bucket, Key=f"{ledger}/records/{0:012d}", Body=b"x" * 10_001)
    with pytest.raises(LedgerBroken, match="larger"):
        open_store().count()


def test_objects_that_are_missing_in_two_histories_or_strange_are_verdicts(open_store, client, s3_bucket, ledger):
    """Wrong if a hole, a fork or a stray object were read over."""
    store = open_store()
    for start in range(0, 9, 3):
        store.append(start, RECORDS[start : start + 3])
    prefix = f"{ledger}/records/"
    middle = client.get_object(Bucket=s3_bucket, Key=f"{prefix}{3:012d}")["Body"].read()

    def verdict():
        with pytest.raises(LedgerBroken) as broken:
            read_all(open_store())
        return broken.value.verdict, broken.value.index

    client.delete_object(Bucket=s3_bucket, Key=f"{prefix}{3:012d}")
    assert verdict() == (Verdict.TRUNCATED, 3)
    client.put_object(Bucket=s3_bucket, Key=f"{prefix}{3:012d}", Body=middle)
    body = b"a\nb\n"
    header = b"bailiwick-batch/1 4 2 %b 00\n" % hashlib.sha256(body).hexdigest().encode()
    client.put_object(Bucket=s3_bucket, Key=f"{prefix}{4:012d}", Body=header + body)
    assert verdict() == (Verdict.FORKED, 4)
    client.delete_object(Bucket=s3_bucket, Key=f"{prefix}{4:012d}")
    assert read_all(open_store()) == RECORDS[:9]
    client.delete_object(Bucket=s3_bucket, Key=f"{prefix}{0:012d}")
    assert verdict() == (Verdict.TRUNCATED, 0)
    client.put_object(Bucket=s3_bucket, Key=f"{prefix}stray", Body=b"")
    assert verdict() == (Verdict.CORRUPT, None)


def test_a_view_notices_that_the_end_is_another_now(open_store):
    """Wrong if a view went on after records that somebody else had cut, and left a hole."""
    one, other = open_store(), open_store()
    one.append(0, RECORDS[:5])
    one.append(5, RECORDS[5:9])
    assert other.count() == 9
    one.cut(7)
    assert other.count() == one.count() == 7
    one.cut(5)
    one.append(5, [b"anew"] * 4)
    assert read_all(other) == [*RECORDS[:5], *[b"anew"] * 4]


def test_objects_are_locked_as_the_settings_say(open_store, client, s3_bucket, ledger):
    """Wrong if a ledger that must be kept could be deleted by whoever holds the node's credentials."""
    open_store(mode="COMPLIANCE", days=30).append(0, RECORDS[:1])
    found = client.head_object(Bucket=s3_bucket, Key=f"{ledger}/records/{0:012d}")
    assert found["ObjectLockMode"] == "COMPLIANCE"
    left = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    with pytest.raises(botocore.ClientError, match="AccessDenied"):
        client.delete_object(Bucket=s3_bucket, Key=f"{ledger}/records/{0:012d}", VersionId=found["VersionId"])


def test_what_a_delete_by_name_hides_is_still_there(open_store, client, s3_bucket, ledger):
    """Wrong if hiding the end of a ledger destroyed it: the page of formats says how it is brought back."""
    store = open_store(mode="COMPLIANCE", days=1)
    store.append(0, RECORDS[:3])
    store.append(3, RECORDS[3:6])
    key = f"{ledger}/records/{3:012d}"
    hidden = client.delete_object(Bucket=s3_bucket, Key=key)
    assert open_store().count() == 3
    client.delete_object(Bucket=s3_bucket, Key=key, VersionId=hidden["VersionId"])
    assert read_all(open_store()) == RECORDS[:6]


def test_more_objects_than_one_listing_shows_are_found(open_store):
    """Wrong if a ledger ended where the first page of a listing does."""

    def short(listing, **words):
        return listing(**{**words, "MaxKeys": min(words.get("MaxKeys", 4), 4)})

    store = open_store(list_objects_v2=short)
    for number, record in enumerate(RECORDS[:11]):
        store.append(number, [record])
    assert read_all(open_store(list_objects_v2=short)) == RECORDS[:11]


# --- the probe ------------------------------------------------------------------------------------------------------


def held_of(found):
    """Give which attempts did not hold."""
    return {attempt.name for attempt in found.attempts if not attempt.held}


def keep_promises(retain, **words):
    """Refuse to shorten or weaken a lock, as S3 does and moto does not."""
    raise refused(403, "AccessDenied")


def test_a_bucket_whose_locks_can_be_shortened_does_not_hold(s3_bucket, ledger, s3_environment):
    """Wrong if the probe believed a server that keeps locked versions only until somebody asks otherwise, as moto."""
    found = probe(Bucket(name=s3_bucket), ledger)
    assert not found.held
    assert found.is_proved
    assert held_of(found) >= {"shorten-retention", "weaken-mode"}
    assert "delete-version" not in held_of(found)
    assert "its lock" in next(each.seen for each in found.attempts if each.name == "shorten-retention")


def test_a_bucket_that_refuses_everything_holds(s3_bucket, ledger, s3_environment):
    """Wrong if the probe cried wolf over a bucket that keeps its promises."""
    client = connect()
    bucket = Bucket(name=s3_bucket, client=lambda: Between(client, put_object_retention=keep_promises))
    found = probe(bucket, ledger)
    assert held_of(found) == set()
    assert (found.held, found.is_proved, found.mode) == (True, True, "COMPLIANCE")
    assert len(found.attempts) == 10


def test_a_bucket_that_really_deletes_does_not_hold(s3_bucket, ledger, s3_environment):
    """Wrong if only what a server answers were looked at, and not what it did."""
    doomed = {}

    def lie(delete, **words):
        if "VersionId" in words and "control" not in words["Key"]:
            doomed.update(words)
            raise refused(403, "AccessDenied")
        return delete(**words)

    def gone(get, **words):
        if words.get("VersionId") == doomed.get("VersionId"):
            raise refused(404, "NoSuchVersion")
        return get(**words)

    changed = {"delete_object": lie, "get_object": gone, "put_object_retention": keep_promises}
    found = probe(Bucket(name=s3_bucket, client=lambda: Between(connect(), **changed)), ledger)
    assert not found.held
    assert "gone" in next(each.seen for each in found.attempts if each.name == "delete-version")


def test_a_bucket_without_object_lock_does_not_hold(client, ledger, s3_environment):
    """Wrong if a plain bucket passed, because nobody had asked it for a lock."""
    name = f"plain-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    found = probe(Bucket(name=name), ledger)
    assert held_of(found) == {"bucket-locks-versions"}


def test_credentials_that_may_delete_nothing_prove_nothing_about_the_lock(s3_bucket, ledger, s3_environment):
    """Wrong if missing permissions were taken for a lock: other credentials may have them."""

    def never(_delete, **words):
        if "VersionId" in words:
            raise refused(403, "AccessDenied")
        return _delete(**words)

    changed = {"delete_object": never, "put_object_retention": keep_promises}
    found = probe(Bucket(name=s3_bucket, client=lambda: Between(connect(), **changed)), ledger)
    assert (found.held, found.is_proved) == (True, False)


def test_a_probe_that_cannot_finish_says_nothing(s3_bucket, ledger, s3_environment):
    """Wrong if a server that fails were taken for a lock that holds."""

    def fail(_delete, **_words):
        raise refused(503, "SlowDown")

    with pytest.raises(Unavailable, match="SlowDown"):
        probe(Bucket(name=s3_bucket, client=lambda: Between(connect(), delete_object=fail)), ledger)
