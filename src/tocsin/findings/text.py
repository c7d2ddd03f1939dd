r"""Text from events, files and rules made safe to show: what a terminal would obey or hide becomes visible.

One set of code points serves the screen, CSV and JSON: control characters (C0, DEL, C1), line and paragraph separators,
marks that change the direction of text, characters of no width that hide text, and lone surrogates. The joiners U+200C
and U+200D stay: scripts need them.
"""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_UNSAFE_BYTES: Final = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe1\xa0\x8e|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
    rb"|\xef\xbf[\xb9-\xbb]|\xf3\xa0[\x80-\x81][\x80-\xbf]"
)
_PLAIN_BYTES: Final = bytes(range(0x7F))


def safe_text(text: str) -> str:
    r"""Return the text on one line with what a terminal would obey written as `\x1b`, `\u202e` or `\U000e0041`."""
    return text if text.isascii() and text.isprintable() else _UNSAFE.sub(_visible, text)


def safe_lines(text: str) -> str:
    """Return a text of several lines, each of them safe."""
    return "\n".join(safe_text(line) for line in text.splitlines())


def safe_json(line: bytes) -> bytes:
    r"""Return valid JSON with the same value, in which such characters are written as `\u009b`.

    The C0 controls are escaped in any valid JSON; most lines hold none of the others and come back as they are.
    """
    beyond = line.translate(None, _PLAIN_BYTES)
    return _UNSAFE_BYTES.sub(_escaped, line) if beyond and _UNSAFE_BYTES.search(beyond) else line


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escaped(found: re.Match[bytes]) -> bytes:
    units = found[0].decode().encode("utf-16-be")
    return b"".join(b"\\u%04x" % int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))


__all__ = ["safe_json", "safe_lines", "safe_text"]
