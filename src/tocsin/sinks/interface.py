"""What a sink is: it writes findings, in the order given, to a text stream or file."""

from __future__ import annotations

from typing import BinaryIO, ClassVar, Protocol

from tocsin.findings import Coverage


class Sink(Protocol):
    """A form of output. `write` gets one finding as its JSON line (no line break), sorted; `end` closes the form.

    A sink never holds all findings. What it has written is valid up to the last line at any time, where the form allows.
    """

    name: ClassVar[str]

    def begin(self, out: BinaryIO) -> None:
        """Write what comes before the first finding."""
        ...

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Write one finding."""
        ...

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write what comes after the last finding; only now is it known what was looked at, and whether it was all."""
        ...


__all__ = ["Sink"]
