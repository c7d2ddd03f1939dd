"""OPC UA in captures: `opcua_binary` and the logs of the services that matter most, with the names that ICSNPP uses.

A request and its response make one event of `opcua_binary`, with the time and packet of the request.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Final

from tocsin.sources.capture_frames import (
    Frame,
    Made,
    Origin,
    all_texts,
    first_number,
    first_text,
    flag,
    node,
    nodes,
    present,
    words,
)

_PENDING: Final = 4096
_HANDSHAKE: Final = frozenset(("HEL", "ACK", "ERR", "RHE"))
_SERVICE: Final = re.compile(r"[A-Z][A-Za-z0-9]{2,60}(?:Request|Response|Fault)")
_NODE_LOGS: Final = {"WriteRequest": "opcua_binary_write", "ReadRequest": "opcua_binary_read_nodes_to_read"}
_ATTRIBUTES: Final = words(
    "NodeId NodeClass BrowseName DisplayName Description WriteMask UserWriteMask IsAbstract Symmetric InverseName"
    " ContainsNoLoops EventNotifier Value DataType ValueRank ArrayDimensions AccessLevel UserAccessLevel"
    " MinimumSamplingInterval Historizing Executable UserExecutable"
)
_KINDS: Final = words("Boolean SByte Byte Int16 UInt16 Int32 UInt32 Int64 UInt64 Float Double String DateTime")
_TOKENS: Final = {
    321: "AnonymousIdentityToken",
    324: "UserNameIdentityToken",
    327: "X509IdentityToken",
    940: "IssuedIdentityToken",
}
_SECRET_BYTES: Final = 256


class OpcUa:
    """Makes events of OPC UA, and holds requests until their responses come."""

    layer = "opcua"

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[str, int], tuple[Origin, dict[str, Any]]] = OrderedDict()

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet, which may hold several messages."""
        for message in nodes(frame.layers.get("opcua")):
            kind = message.get("opcua.transport.type")
            if isinstance(kind, str):
                yield from self._message(frame, message, kind)

    def flush(self) -> Iterator[Made]:
        """Yield what was never answered."""
        while self._waiting:
            yield Made("opcua_binary", *self._waiting.popitem(last=False)[1])

    def _message(self, frame: Frame, message: dict[str, Any], kind: str) -> Iterator[Made]:
        common = present(
            msg_type=kind,
            is_final=first_text(message, "opcua.transport.chunk"),
            sec_channel_id=first_number(message, "opcua.transport.scid"),
            request_id=first_number(message, "opcua.security.rqid"),
        )
        if kind in _HANDSHAKE:
            yield Made("opcua_binary", frame.origin, common | _handshake(message))
            return
        name, body = _service(message)
        common |= present(sec_policy_uri=first_text(message, "opcua.security.spu"))
        yield from self._exchange(frame, message, common, name)
        for log, fields in _details(name, body):
            yield Made(log, frame.origin, fields)

    def _exchange(self, frame: Frame, message: dict[str, Any], common: dict[str, Any], name: str) -> Iterator[Made]:
        """Yield the event of `opcua_binary` that this message completes."""
        side = "req" if frame.is_orig else "res"
        key = (frame.flow, first_number(message, "opcua.security.rqid") or 0)
        fields = common | {
            f"{side}_{field}": value
            for field, value in present(
                msg_size=first_number(message, "opcua.transport.size"),
                seq_number=first_number(message, "opcua.security.seq"),
                identifier=first_number(message, "opcua.servicenodeid.numeric"),
                identifier_str=name or None,
                hdr_request_handle=first_number(message, "opcua.RequestHandle"),
            ).items()
        }
        fields |= present(service_result=first_text(message, "opcua.ServiceResult"))
        if frame.is_orig:
            if key in self._waiting:
                yield Made("opcua_binary", *self._waiting.pop(key))
            self._waiting[key] = (frame.origin, fields)
            if len(self._waiting) > _PENDING:
                yield Made("opcua_binary", *self._waiting.popitem(last=False)[1])
            return
        asked = self._waiting.pop(key, None)
        if asked is None:
            yield Made("opcua_binary", frame.origin, fields)
        else:
            yield Made("opcua_binary", asked[0], fields | asked[1])


