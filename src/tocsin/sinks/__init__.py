"""The forms in which findings are written."""

from typing import Final

from tocsin.sinks.csv import CsvSink
from tocsin.sinks.ecs import EcsSink
from tocsin.sinks.interface import Sink
from tocsin.sinks.json import JsonSink
from tocsin.sinks.jsonl import JsonLinesSink
from tocsin.sinks.markdown import MarkdownSink
from tocsin.sinks.navigator import NavigatorIcsSink, NavigatorSink
from tocsin.sinks.ocsf import OcsfSink
from tocsin.sinks.sarif import SarifSink
from tocsin.sinks.splunk import SplunkSink
from tocsin.sinks.stix import RuleText, StixSink
from tocsin.sinks.timesketch import TimesketchSink

SINKS: Final[dict[str, type[Sink]]] = {
    sink.name: sink
    for sink in (
        JsonLinesSink,
        JsonSink,
        CsvSink,
        MarkdownSink,
        OcsfSink,
        EcsSink,
        SplunkSink,
        TimesketchSink,
        SarifSink,
        StixSink,
        NavigatorSink,
        NavigatorIcsSink,
    )
}
"""Every sink by its name; make one instance for each output."""


def make_sink(name: str, assets: bool = False, rule_text: RuleText | None = None) -> Sink:
    """Return a new sink by its name.

    `assets` tells that findings name the assets of a site file; `rule_text` gives the text of a rule by its path and id.
    """
    if name == CsvSink.name:
        return CsvSink(assets)
    return StixSink(rule_text) if name == StixSink.name and rule_text else SINKS[name]()


__all__ = ["SINKS", "CsvSink", "JsonLinesSink", "JsonSink", "Sink", "make_sink"]
