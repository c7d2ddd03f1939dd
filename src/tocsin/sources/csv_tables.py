"""Tables of known products: the columns by which an export is told, and what its rows are.

To add one, append a `CsvTable` to `TABLES`; the product's field map then says which logsources the gate answers. A table is
told by columns that it always has, so name enough of them that no other table has all. What a row is under the names of
the columns is what rules see, unless `names` says otherwise; a cell that holds JSON is what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from tocsin.events import Gate
from tocsin.events.time import normal_time
from tocsin.sources import json_details as details


@dataclass(frozen=True, slots=True)
class CsvTable:
    """How one export is told and read.

    `columns` are all there. `times` are columns, the first that says something counts. `names` says which field a column is:
    one that the product's other logs have too, and which its field map knows. `event` is a column whose cell is the whole
    event, as JSON of a known shape. All these columns are written in lower case and without spaces. `more` makes fields that
    no column holds from those.
    """

    gate: Gate
    columns: frozenset[str]
    times: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    event: str = ""
    more: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda row: {}

    def fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a row; an empty cell of a column that is renamed leaves the field absent."""
        named = {name: self.names.get(normal_name(name), "") for name in row}
        found = {named[name] or name: value for name, value in row.items() if value != "" or not named[name]}
        return found | self.more(found)

    def time(self, row: Mapping[str, Any]) -> str:
        """Return the time of a row, or an empty text."""
        columns = {normal_name(name): name for name in row}
        named = [columns[name] for name in self.times if name in columns]
        return next((time for name in named if (time := table_time(name, row[name]))), "")


@lru_cache(maxsize=4096)
def normal_name(column: str) -> str:
    """Return the name of a column in lower case without spaces, since exports differ in no more than that."""
    return column.replace(" ", "").lower()


_TWELVE_HOURS: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)? ([AP])M")


def table_time(column: str, value: object) -> str:
    """Return the time of a cell; one with AM or PM only where the column states that it is UTC."""
    text = value if isinstance(value, str) else ""
    match = _TWELVE_HOURS.fullmatch(text) if "UTC" in column else None
    if match is None:
        return normal_time(text)
    month, day, year, hour, minute, second = (int(part) for part in match.groups()[:6])
    micros = int((match[7] or "0").ljust(6, "0"))
    try:
        moment = datetime(year, month, day, hour % 12 + 12 * (match[8] == "P"), minute, second, micros)
    except ValueError:
        return ""
    return normal_time(moment.isoformat(" "))


_UTC_MARK: Final = re.compile(r" ?[\[(]UTC[\])]$")


def plain_names(columns: Iterable[str]) -> dict[str, str]:
    """Return the columns that state their zone, as Log Analytics writes them, and their names without that."""
    return {name: plain for name in columns if (plain := _UTC_MARK.sub("", name)) != name}


_CLOUDTRAIL: Final = Gate("aws", "cloudtrail", "")
_CLOUDTRAIL_NAMES: Final = {
    "eventid": "eventID",
    "eventtime": "eventTime",
    "eventdatetime": "eventTime",
    "eventname": "eventName",
    "eventsource": "eventSource",
    "eventtype": "eventType",
    "awsaccesskey": "userIdentity.accessKeyId",
    "awsregion": "awsRegion",
    "username": "userIdentity.userName",
    "userid": "userIdentity",
    "errorcode": "errorCode",
    "sourceipaddress": "sourceIPAddress",
    "sourceip": "sourceIPAddress",
    "requestuseragent": "userAgent",
    "requestparameters": "requestParameters",
    "requestid": "requestID",
    "read-only": "readOnly",
}
_SIGN_IN_NAMES: Final = {
    "username": "userPrincipalName",
    "application": "appDisplayName",
    "applicationid": "appId",
    "resource": "resourceDisplayName",
    "ipaddress": "ipAddress",
    "clientapp": "clientAppUsed",
    "deviceid": "deviceDetail.deviceId",
    "compliant": "deviceDetail.isCompliant",
    "jointype": "deviceDetail.trustType",
    "authenticationrequirement": "authenticationRequirement",
    "authenticationprotocol": "authenticationProtocol",
    "sign-inerrorcode": "ResultType",
    "failurereason": "ResultDescription",
    "conditionalaccess": "conditionalAccessStatus",
    "useragent": "userAgent",
    "riskstate": "riskState",
}
_AUDIT_NAMES: Final = {
    "activity": "activityDisplayName",
    "service": "loggedByService",
    "category": "category",
    "result": "result",
    "resultreason": "resultReason",
}
_PROXY: Final = Gate("zscaler", "proxy", "")
_PROXY_NAMES: Final = {
    "url": "url",
    "useragent": "useragent",
    "requestmethod": "requestmethod",
    "responsecode": "respcode",
    "refererurl": "refererURL",
    "clientip": "ClientIP",
    "serverip": "serverip",
    "hostname": "hostname",
}

