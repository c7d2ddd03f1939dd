"""Windows events as XML."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.events import Gate
from tocsin.sources import xml
from tocsin.sources.interface import Loss, Stream
from tocsin.sources.xml import XmlSource

NAMESPACE = "xmlns='http://schemas.microsoft.com/win/2004/08/events/event'"


def event_xml(data, channel="System", event_id="7045"):
    """Return the XML of an event."""
    return (
        f"<Event {NAMESPACE}><System><Provider Name='Service Control Manager' Guid='{{55}}'/>"
        f"<EventID Qualifiers='16384'>{event_id}</EventID><Level>4</Level>"
        "<TimeCreated SystemTime='2024-05-14T08:15:00.5Z'/><EventRecordID>42</EventRecordID>"
        f"<Correlation/><Execution ProcessID='652' ThreadID='8'/><Channel>{channel}</Channel>"
        f"<Computer>hmi01</Computer><Security UserID='S-1-5-18'/></System>{data}</Event>"
    )


SERVICE = "<EventData><Data Name='ServiceName'>x &amp; y</Data><Data Name='Empty'/><Binary>00FF</Binary></EventData>"
SAMPLE = f"<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<Events>{event_xml(SERVICE)}\n{event_xml('')}</Events>"


def read(text):
    """Return the events and the errors of a file."""
    data = text if isinstance(text, bytes) else text.encode()
    items = list(XmlSource().read(Stream(io.BytesIO(data), "x")))
    events = [event for item in items if not isinstance(item, Loss) for event in item.raws]
    return events, [item.error for item in items if isinstance(item, Loss)]


def one(text):
    """Return the one event of a text."""
    (event,), errors = read(text)
    assert errors == []
    return event


def test_system_and_data_are_fields():
    """Elements are fields by their names, attributes join with an underscore, an empty element is null."""
    event = one(event_xml(SERVICE))
    assert event.gate == Gate("windows", "System", "7045")
    assert (event.time, event.host, event.record) == ("2024-05-14T08:15:00.500000Z", "hmi01", 42)
    assert event.fields == {
        "Provider_Name": "Service Control Manager",
        "Provider_Guid": "{55}",
        "EventID": "7045",
        "EventID_Qualifiers": "16384",
        "Level": "4",
        "TimeCreated_SystemTime": "2024-05-14T08:15:00.5Z",
        "EventRecordID": "42",
        "Execution_ProcessID": "652",
        "Execution_ThreadID": "8",
        "Channel": "System",
        "Computer": "hmi01",
        "Security_UserID": "S-1-5-18",
        "ServiceName": "x & y",
        "Empty": None,
        "Binary": "00FF",
    }
    assert event.original["Event"]["EventData"] == {"ServiceName": "x & y", "Empty": None, "Binary": "00FF"}
    assert event.original["Event"]["System"]["Channel"] == "System"


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ("<EventData><Data>a</Data></EventData>", {"Data": "a"}),
        ("<EventData><Data>a</Data><Data>b</Data></EventData>", {"Data": ["a", "b"]}),
        ("<EventData><Data Name='A'>1</Data><Data Name='A'>2</Data></EventData>", {"A": ["1", "2"]}),
        ("<EventData><Data Name='Threat Name'>E</Data></EventData>", {"Threat Name": "E", "ThreatName": "E"}),
        ("<EventData>\n</EventData>", {}),
        (
            "<UserData><Cleared xmlns='x'><User>bob</User><In><A>1</A></In></Cleared></UserData>",
            {"User": "bob", "In": {"A": "1"}},
        ),
        (
            "<RenderingInfo Culture='en'><Message>hello</Message><Keywords><A>k</A></Keywords></RenderingInfo>",
            {"Message": "hello", "RenderingInfo": {"Message": "hello", "Keywords": {"A": "k"}}},
        ),
    ],
)
def test_data_of_every_shape_are_fields(data, fields):
    """Unnamed and repeated data, UserData, and the rendered message."""
    found = one(event_xml(data)).fields
    assert {name: value for name, value in found.items() if name not in one(event_xml("")).fields} == fields


def test_data_hide_system_from_rules_only():
    """The cleared log is named in a field Channel, which the gate ignores."""
    event = one(event_xml("<UserData><L><Channel>Application</Channel></L></UserData>", event_id="104"))
    assert event.gate == Gate("windows", "System", "104", masked=True)
    assert event.fields["Channel"] == "Application"


def test_sysmon_for_linux_is_of_linux():
    """The channel or the provider tells the product."""
    text = event_xml("", channel="Linux-Sysmon/Operational", event_id="1")
    assert one(text).gate == Gate("linux", "Linux-Sysmon/Operational", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_every_encoding_is_read(encoding):
    """Event Viewer writes UTF-16 with a mark, wevtutil the encoding of the console."""
    data = SAMPLE.replace("x &amp; y", "Prüfung").encode(encoding)
    assert XmlSource().recognise(data)
    events, errors = read(data)
    assert ([event.fields.get("ServiceName") for event in events], errors) == (["Prüfung", None], [])


def test_events_need_no_root():
    """A bare sequence of events is read, also when it is longer than a block."""
    events, errors = read("\r\n".join([event_xml(SERVICE)] * 3000))
    assert (len(events), errors) == (3000, [])


def test_characters_that_xml_cannot_hold_cost_no_event():
    """Windows exports control characters; they are replaced and the rest is read."""
    data = "<EventData><Data Name='A'>a\x01b&#x2;c&#11;</Data></EventData>"
    assert one(event_xml(data)).fields["A"] == "a\ufffdb\ufffdc\ufffd"


def test_damage_costs_one_event():
    """Broken XML, a missing end and foreign text are reported by line; the other events are read."""
    good = event_xml(SERVICE)
    text = "\n".join([good, good.replace("</Data>", "</Dat>"), good[:-9], good, "rubbish", good, good[:200]])
    events, errors = read(text)
    assert len(events) == 3
    assert [(e.code, e.message[:37]) for e in errors] == [
        ("F006", "line 2: damaged event XML (mismatched"),
        ("F006", "line 3: an event without its end"),
        ("F006", "lines 4-5: text that belongs to no ev"),
        ("F005", "line 7: the file ends inside an event"),
    ]


def test_entities_and_document_types_are_refused():
    """A bomb of entities is never expanded."""
    bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>\n"
    events, errors = read(bomb + event_xml("<EventData><Data Name='A'>&b;</Data></EventData>"))
    assert events == []
    assert [e.message for e in errors] == [
        "line 1: a document type declaration, which is not read: " + repr(bomb[:40]),
        "line 2: damaged event XML (undefined entity)",
    ]


def test_hostile_events_are_losses(monkeypatch):
    """An event that is nested too deep, has no System, or is too long is reported, and the next one is read."""
    monkeypatch.setattr(xml, "EVENT_BYTES", 400_000)
    deep = event_xml("<UserData>" + "<a>" * 5000 + "</a>" * 5000 + "</UserData>")
    long = event_xml("<EventData><Data>" + "x" * 2_000_000 + "</Data></EventData>")
    events, errors = read("\n".join([deep, f"<Event {NAMESPACE}><A/></Event>", long, event_xml("")]))
    assert len(events) == 1
    assert [(e.code, e.message) for e in errors] == [
        ("F006", "line 1: event XML nested deeper than 64 elements"),
        ("F006", "line 2: no event with a System element"),
        ("F013", "line 3: an event longer than 400000 bytes"),
    ]


def test_the_format_is_told_by_content():
    """Other XML is none of ours."""
    source = XmlSource()
    assert source.recognise(SAMPLE.encode())
    assert source.recognise(b"<Event><System><Provider Name='Linux-Sysmon'/>")
    assert not source.recognise(b"<html><body></body></html>")
    assert not source.recognise(b"<Events><Event><Name>x</Name></Event></Events>")
    assert not source.recognise(b"")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_bytes_are_survived(data):
    """Arbitrary bytes, truncations and mutations never raise, and give the same twice."""
    sample = SAMPLE.encode(data.draw(st.sampled_from(["utf-8", "utf-16"])))
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(sample))] * 2)))
    content = sample[:start] + data.draw(st.binary(max_size=60)) + sample[end:]
    events, errors = read(content)
    XmlSource().recognise(content)
    assert (repr(events), [str(e) for e in errors]) == (repr(read(content)[0]), [str(e) for e in read(content)[1]])
    assert all(text is not None for event in events for text in event.values())
