"""The forms in which findings are written."""

from typing import Final

from tocsin.sinks.csv import CsvSink
from tocsin.sinks.ecs import EcsSink
from tocsin.sinks.interface import Sink
from tocsin.sinks.json import JsonSink
from tocsin.sinks.jsonl import JsonLinesSink
from tocsin.sinks.ocsf import OcsfSink
from tocsin.sinks.splunk import SplunkSink
from tocsin.sinks.timesketch import TimesketchSink

SINKS: Final[dict[str, type[Sink]]] = {
    sink.name: sink for sink in (JsonLinesSink, JsonSink, CsvSink, OcsfSink, EcsSink, SplunkSink, TimesketchSink)
}
"""Every sink by its name; make one instance for each output."""


def make_sink(name: str, assets: bool = False) -> Sink:
    """Return a new sink by its name; `assets` tells that findings name the assets of a site file."""
    return CsvSink(assets) if name == CsvSink.name else SINKS[name]()


__all__ = ["SINKS", "CsvSink", "JsonLinesSink", "JsonSink", "Sink", "make_sink"]
