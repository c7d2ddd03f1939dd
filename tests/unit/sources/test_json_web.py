"""Access logs, authentications of Duo, GlobalProtect and flows as JSON."""

import json

import pytest
from text_reading import one, seen

from tocsin.events import Gate
from tocsin.rules.logsource import admits, views
from tocsin.rules.rule import Logsource
from tocsin.sources.json import JsonSource

SOURCE = JsonSource()
NGINX = {"time_iso8601": "2026-10-06T06:12:01+00:00", "remote_addr": "198.51.100.7", "status": "200", "http_user_agent": "curl"}


@pytest.mark.parametrize(
    "found",
    [
        NGINX | {"request": "GET /a?b=c HTTP/1.1"},
        NGINX | {"request_method": "GET", "request_uri": "/a?b=c"},
        NGINX | {"request_method": "GET", "uri": "/a", "args": "b=c"},
        {"time": "[06/Oct/2026:06:12:01 +0000]", "remoteIP": "198.51.100.7", "request": "/a", "query": "?b=c", "method": "GET",
         "status": 200,
         "userAgent": "curl"},
        {"ts": 1791267121.0, "status": 200, "request": {"remote_ip": "198.51.100.7", "method": "GET", "uri": "/a?b=c",
                                                        "headers": {"User-Agent": ["curl"]}}},
        {"StartUTC": "2026-10-06T06:12:01Z", "ClientHost": "198.51.100.7", "RequestMethod": "GET", "RequestPath": "/a?b=c",
         "DownstreamStatus": 200, "request_User-Agent": "curl"},
    ],
)  # fmt: skip
def test_requests(found):
    """The names that administrators and servers use lead to those of rules."""
    event = one(SOURCE, json.dumps(found))
    assert (event.gate, event.time) == (Gate("nginx", "access", ""), "2026-10-06T06:12:01.000000Z")
    fields = seen(event)
    assert fields["cs-uri-query"] == ["/a?b=c", "b=c"]
    assert (fields["cs-uri-stem"], fields["cs-method"], str(fields["sc-status"])) == ("/a", "GET", "200")
    assert (fields["c-ip"], fields["cs-user-agent"]) == ("198.51.100.7", "curl")


RAILS = {"method": "POST", "path": "/users/password?a=b", "format": "html", "status": 302, "remote_ip": "198.51.100.7",
         "time": "2026-10-06T06:12:01.000Z", "user_id": None, "username": None, "controller": "PasswordsController",
         "action": "create"}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "channel"),
    [
        ({"correlation_id": "c", "ua": "curl"}, "production_json"),
        (
            {"params": [{"key": "user", "value": {"email": ["a@example.org", "b@example.org"]}}], "ua": "curl"},
            "production_json",
        ),
        ({"correlation_id": "c", "route": "/api/:v/users", "controller": None, "ua": "curl"}, "api_json"),
    ],
)
def test_requests_to_gitlab(more, channel):
    """A line of GitLab's own log is one of GitLab; rules of web servers see it too."""
    event = one(SOURCE, json.dumps(RAILS | more))
    assert (event.gate, event.time) == (Gate("gitlab", channel, ""), "2026-10-06T06:12:01.000000Z")
    fields = seen(event)
    assert (fields["cs-uri-stem"], fields["cs-method"], fields["c-ip"]) == ("/users/password", "POST", "198.51.100.7")
    (view,) = views(event.gate)
    assert all(admits(view, asked) for asked in (Logsource("gitlab", "", channel), Logsource("", "webserver", "")))
    assert not admits(view, Logsource("gitlab", "", "audit"))


def test_another_application_of_rails_is_not_gitlab():
    """Controller and action alone are those of any application."""
    assert one(SOURCE, json.dumps(RAILS)).gate == Gate("nginx", "access", "")


@pytest.mark.parametrize("missing", ["remote_addr", "status", "request"])
def test_what_is_no_request(missing):
    """Without client, target or status an object is none."""
    found = NGINX | {"request": "GET /a HTTP/1.1"}
    assert one(SOURCE, json.dumps({name: value for name, value in found.items() if name != missing})).gate.product == ""


@pytest.mark.parametrize(
    ("found", "gate"),
    [
        (
            {
                "txid": "1",
                "event_type": "authentication",
                "factor": "push",
                "reason": "x",
                "isotimestamp": "2026-10-06T06:12:01Z",
            },
            ("cisco", "duo"),
        ),
        ({"txid": "1", "event_type": "authentication"}, ("", "json")),
        ({"level": "error", "task": "1-2", "time": "2026-10-06T06:12:01Z", "message": "x"}, ("paloalto", "globalprotect")),
        ({"task": "1-2", "message": "x"}, ("", "json")),
        (
            {"netflow": {"type": "netflow_flow"}, "destination": {"port": 23}, "@timestamp": "2026-10-06T06:12:01Z"},
            ("netflow", "flow"),
        ),
        ({"netflow": "x"}, ("", "json")),
    ],
)
def test_others(found, gate):
    """Objects are told by all the keys of their kind, not by one."""
    assert one(SOURCE, json.dumps(found)).gate[:2] == gate


def test_flows_have_one_name_for_ports():
    """The port of a flow is found under the names of shippers and of tools."""
    for found in (
        {"netflow": {"a": 1}, "destination": {"ip": "1", "port": 23}},
        {"ip_src": "1", "ip_dst": "2", "port_dst": 23},
    ):
        assert str(seen(one(SOURCE, json.dumps(found)))["destination.port"]) == "23"