def _details(name: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the events of the services that have a log of their own."""
    if name.startswith("OpenSecureChannel"):
        yield "opcua_binary_opensecure_channel", _open_channel(body)
    elif name.startswith("CreateSession"):
        yield "opcua_binary_create_session", _create_session(body)
    elif name == "ActivateSessionRequest":
        yield "opcua_binary_activate_session", _activate_session(body)
    elif name == "CloseSessionRequest":
        yield "opcua_binary_close_session", present(del_subscriptions=flag(body, "opcua.DeleteSubscriptions"))
    elif name == "GetEndpointsRequest":
        yield "opcua_binary_get_endpoints", present(endpoint_url=first_text(body, "opcua.EndpointUrl"))
    elif name in _NODE_LOGS:
        for fields in _node_ids(body):
            yield _NODE_LOGS[name], fields


def _service(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of the service and its tree; empty for a message that is encrypted or not the last of several."""
    parts = [item for tree in message.values() if isinstance(tree, dict) for item in tree.items()]
    return next(((name, body) for name, body in parts if isinstance(body, dict) and _SERVICE.fullmatch(name)), ("", {}))


def _handshake(message: dict[str, Any]) -> dict[str, Any]:
    return present(
        msg_size=first_number(message, "opcua.transport.size"),
        version=first_number(message, "opcua.transport.ver"),
        rcv_buf_size=first_number(message, "opcua.transport.rbs"),
        snd_buf_size=first_number(message, "opcua.transport.sbs"),
        max_msg_size=first_number(message, "opcua.transport.mms"),
        max_chunk_cnt=first_number(message, "opcua.transport.mcc"),
        endpoint_url=first_text(message, "opcua.transport.endpoint"),
        error=first_number(message, "opcua.transport.error"),
        reason=first_text(message, "opcua.transport.reason"),
    )


def _open_channel(body: dict[str, Any]) -> dict[str, Any]:
    return present(
        client_proto_ver=first_number(body, "opcua.ClientProtocolVersion"),
        sec_token_request_type=first_number(body, "opcua.SecurityTokenRequestType"),
        message_security_mode=first_number(body, "opcua.MessageSecurityMode"),
        req_lifetime=first_number(body, "opcua.RequestedLifetime"),
        server_proto_ver=first_number(body, "opcua.ServerProtocolVersion"),
        sec_token_sec_channel_id=first_number(body, "opcua.ChannelId"),
        sec_token_id=first_number(body, "opcua.TokenId"),
        sec_token_revised_time=first_number(body, "opcua.RevisedLifetime"),
    )


def _create_session(body: dict[str, Any]) -> dict[str, Any]:
    return present(
        application_uri=first_text(body, "opcua.ApplicationUri"),
        product_uri=first_text(body, "opcua.ProductUri"),
        endpoint_url=first_text(body, "opcua.EndpointUrl"),
        session_name=first_text(body, "opcua.SessionName"),
    )


def _activate_session(body: dict[str, Any]) -> dict[str, Any]:
    token: object = next((item for key, item in body.items() if key.startswith("UserIdentityToken")), None)
    kind = first_number(token, "opcua.nodeid.numeric")
    return present(
        ext_obj_type_id_numeric=kind,
        ext_obj_type_id_str=None if kind is None else _TOKENS.get(kind, f"unknown-{kind}"),
        ext_obj_policy_id=first_text(token, "opcua.PolicyId"),
        ext_obj_user_name=first_text(token, "opcua.UserName"),
        ext_obj_password=_secret(first_text(token, "opcua.Password")),
        ext_obj_encryption_algorithom=first_text(token, "opcua.EncryptionAlgorithm") or None,
    )


def _secret(text: str | None) -> str | None:
    """Return a password that was sent as plain text; one that is encrypted stays in hexadecimal digits."""
    if not text:
        return None
    try:
        found = bytes.fromhex(text.replace(":", "")[: 2 * _SECRET_BYTES]).decode("utf-8")
    except ValueError:
        return text
    return found if found.isprintable() else text


def _node_ids(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes and attributes that are read or written."""
    for key, array in body.items():
        if not key.startswith(("NodesToWrite", "NodesToRead")) or not isinstance(array, dict):
            continue
        for item in array.values():
            if isinstance(item, dict):
                yield _attribute(item)


def _attribute(item: dict[str, Any]) -> dict[str, Any]:
    name = next((key for key in item if key.startswith("NodeId")), "NodeId")
    identity = node(item, name)
    number = first_number(item, "opcua.AttributeId")
    values = [text for key in item if key.startswith("Value") for text in _values(item[key])]
    return present(
        node_id_encoding_mask=first_text(identity, "opcua.nodeid.encodingmask"),
        node_id_namespace_idx=first_number(identity, "opcua.nodeid.nsindex"),
        node_id_numeric=first_number(identity, "opcua.nodeid.numeric"),
        node_id_string=first_text(identity, "opcua.nodeid.string"),
        node_id_guid=first_text(identity, "opcua.nodeid.guid"),
        node_id_opaque=first_text(identity, "opcua.nodeid.bytestring"),
        attribute_id=number,
        attribute_id_str=_ATTRIBUTES[number - 1] if number and number <= len(_ATTRIBUTES) else None,
        index_range=first_text(item, "opcua.IndexRange") or None,
        value=values[0] if values else None,
    )


def _values(tree: object) -> list[str]:
    return [text for kind in _KINDS for text in all_texts(tree, f"opcua.{kind}")]


__all__ = ["OpcUa"]
