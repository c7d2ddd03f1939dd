"""Read network logs, one after another, and gather from them what a site file could say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tocsin.errors import SourceError, TocsinError, UsageError
from tocsin.findings import FileOutcome
from tocsin.runs.exchanges import exchanges, tells_exchanges, times_of
from tocsin.sites.learn import Learner, Learnt
from tocsin.sources import recognise
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.files import FoundFile, SkippedPath, find_files
from tocsin.sources.interface import Loss, Records, Stream


def learn_site(paths: Sequence[str], passwords: Sequence[str] = ()) -> tuple[Learnt, list[FileOutcome]]:
    """Return what the logs under the paths tell, and what became of each file; events of other logs are not looked at.

    Raises: UsageError U001 for a path that does not exist, SiteError S008 when there is too much.
    """
    learner = Learner()
    outcomes: list[FileOutcome] = []
    for found in find_files([Path(path) for path in paths]):
        if isinstance(found, SkippedPath):
            outcomes.append(FileOutcome(found.label, "", "skipped", 0, _reason(found.error)))
        else:
            outcomes += _read_file(found, tuple(passwords), learner)
    return learner.result(), outcomes


def _read_file(file: FoundFile, passwords: tuple[str, ...], learner: Learner) -> list[FileOutcome]:
    outcomes = []
    try:
        for stream in open_streams(file.path, file.label, Limits(), passwords):
            if isinstance(stream, Loss):
                label = stream.error.where.path if stream.error.where else file.label
                outcomes.append(FileOutcome(label, "", "skipped", 0, _reason(stream.error)))
            else:
                outcomes.append(_read_stream(stream, learner))
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - one bad file must not hide the others; it becomes its outcome
        reason = _reason(error) if isinstance(error, TocsinError) else f"{type(error).__name__}: {error}"
        outcomes.append(FileOutcome(file.label, "", "skipped", 0, f"failed while it was read: {reason}"))
    return outcomes


def _read_stream(stream: Stream, learner: Learner) -> FileOutcome:
    source = recognise(stream.head)
    if source is None:
        return FileOutcome(stream.label, "", "skipped", 0, "the format is not recognised [F002]")
    outcome = FileOutcome(stream.label, source.name, "read", 0)
    reasons: list[str] = []
    try:
        for item in source.read(stream):
            if isinstance(item, Loss):
                reasons.append(_reason(item.error))
            else:
                _take(item, learner)
                outcome.events += len(item.raws)
    except SourceError as error:
        reasons.append(_reason(error))
    if reasons:
        outcome.status = "partial" if outcome.events else "skipped"
        outcome.reason = "; ".join(reasons)
    return outcome


def _take(records: Records, learner: Learner) -> None:
    if records.counted and tells_exchanges(records.gate):
        found = exchanges(records.decoder, records.gate, records.raws)
        times = times_of(records.decoder, records.gate, records.raws)
        for at, time in zip(found.which.tolist(), times, strict=True):
            exchange = found.distinct[at]
            if exchange is not None:
                learner.add(records.gate.channel, exchange, time)


def _reason(error: TocsinError) -> str:
    return f"{error.message} [{error.code}]"


__all__ = ["learn_site"]
