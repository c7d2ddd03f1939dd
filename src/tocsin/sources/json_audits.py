"""Audit logs of clouds, identity providers, code hosts and Kubernetes, and of honeypots, as their exports write them.

An export is told by keys that it always has, and by a look at their values. Its events keep their own field names; what rules
call them is in the field map of the product, and `json_details` makes the fields that no single key holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin.events import Event, Gate
from tocsin.events.time import normal_time
from tocsin.events.values import find
from tocsin.sources import json_details as details
from tocsin.sources.json_details import text_at

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Export:
    """How one export is told and read.

    `keys` are all there, the one first that fewest other objects have; `channel` returns the channel of an object, or an empty
    text when it is none of these after all; `times` and `hosts` are paths, the first that says something counts; `more`
    returns fields that no key holds.
    """

    product: str
    keys: tuple[str, ...]
    channel: Callable[[Object], str]
    times: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    more: Callable[[Object], dict[str, Any]] = lambda inner: {}


def _always(channel: str, *texts: str) -> Callable[[Object], str]:
    """Return a check that these keys hold texts."""
    return lambda inner: channel if all(isinstance(inner.get(key), str) for key in texts) else ""


def _with_object(channel: str, *keys: str) -> Callable[[Object], str]:
    """Return a check that these keys hold objects."""
    return lambda inner: channel if all(isinstance(inner.get(key), dict) for key in keys) else ""


_SIGN_INS: Final = frozenset(
    (
        "signinlogs",
        "noninteractiveusersigninlogs",
        "serviceprincipalsigninlogs",
        "managedidentitysigninlogs",
        "aadnoninteractiveusersigninlogs",
        "aadserviceprincipalsigninlogs",
        "aadmanagedidentitysigninlogs",
    )
)
_RISKS: Final = frozenset({"userriskevents", "serviceprincipalriskevents", "aaduserriskevents", "riskyusers"})
_ACTIVITIES: Final = frozenset(
    (
        "administrative",
        "security",
        "policy",
        "servicehealth",
        "resourcehealth",
        "alert",
        "autoscale",
        "recommendation",
        "azureactivity",
        "action",
        "write",
        "delete",
    )
)


def _azure_channel(inner: Object) -> str:
    """Tell an Azure record by its category, or by the table of Log Analytics from which it was exported."""
    if _is_risk(inner):
        return "riskdetection"
    for name in ("Type", "category", "Category", "categoryValue", "CategoryValue"):
        kind = text_at(inner, name, f"{name}.value").lower()
        if kind in _SIGN_INS:
            return "signinlogs"
        if kind == "auditlogs":
            return "auditlogs"
        if kind in _RISKS:
            return "riskdetection"
        if kind in _ACTIVITIES:
            return _activity_channel(inner)
    return ""


_AZURE_MARKS: Final = frozenset(
    ("resourceId", "ResourceId", "_ResourceId", "tenantId", "TenantId", "correlationId", "CorrelationId", "CategoryValue")
)
"""Keys of which every record of an activity has one."""


def _activity_channel(inner: Object) -> str:
    sure = not _AZURE_MARKS.isdisjoint(inner) or isinstance(inner.get("operationName"), dict)
    return "activitylogs" if sure else ""


def _is_risk(inner: Object) -> bool:
    return bool(text_at(inner, "riskEventType", "properties.riskEventType", "RiskEventType"))


def _gcp_channel(inner: Object) -> str:
    payload = find(inner, "protoPayload")[1] or find(inner, "data.protoPayload")[1]
    if isinstance(payload, dict):
        if not any(isinstance(payload.get(key), str) for key in ("methodName", "serviceName", "@type")):
            return ""
        service = text_at(payload, "serviceName")
        return {"admin.googleapis.com": _ADMIN, "login.googleapis.com": _LOGIN}.get(service, "gcp.audit")
    return "gcp.audit" if text_at(inner, "gcp.audit.method_name") else ""


_ADMIN: Final = "google_workspace.admin"
_LOGIN: Final = "google_workspace.login"


def _workspace_channel(inner: Object) -> str:
    events, kind = inner.get("events"), text_at(inner, "kind")
    if not isinstance(events, list) or not kind.startswith("admin#reports#activity"):
        return ""
    name = text_at(inner, "id.applicationName")
    return {"admin": _ADMIN, "login": _LOGIN}.get(name, f"google_workspace.{name}" if name else "")


def _workspace(inner: Object) -> dict[str, Any]:
    service = f"{text_at(inner, 'id.applicationName')}.googleapis.com"
    return details.named_values(inner["events"], "parameters") | {"eventService": service, "protoPayload.serviceName": service}


def _m365_channel(inner: Object) -> str:
    if not isinstance(inner.get("Operation"), str) or not isinstance(inner.get("Workload"), str):
        return ""
    workload = inner["Workload"]
    return {"Exchange": "exchange", "SecurityComplianceCenter": "threat_management"}.get(workload, "audit")


def _github_channel(inner: Object) -> str:
    action = inner.get("action")
    if not isinstance(action, str) or "." not in action or not ("@timestamp" in inner or "created_at" in inner):
        return ""
    return "audit" if "_document_id" in inner or "org" in inner or "business" in inner or "repo" in inner else ""


def _kubernetes_channel(inner: Object) -> str:
    return "audit" if inner["kind"] == "Event" and str(inner["apiVersion"]).startswith("audit.k8s.io/") else ""


def _bitbucket_channel(inner: Object) -> str:
    kind = inner["auditType"]
    return "audit" if isinstance(kind, dict) and isinstance(kind.get("action"), str) else ""


def _pim_channel(inner: Object) -> str:
    """Tell alerts of Privileged Identity Management by the type of the object, which Microsoft Graph states."""
    kind = text_at(inner, "@odata.type")
    return "pim" if kind.startswith("#microsoft.graph.") and ("AlertIncident" in kind or "AlertConfiguration" in kind) else ""


def _sign_in_channel(inner: Object) -> str:
    return "signinlogs" if isinstance(inner["status"], dict) and "errorCode" in inner["status"] else ""


_AZURE_TIMES: Final = ("time", "TimeGenerated", "eventTimestamp", "properties.createdDateTime", "createdDateTime", "timestamp")
_PIM_TIMES: Final = ("activationDateTime", "assignmentCreatedDateTime", "lastSignInDateTime", "createdDateTime")


def _azure_details(inner: Object) -> dict[str, Any]:
    made = {"signinlogs": details.azure_sign_in, "auditlogs": details.azure_audit, "activitylogs": details.azure_activity}
    make = made.get(_azure_channel(inner))
    return make(inner) if make else {}


EXPORTS: Final = (
    Export(
        "aws",
        ("eventVersion", "eventSource", "eventName"),
        _always("cloudtrail", "eventSource", "eventName"),
        ("eventTime", "@timestamp"),
        more=details.cloudtrail,
    ),
    Export("azure", ("operationName", "category"), _azure_channel, _AZURE_TIMES, more=_azure_details),
    Export("azure", ("operationName", "eventTimestamp"), _activity_channel, _AZURE_TIMES, more=details.azure_activity),
    Export("azure", ("TimeGenerated", "OperationName"), _azure_channel, _AZURE_TIMES, more=_azure_details),
    Export("azure", ("TimeGenerated", "OperationNameValue"), _activity_channel, _AZURE_TIMES, more=details.azure_activity),
    Export("azure", ("TimeGenerated", "Type"), _azure_channel, _AZURE_TIMES, more=_azure_details),
    Export(
        "azure", ("appDisplayName", "createdDateTime", "status"), _sign_in_channel, _AZURE_TIMES, more=details.azure_sign_in
    ),
    Export(
        "azure",
        ("activityDisplayName", "activityDateTime"),
        _always("auditlogs", "activityDisplayName"),
        ("activityDateTime",),
        more=details.azure_audit,
    ),
    Export(
        "azure",
        ("riskEventType", "riskLevel"),
        _always("riskdetection", "riskEventType"),
        ("activityDateTime", "detectedDateTime", "time"),
    ),
    Export("azure", ("@odata.type", "id"), _pim_channel, _PIM_TIMES, more=details.azure_alert),
    Export("gcp", ("protoPayload",), _gcp_channel, ("timestamp", "receiveTimestamp"), more=details.gcp_audit),
    Export("gcp", ("gcp",), _gcp_channel, ("@timestamp",)),
    Export("gcp", ("actor", "kind", "events"), _workspace_channel, ("id.time",), more=_workspace),
    Export("gcp", ("data",), _gcp_channel, ("data.timestamp", "data.receiveTimestamp"), more=details.gcp_audit),
    Export("m365", ("Workload", "Operation", "RecordType"), _m365_channel, ("CreationTime",), more=details.m365),
    Export("m365", ("Workload", "Operation", "CreationTime"), _m365_channel, ("CreationTime",), more=details.m365),
    Export("okta", ("published", "eventType", "actor"), _with_object("okta", "actor"), ("published",)),
    Export("github", ("actor", "action"), _github_channel, ("@timestamp", "created_at")),
    Export("gitlab", ("entity_type", "author_id", "target_type"), lambda inner: "audit", ("time", "created_at")),
    Export("gitlab", ("entity_type", "author_id", "details"), _with_object("audit", "details"), ("created_at",)),
    Export(
        "kubernetes",
        ("auditID", "kind", "apiVersion", "verb"),
        _kubernetes_channel,
        ("requestReceivedTimestamp", "stageTimestamp"),
        more=details.kubernetes,
    ),
    Export("onelogin", ("event_type_id", "account_id"), lambda inner: "onelogin.events", ("created_at", "event_timestamp")),
    Export("bitbucket", ("auditType",), _bitbucket_channel, ("timestamp", "creationDate")),
    Export(
        "opencanary",
        ("logtype", "node_id", "logdata"),
        lambda inner: "opencanary",
        ("utc_time", "local_time_adjusted", "local_time"),
        ("node_id",),
    ),
)
"""All exports, the more particular before those with few keys."""
AUDIT_KEYS: Final = frozenset(export.keys[0] for export in EXPORTS)
"""An object without any of these is no export."""


def audit_shape(inner: Object, found: Object, number: int) -> Event | None:
    """Return the event of an object that is one of the exports, or None."""
    for export in EXPORTS:
        if export.keys[0] not in inner or not all(key in inner for key in export.keys):
            continue
        channel = export.channel(inner)
        if channel:
            more = export.more(inner)
            fields = {**inner, **more} if more else inner
            time = next((time for path in export.times if (time := normal_time(find(inner, path)[1]))), "")
            return Event(Gate(export.product, channel, ""), fields, found, time, text_at(inner, *export.hosts), number)
    return None


__all__ = ["AUDIT_KEYS", "EXPORTS", "Export", "audit_shape"]
