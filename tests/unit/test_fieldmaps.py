"""Field maps: what is wrong with one is told when it is loaded."""

from __future__ import annotations

import pytest

from tocsin.errors import FieldMapError
from tocsin.rules.fieldmaps import FORMATS, parse_map
from tocsin.sources import SOURCES


def test_formats_are_those_of_the_sources() -> None:
    """The closed list that maps are checked against has the name of every source, and no other."""
    assert {source.name for source in SOURCES} == FORMATS


@pytest.mark.parametrize(
    ("formats", "says"),
    [
        ("[sqid]", r"formats: unknown format 'sqid'; did you mean 'squid'\?"),
        ("[squid, telepathy]", "formats: unknown format 'telepathy'; known are access_log, "),
        ("squid", "formats: no list of names"),
    ],
)
def test_unknown_formats(formats: str, says: str) -> None:
    """A map of a format that no source has is an error, not a map that nothing feeds."""
    with pytest.raises(FieldMapError, match=says) as caught:
        parse_map(f"product: squid\nformats: {formats}\nchannels: {{access: {{}}}}\n", "squid.yml")
    assert caught.value.code == "R060"


def test_known_formats() -> None:
    """A map of formats that sources have is read."""
    assert parse_map("product: squid\nformats: [squid, syslog]\n", "squid.yml").formats == ("squid", "syslog")