_TIMES: Final = ("time", "timestamp", "date", "datetime")
_ANTIVIRUS_NAMES: Final = {"signature": "Signature", "filename": "Filename"}

TABLES: Final[tuple[CsvTable, ...]] = (
    CsvTable(Gate("m365", "audit", ""), frozenset({"auditdata"}), ("creationdate",), event="auditdata"),
    CsvTable(
        _CLOUDTRAIL,
        frozenset({"eventname", "eventtime", "eventsource"}),
        ("eventtime",),
        _CLOUDTRAIL_NAMES,
        more=details.cloudtrail,
    ),
    CsvTable(
        _CLOUDTRAIL,
        frozenset({"eventtype", "eventname", "eventdatetime", "requestparameters", "requestuseragent"}),
        ("eventdatetime",),
        _CLOUDTRAIL_NAMES,
    ),
    CsvTable(
        Gate("azure", "signinlogs", ""),
        frozenset({"date(utc)", "username", "applicationid", "sign-inerrorcode", "status"}),
        ("date(utc)",),
        _SIGN_IN_NAMES,
        more=details.azure_sign_in,
    ),
    CsvTable(
        Gate("azure", "auditlogs", ""),
        frozenset({"date(utc)", "correlationid", "category", "activity", "result", "resultreason"}),
        ("date(utc)",),
        _AUDIT_NAMES,
        more=details.azure_audit,
    ),
    CsvTable(
        Gate("azure", "activitylogs", ""),
        frozenset({"correlationid", "operationname", "eventcategory", "eventinitiatedby", "resourcetype"}),
        ("time",),
        {"operationname": "operationName", "eventcategory": "CategoryValue", "resource": "resourceId"},
        more=details.azure_activity,
    ),
    CsvTable(_PROXY, frozenset({"url", "useragent", "clientip"}), ("time", "loggedtime", "eventtime"), _PROXY_NAMES),
    CsvTable(_PROXY, frozenset({"url", "useragent", "cip"}), ("time", "datetime"), _PROXY_NAMES),
    CsvTable(_PROXY, frozenset({"c-uri", "c-useragent"}), ("time", "datetime", "timestamp")),
    CsvTable(Gate("netflow", "flow", ""), frozenset({"ts", "sa", "da", "sp", "dp", "pr"}), ("ts",)),
    CsvTable(Gate("export", "proxy", ""), frozenset({"url", "method", "status", "user_agent"}), _TIMES),
    CsvTable(Gate("export", "antivirus", ""), frozenset({"signature", "filename"}), _TIMES, _ANTIVIRUS_NAMES),
    CsvTable(Gate("export", "firewall", ""), frozenset({"src_ip", "dst_ip", "dst_port", "action"}), _TIMES),
    CsvTable(Gate("export", "dns", ""), frozenset({"query", "record_type"}), _TIMES),
)
"""The tables, the more particular before those that are told by few columns."""


def known_table(columns: Iterable[str]) -> CsvTable | None:
    """Return the table that a header is, or None."""
    found = frozenset(map(normal_name, columns))
    return next((table for table in TABLES if table.columns <= found), None)


__all__ = ["TABLES", "CsvTable", "known_table", "normal_name", "plain_names", "table_time"]
