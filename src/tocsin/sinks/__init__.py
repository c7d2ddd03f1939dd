"""The forms in which findings are written."""

from typing import Final

from tocsin.sinks.csv import CsvSink
from tocsin.sinks.interface import Sink
from tocsin.sinks.json import JsonSink
from tocsin.sinks.jsonl import JsonLinesSink

SINKS: Final[dict[str, type[Sink]]] = {sink.name: sink for sink in (JsonLinesSink, JsonSink, CsvSink)}
"""Every sink by its name; make one instance for each output."""

__all__ = ["SINKS", "CsvSink", "JsonLinesSink", "JsonSink", "Sink"]
