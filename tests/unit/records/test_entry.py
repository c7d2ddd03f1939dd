"""Entries have one form of bytes, which says all of them and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from record_samples import entry
from tocsin.errors import RecordError
from tocsin.records.entry import (
    Entry,
    Kind,
    Reference,
    canonical,
    decode,
    encode,
    read_canonical,
    read_entry,
    read_time,
    time_text,
)

GOLDEN = (
    '{"detail":{"why":"a\\n\\u001b\\"ü\U0001f600"},"kind":"rule-change","objects":[{"id":"table--x","sha256":"'
    + "0f" * 32
    + '"}],"organisation":"org-1","purposes":["defence"],"rule":"r","rulebook":"","salt":"'
    + "ab" * 16
    + '","time":"2026-11-23T15:58:43.961873Z","v":1}'
).encode()
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
ENTRIES = st.builds(
    Entry,
    time_us=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    kind=st.sampled_from(Kind),
    organisation=TEXTS,
    purposes=st.lists(TEXTS, max_size=3).map(tuple),
    objects=st.lists(st.builds(Reference, TEXTS, DIGESTS), max_size=3).map(tuple),
    rule=TEXTS,
    rulebook=DIGESTS | st.just(""),
    detail=st.dictionaries(st.from_regex("[a-z][a-z0-9_]{0,5}", fullmatch=True), TEXTS, max_size=3),
    salt=st.binary(min_size=16, max_size=16).map(bytes.hex),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def test_canonical_bytes() -> None:
    """An entry has exactly these bytes: they are hashed, so that none of them may ever change."""
    one = Entry(
        time_us=1_795_449_523_961_873,
        kind=Kind.RULE_CHANGE,
        organisation="org-1",
        purposes=("defence",),
        objects=(Reference("table--x", "0f" * 32),),
        rule="r",
        detail={"why": 'a\n\x1b"ü\U0001f600'},
        salt="ab" * 16,
    )
    assert encode(one) == GOLDEN
    assert decode(GOLDEN) == one


@given(ENTRIES)
def test_bytes_say_the_whole_entry(one: Entry) -> None:
    """What is written is read again, as the same entry with the same bytes."""
    data = encode(one)
    assert decode(data) == one
    assert canonical(json.loads(data)) == data


@given(st.sampled_from(sorted(json.loads(GOLDEN))), JSON)
def test_no_two_values_are_one_entry(key: str, other: object) -> None:
    """A value of JSON that is read as an entry is its canonical form: nothing is passed over or repaired."""
    value = json.loads(GOLDEN) | {key: other}
    try:
        found = read_entry(value)
    except RecordError:
        return
    assert encode(found) == canonical(value)


@given(st.integers(0, len(GOLDEN) - 1), st.binary(max_size=2))
def test_damaged_bytes(at: int, other: bytes) -> None:
    """Damaged bytes are another entry or none, never the same one and never another exception."""
    data = GOLDEN[:at] + other + GOLDEN[at + 1 :]
    try:
        found = decode(data)
    except RecordError:
        return
    assert encode(found) == data


@pytest.mark.parametrize(
    "data",
    [
        GOLDEN.replace(b'"v":1', b'"v":1.0'),
        GOLDEN.replace(b'"v":1', b'"v":true'),
        GOLDEN.replace(b'"v":1', b'"v":2'),
        GOLDEN.replace(b'"r"', b'"r" '),
        GOLDEN.replace(b"Z", b"+00:00"),
        GOLDEN.replace(b".961873", b""),
        GOLDEN.replace(b"rule-change", b"other"),
        GOLDEN.replace("ü".encode(), b"\\u00fc"),
        GOLDEN.replace(b'"r"', b'"\\ud800"'),
        GOLDEN.replace(b'"v":1', b'"v":1,"v":1'),
        GOLDEN.replace(b'"v":1', b'"v":1,"x":1'),
        GOLDEN.replace(b"0f0f", b"0F0F"),
        b"\xef\xbb\xbf" + GOLDEN,
        GOLDEN.decode().encode("utf-16"),
        b"[" * 100_000,
    ],
)
def test_other_forms_are_refused(data: bytes) -> None:
    """Another way to write an entry is none."""
    with pytest.raises(RecordError, match="L001"):
        decode(data)


def test_what_cannot_be_recorded() -> None:
    """What has no canonical form is refused before it is in the record."""
    one = entry(1)
    for changes in (
        {"organisation": "\ud800"},
        {"time_us": 10**20},
        {"time_us": -(10**18)},
        {"organisation": "x" * (17 << 20)},
    ):
        with pytest.raises(RecordError, match="L010"):
            encode(replace(one, **changes))
    for changes in ({"rulebook": "x"}, {"salt": "x"}, {"detail": {"A": "x"}}):
        with pytest.raises(RecordError, match="L010"):
            replace(one, **changes)
    with pytest.raises(RecordError, match="L010"):
        Reference("a", "F" * 64)


def test_salts_differ() -> None:
    """Two entries that say the same have other hashes, so that who sees one cannot know the other."""
    one, other = (Entry(0, Kind.READ, "a") for _ in range(2))
    assert encode(one) != encode(other)


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_times(time_us: int) -> None:
    """Each microsecond has one text, also before 1970."""
    assert read_time(time_text(time_us)) == time_us


def test_canonical_json_of_what_is_not() -> None:
    """What JSON cannot say in one way is refused."""
    for data in (b"NaN", b'{"a":1,"a":1}', b"1e2", b"\xff"):
        with pytest.raises(RecordError, match="L001"):
            read_canonical(data, "it")
