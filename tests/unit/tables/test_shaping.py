"""What becomes of a table, many values at once, held to the reference that takes one after another."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import Any

import ipcrypt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.errors import TableError
from tocsin.sharing.table_policies import Change, Condition, Shown, TablePolicy, TimeUnit
from tocsin.tables.addresses import encrypt_addresses
from tocsin.tables.keys import Keys, derive_keys
from tocsin.tables.reference import given_rows
from tocsin.tables.shaping import Shaper

KEYS = derive_keys(b"k" * 32, "events", "hilltown", 1)
MOMENTS = st.datetimes(datetime(1969, 1, 1), datetime(2031, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
ADDRESSES = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str), st.sampled_from(["", "x", "10.1.2"]))
SCHEMA = pa.schema(
    [
        ("site", pa.string()),
        ("user", pa.string()),
        ("address", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("port", pa.int64()),
        ("load", pa.float64()),
        ("ok", pa.bool_()),
    ]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "site": st.none() | st.sampled_from(["north", "south", "hilltown", ""]),
            "user": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
            "address": st.none() | ADDRESSES,
            "at": st.none() | MOMENTS,
            "day": st.none() | st.dates(date(1969, 1, 1), date(2031, 1, 1)),
            "port": st.none() | st.integers(-(2**40), 2**40),
            "load": st.none() | st.floats(-1e6, 1e6, allow_nan=False),
            "ok": st.none() | st.booleans(),
        }
    ),
    max_size=12,
)
SHOWN = st.lists(
    st.one_of(
        st.sampled_from(SCHEMA.names).map(Shown),
        st.sampled_from(["site", "user", "address", "port", "ok"]).map(lambda name: Shown(name, Change.TOKEN)),
        st.builds(Shown, st.just("at"), st.just(Change.TIME), st.sampled_from(list(TimeUnit))),
        st.builds(Shown, st.just("port"), st.just(Change.BUCKET), st.integers(1, 1000)),
        st.builds(Shown, st.just("load"), st.just(Change.BUCKET), st.sampled_from([0.5, 10, 3])),
        st.just(Shown("address", Change.PREFIX)),
        st.builds(
            Shown,
            st.just("address"),
            st.just(Change.NETWORK),
            networks=st.tuples(st.integers(1, 32), st.integers(1, 128)),
        ),
        st.builds(Shown, st.sampled_from(["source", "site"]), st.just(Change.CONSTANT), st.sampled_from(["x", 1, 1.5, True])),
    ),
    min_size=1,
    unique_by=lambda shown: shown.name,
)
CONDITIONS = st.lists(
    st.one_of(
        st.builds(Condition, st.just("site"), st.lists(st.sampled_from(["north", "south"]), min_size=1).map(tuple)),
        st.just(Condition("site", recipient=True)),
        st.builds(Condition, st.just("ok"), st.just((True,))),
        st.builds(Condition, st.just("port"), at_least=st.none() | st.integers(-9, 9), below=st.none() | st.integers(0, 2**41)),
        st.builds(
            Condition, st.just("at"), at_least=st.just("1999-12-31T23:00:00"), below=st.just("2020-01-01T00:00:00+02:00")
        ),
        st.builds(Condition, st.just("day"), below=st.just("2000-01-01")),
        st.builds(Condition, st.just("load"), at_least=st.integers(0, 3)),
    ),
    max_size=2,
)


def shape(rows: list[dict[str, Any]], policy: TablePolicy, keys: Keys | None = KEYS) -> list[dict[str, Any]]:
    """Return what is given of rows."""
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA)
    found: list[dict[str, Any]] = Shaper(policy, SCHEMA, keys, "hilltown").shape(batch).to_pylist()
    return found


@given(ROWS, SHOWN, CONDITIONS)
@settings(max_examples=300)
def test_many_values_become_what_each_becomes(rows: list[dict[str, Any]], shown: list[Shown], rules: list[Condition]) -> None:
    """Columns of Arrow and values of Python become the same by any policy."""
    policy = TablePolicy(tuple(shown), tuple(rules))
    assert shape(rows, policy) == list(given_rows(rows, policy, KEYS, "hilltown"))


@given(st.lists(ADDRESSES, max_size=30), st.binary(min_size=32, max_size=32))
def test_addresses_are_those_of_ipcrypt(texts: list[str], key: bytes) -> None:
    """Many addresses at once are encrypted as the package does it one by one; one of IPv4 in IPv6 is taken as that of IPv4."""
    if key[:16] == key[16:]:
        key = bytes(range(32))
    for text, made in zip(texts, encrypt_addresses(texts, key), strict=True):
        try:
            address = ip_address(text)
            mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
            assert made == str(ipcrypt.pfx_encrypt(str(mapped or address), key))
        except ValueError:
            assert made is None


@given(st.ip_addresses(v=4), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_prefixes_are_kept(address: Any, bits: int, other: int) -> None:
    """Two addresses share as long a prefix afterwards as before."""
    mask = (1 << 32 - bits) - 1
    second = (int(address) & ~mask) | (other & mask)
    first, last = encrypt_addresses([str(address), str(type(address)(second))], KEYS.prefix)
    assert first
    assert last
    common = 32 - (int(address) ^ second).bit_length()
    assert 32 - (int(type(address)(first)) ^ int(type(address)(last))).bit_length() == common


def test_published_vectors_of_ipcrypt() -> None:
    """The vectors of the draft of ipcrypt-pfx."""
    key = bytes.fromhex("0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301")
    assert encrypt_addresses(["0.0.0.0", "255.255.255.255", "192.0.2.1", "2001:db8::1"], key) == [
        "151.82.155.134",
        "94.185.169.89",
        "100.115.72.131",
        "c180:5dd4:2587:3524:30ab:fa65:6ab6:f88",
    ]


def test_tokens_join_inside_a_share_alone() -> None:
    """A value has one token for a recipient, in each column; other recipients, shares and epochs have others."""
    keys = [derive_keys(b"k" * 32, *of) for of in (("a", "x", 1), ("a", "y", 1), ("b", "x", 1), ("a", "x", 2), ("ax", "", 1))]
    policy = TablePolicy((Shown("site", Change.TOKEN), Shown("user", Change.TOKEN)))
    made = [shape([{"site": "bob", "user": "bob"}], policy, of)[0] for of in keys]
    assert all(row["site"] == row["user"] for row in made)
    assert len({row["user"] for row in made}) == len(keys)
    assert len({of.fingerprint for of in keys}) == len(keys)


def test_dictionaries_and_small_types_become_plain() -> None:
    """What is given has no dictionary, which tells hidden values, and no type that Delta has not."""
    moment = datetime(2030, 1, 1) + timedelta(microseconds=7)
    columns = {
        "kind": pa.array(["seen", "hidden"]).dictionary_encode(),
        "port": pa.array([1, 2**16 - 1], pa.uint16()),
        "big": pa.array([1, 2**64 - 1], pa.uint64()),
        "at": pa.array([moment, moment], pa.timestamp("ns")),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    shaper = Shaper(TablePolicy(tuple(map(Shown, columns)), (Condition("kind", ("seen",)),)), batch.schema, None, "x")
    made = shaper.shape(batch)
    types = [pa.string(), pa.int32(), pa.decimal128(20, 0), pa.timestamp("us", "UTC")]
    assert made.schema.types == types
    assert made.schema == shaper.schema
    assert made.to_pylist()[0]["at"] == moment.replace(tzinfo=UTC)
    assert made.num_rows == 1


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (TablePolicy((Shown("sitee"),)), "D004"),
        (TablePolicy((Shown("site"),), (Condition("nothing", ("x",)),)), "D004"),
        (TablePolicy((Shown("site"),), subject="nobody"), "D004"),
        (TablePolicy((Shown("port", Change.TIME, "day"),)), "D005"),
        (TablePolicy((Shown("site", Change.BUCKET, 2),)), "D005"),
        (TablePolicy((Shown("port", Change.BUCKET, 0.5),)), "D005"),
        (TablePolicy((Shown("port", Change.PREFIX),)), "D005"),
        (TablePolicy((Shown("site"),), (Condition("port", ("1",)),)), "D005"),
        (TablePolicy((Shown("site"),), (Condition("ok", (1,)),)), "D005"),
        (TablePolicy((Shown("site"),), (Condition("port", (True,)),)), "D005"),
        (TablePolicy((Shown("site"),), (Condition("at", at_least="yesterday"),)), "D005"),
        (TablePolicy((Shown("site"),), (Condition("port", recipient=True),)), "D005"),
    ],
)
def test_what_does_not_fit_the_table_is_told_before_any_row(policy: TablePolicy, code: str) -> None:
    """A column that is not there, or a change or value that its type has not, is an error even for an empty table."""
    with pytest.raises(TableError) as error:
        Shaper(policy, SCHEMA, KEYS, "hilltown")
    assert error.value.code == code


def test_a_condition_that_says_nothing_is_fit_by_none() -> None:
    """A condition without any value gives nothing, and not all."""
    assert shape([{"site": "north"}], TablePolicy((Shown("site"),), (Condition("site"),))) == []


def test_values_that_are_no_addresses_are_counted() -> None:
    """What is given as null since it is no address is told, a null that was one is not."""
    batch = pa.RecordBatch.from_pylist([{"address": "10.0.0.1"}, {"address": "pump"}, {"address": None}], SCHEMA)
    shaper = Shaper(TablePolicy((Shown("address", Change.PREFIX),)), SCHEMA, KEYS, "x")
    assert [row["address"] is None for row in shaper.shape(batch).to_pylist()] == [False, True, True]
    assert shaper.unreadable == {"address": 1}
