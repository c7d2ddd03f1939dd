"""Fields of audit logs that rules read and no single key holds, made from the records of each product.

Where rules mean now one thing, now another by the same field, it is a list of them. Nothing here replaces what the record
states under the same name, save by a list that has that too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tocsin.events.values import find, json_text, scalar_text

Object = Mapping[str, Any]

_VERSION: Final = re.compile(r"(?:v\d+\w*|alpha|beta)\.")
_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAME: Final = re.compile(r"[A-Za-z][\w.-]{0,63}")
_MOST_TEXTS: Final = 1000


def text_at(inner: Object, *paths: str) -> str:
    """Return the first text that stands at one of the paths, or an empty one."""
    for path in paths:
        present, value = find(inner, path)
        if present and not isinstance(value, (dict, list)) and (text := scalar_text(value)):
            return text
    return ""


def opened(inner: Object) -> dict[str, Any]:
    """Return the values of an object that are JSON in a text, read; queries of Log Analytics return their columns so."""
    return {name: value for name, text in inner.items() if (value := _json_in(text)) is not None}


def _json_in(text: object) -> object:
    if not isinstance(text, str) or not text.startswith(("{", "[{")):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _listed(values: Iterable[Any]) -> Any:
    """Return values without repetition: one as it is, several as a list."""
    found: list[Any] = []
    for value in values:
        if value not in (None, "") and value not in found:
            found.append(value)
    return found[0] if len(found) == 1 else found


def cloudtrail(inner: Object) -> dict[str, Any]:
    """Make the outcome in one word, and parameters beside which the documents inside them stand as texts of their own."""
    failed = text_at(inner, "errorCode") not in ("", "Success")
    fields: dict[str, Any] = {} if "status" in inner else {"status": "failure" if failed else "success"}
    for name in ("requestParameters", "responseElements"):
        value = inner.get(name)
        documents = [text for text in _texts(value) if text.startswith(("{", "[{"))] if isinstance(value, dict) else []
        if documents:
            fields[name] = [value, *documents]
    return fields


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts inside a value, only the first ones of a large one."""
    waiting, seen = [value], 0
    while waiting and seen < _MOST_TEXTS:
        item = waiting.pop()
        seen += 1
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def azure_activity(inner: Object) -> dict[str, Any]:
    """Make the provider of a resource from the name of the operation, as Log Analytics does."""
    operation = text_at(inner, "operationName.value", "OperationNameValue", "operationName", "operationName.localizedValue")
    provider, slash, _ = operation.partition("/")
    return {"ResourceProviderValue": provider} if slash and "ResourceProviderValue" not in inner else {}


def azure_sign_in(inner: Object) -> dict[str, Any]:
    """Make the words for the outcome that the portal shows, and the protocol by the name that it shows."""
    values = opened(inner)
    inner = {**inner, **values}
    states = [find(inner, path)[1] for path in ("properties.status", "status", "Status")]
    state = next((value for value in states if isinstance(value, dict)), {})
    stated = inner.get("Status")
    code = text_at(inner, "ResultType", "resultType") or text_at(state, "errorCode")
    word = stated if isinstance(stated, str) else {"": "", "0": "Success"}.get(code, "Failure")
    told = text_at(inner, "ResultDescription", "resultDescription") or text_at(state, "failureReason")
    details = text_at(state, "additionalDetails")
    protocol = text_at(inner, "properties.authenticationProtocol", "authenticationProtocol", "AuthenticationProtocol")
    message = text_at(inner, "properties.message")
    fields = {
        "Status": _listed([word, told, details, *([stated] if isinstance(stated, dict) else ())]),
        "ResultDescription": _listed([told, details, word]),
        "properties.message": _listed([message, told, protocol, "Device Code" if protocol == "deviceCode" else ""]),
    }
    for path in ("properties.networkLocationDetails", "networkLocationDetails"):
        if find(inner, path) == (True, []):
            fields["NetworkLocationDetails"] = "[]"  # as Log Analytics writes it
    return values | {name: value for name, value in fields.items() if value}


def azure_audit(inner: Object) -> dict[str, Any]:
    """Make what rules look for in the message of a directory audit: the activity, and each property that it changed."""
    values = opened(inner)
    inner = {**inner, **values}
    record = inner["properties"] if isinstance(inner.get("properties"), dict) else inner
    activities = [text_at(node, *_ACTIVITIES).strip() for node in (inner, record)]
    resources = record.get("targetResources", record.get("TargetResources"))
    changes = list(_changes(resources))
    outcome = [text_at(inner, "Status"), *(text_at(node, *_OUTCOMES) for node in (record, inner))]
    reasons = [text_at(node, *_REASONS) for node in (record, inner)]
    kinds = list(_kinds(resources))
    fields: dict[str, Any] = {
        "properties.message": _listed([text_at(inner, "properties.message"), *activities, *map(_change_text, changes)]),
        "Status": _listed([*outcome, *reasons]),
        "targetResources.type": _listed([*kinds, *(_WORDS.sub(" ", kind) for kind in kinds)]),
    }
    for change in changes:
        name = text_at(change, "displayName")
        if name.startswith("ConsentContext."):
            fields[name] = text_at(change, "newValue").strip('"')
    return values | {name: value for name, value in fields.items() if value}


