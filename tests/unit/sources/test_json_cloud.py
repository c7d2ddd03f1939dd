"""Exports of clouds, identity providers, applications and macOS: what carries them, what is made of them, what is foreign."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_reading import one, read, seen

from tocsin.events import Event, Gate
from tocsin.rules.logsource import views
from tocsin.rules.twins import see
from tocsin.sources.containers import Limits, open_streams
from tocsin.sources.csv import CsvSource
from tocsin.sources.interface import Loss, Records
from tocsin.sources.json import JsonSource
from tocsin.sources.json_audits import AUDIT_KEYS, EXPORTS, audit_shape
from tocsin.sources.json_macos import macos_shape

SOURCE = JsonSource()
TIME = "2026-10-06T06:12:01.000000Z"
TRAIL: dict[str, Any] = {
    "eventVersion": "1.10",
    "eventTime": "2026-10-06T06:12:01Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateUser",
    "userIdentity": {"type": "IAMUser"},
}
SIGN_IN: dict[str, Any] = {
    "time": "2026-10-06T06:12:01Z",
    "resourceId": "/tenants/t/providers/Microsoft.aadiam",
    "operationName": "Sign-in activity",
    "category": "SignInLogs",
    "resultType": "500121",
    "properties": {"status": {"errorCode": 500121, "failureReason": "Failed.", "additionalDetails": "MFA denied"}},
}
AUDIT: dict[str, Any] = {
    "time": "2026-10-06T06:12:01Z",
    "resourceId": "/tenants/t/providers/Microsoft.aadiam",
    "operationName": "Update application ",
    "category": "AuditLogs",
    "properties": {"result": "failure", "resultReason": "No right", "targetResources": []},
}
EXEC: dict[str, Any] = {
    "mach_time": 1,
    "time": "2026-10-06T06:12:01Z",
    "process": {"executable": {"path": "/bin/zsh"}},
    "event": {"exec": {"target": {"executable": {"path": "/bin/ls"}}, "args": ["ls", "-R"]}},
}


def event_of(found: Any) -> Event:
    """Return the one event of an object."""
    return one(SOURCE, json.dumps(found))


@pytest.mark.parametrize(
    "carrier",
    [
        TRAIL,
        {"Records": [TRAIL]},
        {"Events": [{"EventId": "1", "EventName": "CreateUser", "CloudTrailEvent": json.dumps(TRAIL)}]},
        {"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "detail": TRAIL},
        {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": [{"id": "1", "message": json.dumps(TRAIL)}]},
        {"events": [{"logStreamName": "s", "timestamp": 1791267121000, "message": json.dumps(TRAIL), "eventId": "1"}]},
        {"@timestamp": "2026-10-06T06:12:01Z", "event": {"original": json.dumps(TRAIL)}, "agent": {"type": "filebeat"}},
        {"result": {"_raw": json.dumps(TRAIL), "sourcetype": "aws:cloudtrail"}},
        {"_source": TRAIL},
        {"log": json.dumps(TRAIL) + "\n", "stream": "stdout"},
    ],
)
def test_what_carries_an_event(carrier: dict[str, Any]) -> None:
    """A record of CloudTrail is found in what log groups, buses, queries, shippers and databases put around it."""
    event = event_of(carrier)
    assert (event.gate, event.time) == (Gate("aws", "cloudtrail", ""), TIME)
    assert event.fields["eventName"] == "CreateUser"


def test_a_compressed_export_is_read(tmp_path: Path) -> None:
    """CloudTrail delivers its files as gzip."""
    path = tmp_path / "trail.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"Records": [TRAIL, TRAIL]}).encode()))
    items = [
        item
        for stream in open_streams(path, path.name, Limits())
        if not isinstance(stream, Loss)
        for item in SOURCE.read(stream)
    ]
    assert [(item.gate.channel, len(item.raws)) for item in items if isinstance(item, Records)] == [("cloudtrail", 2)]


def test_a_finding_shows_what_carried_the_event() -> None:
    """The original is the whole object that was read; elements of a container are their own."""
    carrier = {"message": json.dumps(TRAIL), "id": "7"}
    assert event_of(carrier).original == carrier
    assert event_of({"Records": [TRAIL]}).original == TRAIL


@pytest.mark.parametrize("text", [json.dumps({"Channel": "Security", "EventID": 1}), '{"x": 1}', '{"eventVersion"', "{", "x"])
def test_a_message_is_no_other_event(text: str) -> None:
    """What an application logs, such as the input of a stranger, becomes no Windows event."""
    assert event_of({"message": text}).gate.product == ""


def test_first_elements_decide_about_a_container() -> None:
    """One record of a kind that is not known, in the first place, does not hide the others."""
    events, errors = read(SOURCE, json.dumps({"records": [{"x": 1}, SIGN_IN, {"y": 2}]}))
    assert errors == []
    assert sorted(event.gate.product for event in events) == ["", "", "azure"]


def test_tables_of_log_analytics() -> None:
    """The answer of a query has its columns apart from its rows, and objects as texts."""
    columns = ["TenantId", "TimeGenerated", "Type", "ResultType", "DeviceDetail"]
    row = ["t", "2026-10-06T06:12:01Z", "SigninLogs", "0", '{"isCompliant":false}']
    event = event_of({"tables": [{"name": "PrimaryResult", "columns": [{"name": name, "type": "string"} for name in columns],
                                  "rows": [row, "damaged"][:1]}]})  # fmt: skip
    assert (event.gate[:2], event.time) == (("azure", "signinlogs"), TIME)
    assert event.find("DeviceDetail.isCompliant") == (True, False)


def test_outcome_of_cloudtrail() -> None:
    """The outcome in a word follows from the error code; a status that the record has stays."""
    assert event_of(TRAIL).fields["status"] == "success"
    assert event_of(TRAIL | {"errorCode": "AccessDenied"}).fields["status"] == "failure"
    assert event_of(TRAIL | {"status": "x"}).fields["status"] == "x"


def test_documents_inside_parameters_are_texts_of_their_own() -> None:
    """A policy inside the parameters is found as it was written, and paths through the parameters still hold."""
    policy = '{"Effect":"Allow"}'
    event = event_of(TRAIL | {"requestParameters": {"userName": "u", "policyDocument": policy}})
    assert event.fields["requestParameters"] == [{"userName": "u", "policyDocument": policy}, policy]
    assert event.find("requestParameters.userName") == (True, ["u"])


def test_words_of_a_sign_in() -> None:
    """The status is the word of the portal, the reason and its details; a protocol has the name of the portal too."""
    fields = seen(event_of(SIGN_IN))
    assert fields["Status"] == ["Failure", "Failed.", "MFA denied"]
    assert fields["ResultType"] == "500121"
    device = SIGN_IN | {"resultType": "0", "properties": {"authenticationProtocol": "deviceCode", "networkLocationDetails": []}}
    fields = seen(event_of(device))
    assert (fields["Status"], fields["properties.message"]) == ("Success", ["deviceCode", "Device Code"])
    assert fields["NetworkLocationDetails"] == "[]"


def test_words_of_an_audit() -> None:
    """The message of an audit is the activity without the space behind it, then each change; the status has the reason."""
    change = {"displayName": "ConsentContext.IsAdminConsent", "oldValue": None, "newValue": '"False"'}
    resources = [{"type": "ServicePrincipal", "modifiedProperties": [change]}]
    fields = seen(event_of(AUDIT | {"properties": AUDIT["properties"] | {"targetResources": resources}}))
    assert fields["Status"] == ["failure", "No right"]
    assert fields["ConsentContext.IsAdminConsent"] == "False"
    assert fields["targetResources.type"] == ["ServicePrincipal", "Service Principal"]
    text = '"displayName":"ConsentContext.IsAdminConsent","oldValue":null,"newValue":"\\"False\\""'
    assert fields["properties.message"] == ["Update application", text]


def test_changes_invent_no_fields() -> None:
    """A changed property of any name is no field, so that nobody names one `operationName`."""
    change = {"displayName": "operationName", "newValue": "x"}
    resources = [{"modifiedProperties": [change]}]
    event = event_of(AUDIT | {"properties": AUDIT["properties"] | {"targetResources": resources}})
    assert event.fields["operationName"] == "Update application "


def test_decision_of_kubernetes() -> None:
    """The decision of the authorizer stands beside the code of the response."""
    found = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "1", "verb": "get", "responseStatus": {"code": 200},
             "annotations": {"authorization.k8s.io/decision": "allow"}, "stageTimestamp": "2026-10-06T06:12:01Z"}  # fmt: skip
    assert event_of(found).find("responseStatus.code") == (True, [200, "allow"])
    assert event_of(found | {"annotations": None}).find("responseStatus.code") == (True, 200)


def test_method_without_its_version() -> None:
    """The method of a Google API is known with the version and without."""
    found = {"protoPayload": {"methodName": "v1.compute.vpnTunnels.delete", "serviceName": "x"}, "logName": "projects/p/logs/l"}
    fields = seen(event_of(found))
    assert fields["gcp.audit.method_name"] == ["v1.compute.vpnTunnels.delete", "compute.vpnTunnels.delete"]
    assert fields["data.protoPayload.logName"] == ["projects/p/logs/l", "l"]


def test_extended_properties_are_fields() -> None:
    """An extended property of Microsoft 365 is a field of its name, and hides none that the record has."""
    names = {"RequestType": "x", "Operation": "y", "": "z"}
    properties = [*({"Name": name, "Value": value} for name, value in names.items()), "w"]
    found = {"CreationTime": "2026-10-06T06:12:01", "Operation": "UserLoggedIn", "Workload": "AzureActiveDirectory"}
    fields = event_of(found | {"RecordType": 15, "ExtendedProperties": properties}).fields
    assert (fields["RequestType"], fields["Operation"], "" in fields) == ("x", "UserLoggedIn", False)


def test_processes_and_files_of_macos() -> None:
    """What ran has its arguments as one line and the process before it as parent; what is neither has no rules."""
    event = event_of(EXEC)
    assert event.gate == Gate("macos", "process_creation", "")
    assert [event.fields[name] for name in ("Image", "CommandLine", "ParentImage")] == ["/bin/ls", "ls -R", "/bin/zsh"]
    closed = EXEC | {"event": {"close": {"modified": True, "target": {"path": "/tmp/a"}}}}
    assert event_of(closed).gate.channel == "file_event"
    assert views(event_of(EXEC | {"event": {"close": {"modified": False, "target": {"path": "/tmp/a"}}}}).gate) == ()


DATA = ["f", "884", "svchost.exe", "ncacn_np", "p", "198.51.100.7", "1ff70682-0a51-30e8-076d-740be8cee98b", "1", "u", "6", "10"]


@pytest.mark.parametrize(
    "data",
    [
        {"Channel": "RPCFW", "EventID": 3, "Data": DATA},
        {"Channel": "RPCFW", "EventID": 3, "InterfaceUuid": DATA[6], "OpNum": "1"},
        {"winlog": {"channel": "RPCFW", "event_id": 3, "event_data": {f"param{n}": text for n, text in enumerate(DATA, 1)}}},
        {"Event": {"System": {"Channel": "RPCFW", "EventID": 3}, "EventData": {"Data": {"#text": DATA}}}},
    ],
)
def test_data_of_the_rpc_firewall(data: dict[str, Any]) -> None:
    """The values without names of the RPC Firewall have names for its rules, however they were shipped."""
    event = event_of(data)
    view = next(view for view in views(event.gate) if view.tags[0].product == "rpc_firewall")
    fields = see(event, view).fields
    assert [fields[name] for name in ("EventLog", "InterfaceUuid", "OpNum")] == ["RPCFW", DATA[6], "1"]


def test_short_data_of_the_rpc_firewall() -> None:
    """Where a value is missing the field is absent."""
    event = event_of({"Channel": "RPCFW", "EventID": 3, "Data": DATA[:4]})
    view = next(view for view in views(event.gate) if view.tags[0].product == "rpc_firewall")
    assert "InterfaceUuid" not in see(event, view).fields


@pytest.mark.parametrize(
    "found",
    [
        {"operationName": "login", "category": "security", "time": "2026-10-06T06:12:01Z"},
        {"operationName": "x", "category": "Sports", "resourceId": "1"},
        {"eventVersion": 1, "eventSource": {}, "eventName": "x"},
        {"protoPayload": {"x": 1}},
        {"actor": "a", "action": "opened", "org": "o", "created_at": 1},
        {"actor": "a", "action": "repo.opened", "org": "o"},
        {"kind": "Event", "apiVersion": "v1", "auditID": "1", "verb": "get"},
        {"published": "2026", "eventType": "x", "actor": "a"},
        {"Workload": "x", "Operation": 1, "RecordType": 1},
        {"auditType": "x"},
        {"@odata.type": "#microsoft.graph.user", "id": "1"},
        {"appDisplayName": "a", "createdDateTime": "2026", "status": {"x": 1}},
        {"mach_time": 1, "event": 1, "process": {}},
        {"processImagePath": "/bin/ls"},
    ],
)
def test_what_is_foreign(found: dict[str, Any]) -> None:
    """An object that has the keys of an export, but not its values, stays what it is."""
    assert event_of(found).gate.product == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
keys = st.sampled_from(
    sorted({key for export in EXPORTS for key in export.keys} | {"properties", "status", "Status", "events"})
)


@given(st.dictionaries(keys, json_values | st.dictionaries(keys, json_values, max_size=3), max_size=6))
def test_any_values_are_survived(found: dict[str, Any]) -> None:
    """Whatever stands under the keys of exports, nothing raises, and an event has texts for all that it says."""
    for shape in (audit_shape, macos_shape):
        event = shape(found, found, 1)
        if event:
            assert all(isinstance(text, str) for text in event.values())
            assert all(see(event, view).fields is not None for view in views(event.gate))
    if AUDIT_KEYS.isdisjoint(found):
        assert audit_shape(found, found, 1) is None


CLOUDTRAIL_TABLE = (
    "Event ID,Event time,User name,Event name,Event source,AWS region,Error code,Source IP address\n"
    "1,2026-10-06T06:12:01Z,miller,StopLogging,cloudtrail.amazonaws.com,eu-central-1,,198.51.100.7\n"
)
SIGN_IN_TABLE = (
    "Date (UTC),Request ID,User agent,Username,Status,Sign-in error code,Failure reason,Application,Application ID,"
    "Authentication requirement\n"
    '"10/6/2026, 6:12:01 AM",1,BAV2ROPC,miller@example.org,Success,,,Azure Portal,a,singleFactorAuthentication\n'
)
AUDIT_TABLE = (
    "Date (UTC),CorrelationId,Service,Category,Activity,Result,ResultReason\n"
    "2026-10-06T06:12:01Z,1,Core Directory,Policy,Delete conditional access policy,success,\n"
)
ACTIVITY_TABLE = (
    "Correlation id,Operation name,Status,Event category,Level,Time,Event initiated by,Resource type\n"
    "1,Delete Key Vault,Succeeded,Administrative,Informational,2026-10-06T06:12:01Z,miller@example.org,vault\n"
)
ANALYTICS_TABLE = (
    "TenantId,TimeGenerated [UTC],Type,OperationName,Category,ResultType,DeviceDetail\n"
    't,"10/6/2026, 6:12:01.000 AM",SigninLogs,Sign-in activity,SignInLogs,0,"{""isCompliant"":false}"\n'
)


@pytest.mark.parametrize(
    ("text", "channel", "field", "value"),
    [
        (CLOUDTRAIL_TABLE, "cloudtrail", "status", "success"),
        (CLOUDTRAIL_TABLE.replace(",,", ",AccessDenied,"), "cloudtrail", "status", "failure"),
        (SIGN_IN_TABLE, "signinlogs", "Status", "Success"),
        (AUDIT_TABLE, "auditlogs", "properties.message", "Delete conditional access policy"),
        (ACTIVITY_TABLE, "activitylogs", "CategoryValue", "Administrative"),
        (ANALYTICS_TABLE, "signinlogs", "DeviceDetail.isCompliant", False),
    ],
)
def test_tables(text: str, channel: str, field: str, value: object) -> None:
    """Tables that portals export are told by their columns, and their fields have the names of the other exports."""
    event = one(CsvSource(), text)
    assert (event.gate.channel, event.time) == (channel, TIME)
    assert see(event, views(event.gate)[0]).find(field) == (True, value)


def test_a_damaged_audit_record_is_told() -> None:
    """A row whose record is cut off is kept, and said to be no record."""
    events, errors = read(CsvSource(), 'RecordId,CreationDate,AuditData\n1,2026-10-06T06:12:01Z,"{""Operation"":"\n')
    assert [event.gate.product for event in events] == [""]
    assert [error.code for error in errors] == ["F006"]


def test_times_with_halves_of_a_day_need_a_zone() -> None:
    """A time with AM or PM counts only where the column states that it is UTC."""
    text = 'Date,Name\n"10/6/2026, 6:12:01 PM",x\n'
    assert one(CsvSource(), text).time == ""
    assert one(CsvSource(), text.replace("Date,", "Date (UTC),")).time == "2026-10-06T18:12:01.000000Z"
