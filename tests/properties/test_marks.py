"""What objects carry, against a naive reading of the rules of markings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.sharing.markings import PAP_IDS, TLP_IDS, Declared, Marking, Marks, Pap, Tlp, read_marks
from tocsin.stores.grants import marks_text, read_marks_text

OWN = [f"marking-definition--{number}" for number in range(4)]
REFS = st.lists(st.sampled_from([*TLP_IDS, *PAP_IDS, *OWN]), max_size=4)
DECLARED = st.dictionaries(
    st.sampled_from(OWN[:3]),
    st.builds(lambda means, only: Declared("", means, only), st.none() | st.sampled_from(Tlp), st.sampled_from([(), ("g",)])),
)
DEFAULT = st.sampled_from(list(Tlp)[1:])


def naive(refs: list[str], declared: dict[str, Declared], default: Tlp) -> Marking:
    """Return what references say, one after the other."""
    levels: list[Tlp] = []
    for ref in refs:
        if ref in TLP_IDS:
            levels.append(TLP_IDS[ref])
        elif ref not in PAP_IDS and ref not in declared:
            levels.append(Tlp.RED)
        elif ref in declared and declared[ref].means is not None:
            levels.append(Tlp(declared[ref].means or 0))
    paps = [PAP_IDS[ref] for ref in refs if ref in PAP_IDS]
    named = sorted({ref for ref in refs if ref in declared and declared[ref].only})
    return Marking(max(levels) if levels else default, max(paps) if paps else Pap.CLEAR, tuple(named))


@given(REFS, DECLARED, DEFAULT)
def test_marks_mean_what_the_rules_say(refs: list[str], declared: dict[str, Declared], default: Tlp) -> None:
    """One object's marks resolve to the narrowest of what they say; the default stands in where none tells a level."""
    assert read_marks(refs).resolve(declared, default) == naive(refs, declared, default)


@given(st.lists(REFS, min_size=1, max_size=4), DECLARED, DEFAULT)
def test_joined_marks_mean_the_join_of_each(objects: list[list[str]], declared: dict[str, Declared], default: Tlp) -> None:
    """By any rulebook, joined marks are as restricted as all of them, whatever the order; once more changes nothing."""
    joined, wanted = read_marks(objects[0]), naive(objects[0], declared, default)
    for refs in objects[1:]:
        joined, wanted = joined.join(read_marks(refs)), wanted.join(naive(refs, declared, default))
    assert joined.resolve(declared, default) == wanted
    backwards = read_marks(objects[-1])
    for refs in reversed(objects):
        backwards = backwards.join(read_marks(refs))
    assert backwards == joined.join(joined)
    assert read_marks_text(marks_text(joined)) == joined


@given(st.lists(REFS, min_size=1, max_size=3), DECLARED, DEFAULT)
def test_unknown_marks_become_red(objects: list[list[str]], declared: dict[str, Declared], default: Tlp) -> None:
    """What stands in for ids that are not declared means the same today, and stays when they are declared later."""
    joined = Marks()
    for refs in objects:
        joined = joined.join(read_marks(refs))
    known = joined.without_unknown(declared)
    assert known.resolve(declared, default) == joined.resolve(declared, default)
    later = {name: Declared(name, Tlp.CLEAR) for name in OWN} | declared
    assert known.resolve(later, default).tlp >= joined.resolve(later, default).tlp
