"""The HTML report as a form of a scan's output: findings are kept aside until it is known what was looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, ClassVar

from tocsin.findings import Coverage
from tocsin.findings.reading import FindingsFile
from tocsin.incidents import join
from tocsin.reports import Report, write_report
from tocsin.sites.site import Site


class HtmlSink:
    """One page that needs no network. Findings wait in a temporary file, which goes with the sink."""

    name: ClassVar[str] = "html"

    def __init__(self, site: Site | None, texts: Mapping[str, str]) -> None:
        """Take the site file of the scan, and the text of each rule by the path that findings name."""
        self._site = site
        self._texts = texts
        self._aside = tempfile.NamedTemporaryFile(prefix="tocsin-", suffix=".jsonl")  # noqa: SIM115 - closed in end

    def begin(self, out: BinaryIO) -> None:
        """Write nothing yet."""

    def write(self, out: BinaryIO, line: bytes) -> None:
        """Keep one finding."""
        self._aside.write(line + b"\n")

    def end(self, out: BinaryIO, coverage: Coverage) -> None:
        """Write the page."""
        with self._aside:
            self._aside.flush()
            findings = FindingsFile(Path(self._aside.name))
            write_report(out, findings, Report(coverage, self._site, join(findings).incidents, self._texts))


__all__ = ["HtmlSink"]
