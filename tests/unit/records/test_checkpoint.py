"""Checkpoints, signatures, receipts and what peers exchange are in the published forms, and nothing else is accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from record_samples import KEY, ORIGIN, SIGNER, WITNESS, entry, leaves, reading, signed
from tocsin.errors import RecordError
from tocsin.records.bundle import Consistency
from tocsin.records.checkpoint import Checkpoint, open_checkpoint, read_checkpoint, sign_checkpoint
from tocsin.records.keys import PublicKey, Signer, Use, cosigned_at, parse_key
from tocsin.records.note import Note, encode64, parse_note
from tocsin.records.peers import judge, parse_submission, submission_text, with_cosignatures
from tocsin.records.receipt import Receipt, parse_receipt, verify_receipt
from tocsin.records.tree import consistency_proof, inclusion_proof

PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""Key and note of the documentation of Go's package `note`, from which the specification came."""
SPECIFIED = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
"""The example of C2SP's tlog-cosignature."""
HISTORY = leaves(9)
OTHER = leaves(9, word="another")
HASHES = [item.hash for item in HISTORY]


def receipt(seq: int, size: int) -> Receipt:
    """Return the receipt of an entry."""
    proof = inclusion_proof(seq, size, reading(HASHES))
    return Receipt(HISTORY[seq].entry or b"", seq, tuple(proof), str(signed(HISTORY, size)))


def link(old: int, new: int, history: list = HISTORY) -> Consistency:
    """Return the proof between two sizes of a history."""
    return Consistency(old, new, tuple(consistency_proof(old, new, reading([item.hash for item in history]))))


def test_published_signature() -> None:
    """A published key verifies its published note, and no other text."""
    key, note = parse_key(PUBLISHED_KEY), parse_note(PUBLISHED_NOTE)
    assert str(key) == PUBLISHED_KEY
    assert str(note) == PUBLISHED_NOTE
    assert key.verify(note.text, note.signatures[0])
    assert not key.verify(note.text.replace("answer", "question"), note.signatures[0])
    assert not replace(key, name="Peter").verify(note.text, note.signatures[0])


def test_specified_checkpoint() -> None:
    """The example of the specification is read, down to the time of its cosignature."""
    note = parse_note(SPECIFIED)
    found = read_checkpoint(note)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(found) == note.text
    assert str(note) == SPECIFIED
    assert cosigned_at(note.signatures[1]) == 1679315147


def test_keys_of_two_uses() -> None:
    """One private key has two public forms, and what it signs for one use does not hold for the other."""
    log, witness = SIGNER.public(Use.LOG), SIGNER.public(Use.WITNESS)
    assert log.id != witness.id
    assert parse_key(str(log)) == log
    assert parse_key(str(witness)) == witness
    text = signed(HISTORY, 3).text
    assert witness.verify(text, SIGNER.cosign(text, 1_790_000_000))
    assert not log.verify(text, replace(SIGNER.cosign(text, 1_790_000_000), key_id=log.id))
    assert not witness.verify(text, replace(SIGNER.sign(text), key_id=witness.id))
    moved = SIGNER.cosign(text, 1_790_000_000)
    later = replace(moved, value=(1_790_000_001).to_bytes(8, "big") + moved.value[8:])
    assert not witness.verify(text, later), "the time is signed too"


@pytest.mark.parametrize("line", ["", "a", "a+b+c", "a+00000000+AQ==", PUBLISHED_KEY[:-1], PUBLISHED_KEY.replace("c7", "c8")])
def test_what_is_no_key(line: str) -> None:
    """A damaged public key is refused."""
    with pytest.raises(RecordError, match="L009"):
        parse_key(line)


def test_private_keys() -> None:
    """A private key survives as PEM; what is none, and a key of another kind, is refused."""
    assert Signer.from_pem(ORIGIN, SIGNER.pem()).public(Use.LOG) == KEY
    for pem in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(RecordError, match="L009"):
            Signer.from_pem(ORIGIN, pem)
    for name in ("", "a b", "a+b", "a\nb"):
        with pytest.raises(RecordError, match="L009"):
            Signer.new(name)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "text\n",
        "text\n\n",
        SPECIFIED[:-1],
        SPECIFIED.replace("— ", "- "),
        SPECIFIED.replace("\n\n", "\n"),
        SPECIFIED.replace("OAYQ8=", "OAYQ9="),
        SPECIFIED.replace("20852163", "2085\t2163"),
        SPECIFIED + "x" * (1 << 16),
    ],
)
def test_what_is_no_note(content: str) -> None:
    """What is no signed note is refused."""
    with pytest.raises(RecordError, match="L006"):
        parse_note(content)