_ACTIVITIES: Final = ("activityDisplayName", "ActivityDisplayName", "operationName", "OperationName")
_OUTCOMES: Final = ("result", "Result")
_REASONS: Final = ("resultReason", "ResultReason", "resultDescription", "ResultDescription")


def _changes(resources: Any) -> Iterator[Object]:
    for resource in resources if isinstance(resources, list) else ():
        changed = resource.get("modifiedProperties") if isinstance(resource, dict) else None
        yield from (change for change in (changed if isinstance(changed, list) else ()) if isinstance(change, dict))


def _kinds(resources: Any) -> Iterator[str]:
    for resource in resources if isinstance(resources, list) else ():
        if isinstance(resource, dict) and (kind := text_at(resource, "type")):
            yield kind


def _change_text(change: Object) -> str:
    """Return a changed property as the text of its record has it, from the name to the new value."""
    return json_text({name: change.get(name) for name in ("displayName", "oldValue", "newValue")})[1:-1]


def azure_alert(inner: Object) -> dict[str, Any]:
    """Take the kind of an alert of Privileged Identity Management from the type of its object."""
    return {"riskEventType": text_at(inner, "@odata.type").rpartition(".")[2]}


def gcp_audit(inner: Object) -> dict[str, Any]:
    """Make the method without the version of its API, the log without its project, and the parameters of Workspace events."""
    payload = next((value for path in _PAYLOADS if isinstance(value := find(inner, path)[1], dict)), {})
    method, log = text_at(payload, "methodName"), text_at(inner, "logName", "data.logName")
    fields: dict[str, Any] = {}
    if _VERSION.match(method):
        fields["gcp.audit.method_name"] = [method, method.partition(".")[2]]
    if log:
        fields["data.protoPayload.logName"] = _listed([log, log.rpartition("/logs/")[2]])
    events = find(payload, "metadata.event")[1]
    return fields | named_values(events if isinstance(events, list) else [events], "parameter")


_PAYLOADS: Final = ("protoPayload", "data.protoPayload")


def named_values(events: list[Any], key: str) -> dict[str, Any]:
    """Return the parameters of Workspace events under their names in lower case; one that recurs is a list."""
    found: dict[str, Any] = {}
    lists = [event.get(key) for event in events if isinstance(event, dict)]
    for item in (item for items in lists if isinstance(items, list) for item in items):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            continue
        value = next((item[kind] for kind in _VALUES if kind in item), None)
        found[name.lower()] = value if name.lower() not in found else [found[name.lower()], value]
    return found


_VALUES: Final = ("value", "multiValue", "multiStrValue", "intValue", "boolValue")


def m365(inner: Object) -> dict[str, Any]:
    """Make name and outcome of an operation as rules write them; an alert without an outcome was raised, which is a success.

    What stands among the extended properties is a field of its own name; `Payload` is the command with its parameters.
    """
    alert = inner.get("Workload") == "SecurityComplianceCenter"
    operation, result = text_at(inner, "Operation"), text_at(inner, "ResultStatus").lower()
    fields: dict[str, Any] = {"eventName": (text_at(inner, "Name") if alert else "") or operation}
    if result in _SUCCESSES or (alert and not result):
        fields["status"] = "success"
    elif result:
        fields["status"] = "failure"
    if "Payload" not in inner and "Parameters" in inner:
        fields["Payload"] = f"{operation} {scalar_text(inner['Parameters'])}"
    properties = inner.get("ExtendedProperties")
    for item in properties if isinstance(properties, list) else ():
        name = text_at(item, "Name") if isinstance(item, dict) else ""
        if name not in inner and _NAME.fullmatch(name):
            fields.setdefault(name, item.get("Value"))
    return fields


_SUCCESSES: Final = frozenset({"succeeded", "success", "true", "partiallysucceeded"})


def kubernetes(inner: Object) -> dict[str, Any]:
    """Put the decision of the authorizer beside the code of the response, by which rules mean either."""
    decision = (inner.get("annotations") or {}).get("authorization.k8s.io/decision") if _has_annotations(inner) else None
    code = find(inner, "responseStatus.code")[1]
    return {"responseStatus.code": _listed([code, decision])} if isinstance(decision, str) else {}


def _has_annotations(inner: Object) -> bool:
    return isinstance(inner.get("annotations"), dict)


__all__ = [
    "azure_activity",
    "azure_alert",
    "azure_audit",
    "azure_sign_in",
    "cloudtrail",
    "gcp_audit",
    "kubernetes",
    "m365",
    "named_values",
    "opened",
    "text_at",
]
