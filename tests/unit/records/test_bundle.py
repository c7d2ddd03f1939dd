"""A bundle is checked without the node, and every way to tamper with it is told with its place."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from hashlib import sha256

import pytest

from record_samples import KEY, ORIGIN, SIGNER, TRUST, WITNESS, bundle, check, codes, entry, leaves, signed
from tocsin.errors import RecordError
from tocsin.records.bundle import Leaf
from tocsin.records.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from tocsin.records.entry import Entry, encode
from tocsin.records.keys import Signer, Use
from tocsin.records.tree import leaf_hash
from tocsin.records.verify import Trust, verify_bundle

HISTORY = leaves(11)
OTHER = leaves(11, word="another")


def sound(data: bytes) -> bool:
    """Return whether data is a bundle without a problem."""
    try:
        return check([data]).sound
    except RecordError:
        return False


def ended(lines: list[bytes]) -> list[bytes]:
    """Return lines with an end that fits them, as one who tampers would write it."""
    body = b"".join(lines[:-1])
    end = {"end": {"lines": len(lines) - 1, "sha256": sha256(body).hexdigest()}}
    return [*lines[:-1], json.dumps(end, separators=(",", ":")).encode() + b"\n"]


def edit(line: bytes, change: Callable[[dict], None]) -> bytes:
    """Return a line in canonical form after a change of what it says."""
    value = json.loads(line)
    change(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def rehashed(value: dict) -> None:
    """Change an entry and its hash with it."""
    value["leaf"]["entry"]["organisation"] = "nobody"
    data = json.dumps(value["leaf"]["entry"], ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    value["leaf"]["hash"] = base64.b64encode(leaf_hash(data)).decode()


@pytest.mark.parametrize("start", [0, 1, 5, 8, 11])
@pytest.mark.parametrize("sizes", [(), (4,), (1, 3, 8), (0, 11)])
def test_sound_bundles(start: int, sizes: tuple[int, ...]) -> None:
    """A bundle of any stretch is sound, with checkpoints before it, at its borders and in it, and tells every entry."""
    taken: dict[int, Entry] = {}
    lines = bundle(HISTORY, start, sizes)
    verdict = verify_bundle(io.BytesIO(b"".join(lines)), "b", TRUST, taken.__setitem__)
    assert codes(verdict) == []
    assert verdict.sound
    assert taken == {number: entry(number) for number in range(start, 11)}
    assert (verdict.start, verdict.to, verdict.shown, verdict.checkpoints) == (start, 11, 11 - start, len(sizes) + 1)


def test_an_empty_record() -> None:
    """The bundle of a record without entries is sound."""
    assert codes(check(bundle([]))) == []


def test_withheld_entries() -> None:
    """Entries of others are withheld, counted, and prove the rest; a bundle that promises all may withhold none."""
    mine = [item if entry(item.seq).organisation == "org-1" else Leaf(item.seq, item.hash) for item in HISTORY]
    verdict = check(bundle(mine, only="org-1"))
    assert codes(verdict) == []
    assert (verdict.shown, verdict.withheld) == (4, 7)
    assert codes(check(bundle(mine)))[0] == "L004:4"
    assert codes(check(bundle(HISTORY, only="org-1")))[0] == "L004:4"


@pytest.mark.parametrize(("start", "count"), [(0, 3), (6, 8)])
def test_each_changed_byte_is_told(start: int, count: int) -> None:
    """No byte of a bundle can be changed, taken out or doubled without a problem."""
    whole = b"".join(bundle(HISTORY[:count], start, (start,)))
    for at in range(len(whole)):
        for other in (bytes([whole[at] ^ 1]), bytes([whole[at] ^ 0x80]), b"", whole[at : at + 1] * 2):
            assert not sound(whole[:at] + other + whole[at + 1 :]), (at, other)


@pytest.mark.parametrize("start", [0, 6])
@pytest.mark.parametrize("resigned", [False, True])
def test_each_tampered_line_is_told(start: int, resigned: bool) -> None:
    """No line can be taken out, doubled or moved, also when the end is written anew, but for keys and proven checkpoints."""
    lines = bundle(HISTORY, start, (4, 8))
    free = {number for number, line in enumerate(lines) if line.startswith((b'{"key"', b'{"checkpoint"', b'{"consistency"'))}
    for at in range(1, len(lines) - 1):
        for number, forged in enumerate(
            (
                [*lines[:at], *lines[at + 1 :]],
                [*lines[:at], lines[at], *lines[at:]],
                [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
            )
        ):
            verdict = check(ended(forged) if resigned else forged)
            if not resigned or at not in free or number == 2:
                assert not verdict.sound, (at, number)


def test_each_truncated_bundle_is_told() -> None:
    """A bundle that ends early, between two lines or within one, says so with the last line that is there."""
    lines = bundle(HISTORY, 0, (4,))
    for at in range(1, len(lines)):
        assert f"L002:{at}" in codes(check(lines[:at]))
        assert f"L002:{at + 1}" in codes(check([*lines[:at], lines[at][:-1]]))
        assert f"L002:{at + 1}" in codes(check([*lines[:at], lines[at][: len(lines[at]) // 2]]))


def test_problems_have_their_place() -> None:
    """Each kind of tampering is told by its own code at its own line, although the end was written anew."""
    lines = bundle(HISTORY, 0, (4,))
    first = next(number for number, line in enumerate(lines) if line.startswith(b'{"leaf"'))

    def tampered(at: int, change: Callable[[dict], None]) -> list[str]:
        return codes(check(ended([*lines[:at], edit(lines[at], change), *lines[at + 1 :]])))

    def rename(value: dict) -> None:
        value["leaf"]["entry"]["organisation"] = "nobody"

    assert tampered(first + 6, rename) == [f"L003:{first + 7}"]
    checkpoint_lines = [number for number, line in enumerate(lines, 1) if line.startswith(b'{"checkpoint"')]
    assert tampered(first + 2, rehashed) == [f"L005:{checkpoint_lines[0]}"]
    assert tampered(first + 6, rehashed) == [f"L005:{checkpoint_lines[1]}"]
    swapped = [*lines[: first + 2], lines[first + 3], lines[first + 2], *lines[first + 4 :]]
    assert codes(check(ended(swapped))) == [f"L004:{first + 3}", f"L004:{first + 4}"]
    assert codes(check(ended([*lines[: first + 2], *lines[first + 3 :]]))) == [f"L004:{first + 3}"]
    assert codes(check(ended([*lines[:-2], lines[-1]]))) == [f"L004:{len(lines) - 1}"]


def test_changed_and_rehashed_entries_are_told_between_checkpoints() -> None:
    """Where an entry was changed with its hash, the message names the entries between the two checkpoints around it."""
    lines = bundle(HISTORY, 0, (4, 8))
    at = next(number for number, line in enumerate(lines) if b'"seq":6}' in line)
    lines[at] = edit(lines[at], rehashed)
    (problem,) = check(ended(lines)).problems
    assert "entries 4 to 7 do not give the root of the checkpoint at 8" in problem.message


def test_a_forked_history_is_told() -> None:
    """Checkpoints of two histories, both signed by the log, are told with both roots: at one size, and at two."""
    lines = bundle(HISTORY, 8, (4,))
    at = next(number for number, line in enumerate(lines) if line.startswith(b'{"checkpoint"'))
    note = signed(OTHER, 4)
    lines[at] = edit(lines[at], lambda value: value.update(checkpoint=str(note)))
    (fork, unproven) = check(ended(lines)).problems
    assert (fork.code, unproven.code) == ("L007", "L008")
    assert read_checkpoint(note).root.hex() in fork.message
    assert read_checkpoint(signed(HISTORY, 11)).root.hex() in fork.message
    twice = [
        *lines[: at + 1],
        edit(lines[at], lambda value: value.update(checkpoint=str(signed(HISTORY, 4)))),
        *lines[at + 1 :],
    ]
    assert codes(check(ended(twice)))[0] == f"L007:{at + 2}"


def test_a_checkpoint_that_was_kept_has_to_agree() -> None:
    """A checkpoint kept from elsewhere is compared at its size, inside the stretch and before it, or told as out of reach."""
    for start in (0, 5):
        seen = [read_checkpoint(signed(history, size)) for history in (HISTORY, OTHER) for size in (5, 9, 11)]
        found = [codes(check(bundle(HISTORY, start), Trust((KEY,), (), (item,)))) for item in seen]
        assert found == [[], [], [], ["L007:0"], ["L007:0"], ["L007:0"]]
    before = read_checkpoint(signed(OTHER, 4))
    assert codes(check(bundle(HISTORY, 5, (4,)), Trust((KEY,), (), (before,)))) == ["L007:0"]
    assert codes(check(bundle(HISTORY, 5), Trust((KEY,), (), (before,)))) == ["L012:0"]
    assert codes(check(bundle(HISTORY[:8]), Trust((KEY,), (), (read_checkpoint(signed(HISTORY, 9)),)))) == ["L012:0"]


def test_keys_have_to_come_from_elsewhere() -> None:
    """The bundle's own key proves nothing; that of another log, or a log's key under another name, opens nothing."""
    lines = bundle(HISTORY)
    assert codes(check(lines, Trust())) == ["L013:0"]
    stranger = Signer.new(ORIGIN).public(Use.LOG)
    assert codes(check(lines, Trust((stranger,)))) == ["L006:3", "L006:0"]
    named = Signer.from_pem("other.example.org/record", SIGNER.pem())
    note = sign_checkpoint(Checkpoint(named.name, 11, read_checkpoint(signed(HISTORY, 11)).root), named)
    at = 2
    lines[at] = edit(lines[at], lambda value: value.update(checkpoint=str(note)))
    assert codes(check(ended(lines), Trust((named.public(Use.LOG),))))[0] == "L006:3"


def test_every_witness_has_to_have_cosigned() -> None:
    """A witness that is asked for has to have cosigned the last checkpoint; a wrong cosignature spoils the note."""
    witness = WITNESS.public(Use.WITNESS)
    lines = bundle(HISTORY)
    assert codes(check(lines, Trust((KEY,), (witness,)))) == ["L006:0"]
    note = signed(HISTORY, 11)
    cosigned = note.with_signature(WITNESS.cosign(note.text, 1_790_000_000))
    lines[2] = edit(lines[2], lambda value: value.update(checkpoint=str(cosigned)))
    assert codes(check(ended(lines), Trust((KEY,), (witness,)))) == []
    wrong = note.with_signature(WITNESS.cosign(signed(OTHER, 11).text, 1_790_000_000))
    lines[2] = edit(lines[2], lambda value: value.update(checkpoint=str(wrong)))
    assert codes(check(ended(lines), Trust((KEY,), (witness,))))[0] == "L006:3"
    assert codes(check(ended(lines))) == [], "who does not know the witness passes its line over"


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"bundle":1}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"bundle":{"from":1,"only":"","origin":"a","to":0,"v":1}}\n',
    ],
)
def test_what_is_no_bundle(first: bytes) -> None:
    """A file that is no bundle is refused as a whole."""
    with pytest.raises(RecordError, match="L001"):
        check([first, *bundle(HISTORY)[1:]])


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b"NaN",
        b'{"leaf":{"hash":1,"seq":0}}',
        b'{"leaf":{"hash":"","seq":true}}',
        b'{"leaf":[]}',
        b'{"key":[]}',
        b'{"key":"a+b+c"}',
        b'{"checkpoint":7}',
        b'{"checkpoint":"\\ud800"}',
        b'{"frontier":[1]}',
        b'{"frontier":7}',
        b'{"consistency":{"new":5,"old":4,"proof":[[]]}}',
        b'{"consistency":{"new":1e3,"old":4,"proof":[]}}',
        b'{"consistency":7}',
        b'{"end":7}',
        b'{"bundle":7}',
        b'{"what":7}',
        b"\x00",
    ],
)
@pytest.mark.parametrize("at", [1, 3, 8])
def test_lines_of_any_form_are_problems(line: bytes, at: int) -> None:
    """A line that says something else is a problem of the bundle, never an exception."""
    lines = bundle(HISTORY, 5, (4,))
    assert not check(ended([*lines[:at], line + b"\n", *lines[at:]])).sound


def test_a_flood_of_problems_is_counted() -> None:
    """Only the first hundred problems are listed; the others are counted."""
    lines = bundle(HISTORY)
    verdict = check([*lines[:-1], *[b"{}\n"] * 500, lines[-1]])
    assert len(verdict.problems) == 100
    assert verdict.unlisted == 401


def test_entries_are_shown_only_when_they_have_their_hash() -> None:
    """An entry that was changed is not handed out."""
    lines = bundle(HISTORY)
    at = next(number for number, line in enumerate(lines) if line.startswith(b'{"leaf"'))
    lines[at] = edit(lines[at], lambda value: value["leaf"]["entry"].update(organisation="nobody"))
    taken: dict[int, Entry] = {}
    verify_bundle(io.BytesIO(b"".join(lines)), "b", TRUST, taken.__setitem__)
    assert sorted(taken) == list(range(1, 11))
    assert encode(taken[1]) == HISTORY[1].entry