@pytest.mark.parametrize(
    "text",
    [
        "a\n",
        "a\n1\n",
        "a\n01\n" + encode64(b"x" * 32) + "\n",
        "a\n1\nAAAA\n",
        "a\n-1\n" + encode64(b"x" * 32) + "\n",
        "a\n1\n\n",
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    """A note that is no checkpoint is refused."""
    with pytest.raises(RecordError, match="L006"):
        read_checkpoint(Note(text))


def test_opening_needs_the_key_of_the_log() -> None:
    """A checkpoint is opened by its log's key alone: not by a witness, not when a known signature is wrong."""
    note = signed(HISTORY, 3)
    cosigned = note.with_signature(WITNESS.cosign(note.text, 1))
    witness = WITNESS.public(Use.WITNESS)
    assert open_checkpoint(str(cosigned), [KEY, witness]).signers == (KEY, witness)
    assert open_checkpoint(str(cosigned), [KEY]).signers == (KEY,)
    for content, keys in (
        (str(cosigned), [witness]),
        (str(note), []),
        (str(note).replace("\n3\n", "\n4\n"), [KEY]),
        (str(note.with_signature(replace(WITNESS.cosign(note.text, 1), value=b"x" * 72))), [KEY, witness]),
        (str(note.with_signature(replace(WITNESS.cosign(note.text, 1), value=b"x"))), [KEY, witness]),
    ):
        with pytest.raises(RecordError, match="L006"):
            open_checkpoint(content, keys)
    with pytest.raises(RecordError, match="L009"):
        sign_checkpoint(Checkpoint("other", 0, b"x" * 32), SIGNER)


@pytest.mark.parametrize("size", range(1, 10))
def test_receipts(size: int) -> None:
    """The receipt of each entry is read again and verified, as the entry that it is."""
    for seq in range(size):
        made = receipt(seq, size)
        assert parse_receipt(str(made)) == made
        found, opened = verify_receipt(made, [KEY])
        assert found == entry(seq)
        assert opened.checkpoint.size == size


def test_each_changed_byte_of_a_receipt_is_told() -> None:
    """No character of a receipt can be changed, taken out or doubled."""
    whole = str(receipt(4, 9))
    for at, old in enumerate(whole):
        for new in (chr(ord(old) ^ 1), "", old * 2):
            with pytest.raises(RecordError):
                verify_receipt(parse_receipt(whole[:at] + new + whole[at + 1 :]), [KEY])


def test_receipts_of_other_places() -> None:
    """A receipt proves one entry at one place: moved, or under a checkpoint of another history, it proves nothing."""
    made = receipt(4, 9)
    for wrong in (replace(made, seq=5), replace(made, checkpoint=str(signed(OTHER, 9))), replace(made, proof=made.proof[1:])):
        with pytest.raises(RecordError, match="L008"):
            verify_receipt(wrong, [KEY])


def test_judging_a_peer() -> None:
    """A log that grows is accepted from any size to any other."""
    for old in range(10):
        seen = read_checkpoint(signed(HISTORY, old))
        for new in range(old, 10):
            judge(seen, read_checkpoint(signed(HISTORY, new)), old, link(old, new).proof)
    judge(None, read_checkpoint(signed(HISTORY, 9)), 0, [])


def test_a_peer_that_forks() -> None:
    """A log that tells two histories is refused with both roots, at one size and at two, whatever proof it gives."""
    for old in range(1, 10):
        seen = read_checkpoint(signed(HISTORY, old))
        for new in range(old, 10):
            forked = read_checkpoint(signed(OTHER, new))
            for proof in (link(old, new).proof, link(old, new, OTHER).proof, ()):
                with pytest.raises(RecordError, match="L007") as told:
                    judge(seen, forked, old, proof)
                assert seen.root.hex() in told.value.message
                assert forked.root.hex() in told.value.message


def test_a_peer_that_goes_back() -> None:
    """A log that lost entries, or a proof that begins elsewhere, is refused."""
    seen = read_checkpoint(signed(HISTORY, 5))
    for old, new in ((5, 4), (4, 9), (6, 9), (0, 9)):
        with pytest.raises(RecordError, match="L012"):
            judge(seen, read_checkpoint(signed(HISTORY, new)), old, link(old, new).proof if old <= new else [])
    with pytest.raises(RecordError, match="L008"):
        judge(None, read_checkpoint(signed(HISTORY, 9)), 0, link(4, 9).proof)


def test_requests_for_cosignatures() -> None:
    """What a log asks of a witness is read as it was written; other forms are refused."""
    note = signed(HISTORY, 9)
    for old in (0, 4, 9):
        asked = parse_submission(submission_text(link(old, 9), note))
        assert (asked.old, asked.proof, asked.note) == (old, link(old, 9).proof, str(note))
    for body in ("", "old 1\n", f"old 01\n\n{note}", f"old x\n\n{note}", f"new 1\n\n{note}"):
        with pytest.raises(RecordError, match="L001"):
            parse_submission(body)
    for lines in ("AAAA", "\n".join([encode64(b"x" * 32)] * 64)):
        with pytest.raises(RecordError, match="L008"):
            parse_submission(f"old 1\n{lines}\n\n{note}")


def test_cosignatures_of_answers() -> None:
    """Only right cosignatures of known witnesses are taken over; a newer one takes the place of the older."""
    note, witness = signed(HISTORY, 9), WITNESS.public(Use.WITNESS)
    stranger = Signer.new("stranger")
    answer = f"{stranger.cosign(note.text, 1)}\n{WITNESS.cosign(note.text, 2)}\n"
    once = with_cosignatures(note, answer, [witness])
    twice = with_cosignatures(once, f"{WITNESS.cosign(note.text, 3)}\n", [witness])
    assert [item.name for item in twice.signatures] == [ORIGIN, WITNESS.name]
    assert cosigned_at(twice.signatures[1]) == 3
    for wrong in ("", "\n", f"{stranger.cosign(note.text, 1)}\n", f"{WITNESS.cosign('other', 2)}\n"):
        with pytest.raises(RecordError, match="L006"):
            with_cosignatures(note, wrong, [witness])


def test_a_key_of_another_length() -> None:
    """A public key has 32 bytes."""
    with pytest.raises(RecordError, match="L009"):
        PublicKey("a", b"x" * 31)
