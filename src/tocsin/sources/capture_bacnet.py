"""BACnet/IP in captures, with the logs and names that ICSNPP uses.

The logs are `bacnet`, `bacnet_discovery`, `bacnet_property` and `bacnet_device_control`. tshark tells some values, such as the
state that a device is put into, in labels only; they are read from there.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from tocsin.sources import capture_bacnet_names as names
from tocsin.sources.capture_frames import Frame, Made, all_numbers, first_number, first_text, nodes, present, walk

_REQUEST: Final = 0
_UNCONFIRMED: Final = 1
_SIMPLE_ACK: Final = 2
_COMPLEX_ACK: Final = 3
_ERROR: Final = 5
_REJECT: Final = 6
_ABORT: Final = 7
_I_AM: Final = 0
_I_HAVE: Final = 1
_WHO_HAS: Final = 7
_WHO_IS: Final = 8
_CONTROL: Final = 17
_REINITIALIZE: Final = 20
_PROPERTY_SERVICES: Final = {
    (_REQUEST, 12): "read-property-request",
    (_COMPLEX_ACK, 12): "read-property-ack",
    (_REQUEST, 14): "read-property-multiple-request",
    (_COMPLEX_ACK, 14): "read-property-multiple-ack",
    (_REQUEST, 15): "write-property",
    (_REQUEST, 16): "write-property-multiple",
}
_STATE: Final = re.compile(r"(?:enable-disable|reinitialized State Of Device):\s+(\S+) \(\d+\)", re.IGNORECASE)
_DURATION: Final = re.compile(r"time Duration: \(Unsigned\) (\d{1,10})", re.IGNORECASE)
_PRIORITY: Final = re.compile(r"Priority: \(Unsigned\) (\d{1,3})")
_INDEX: Final = re.compile(r"property Array Index: \(Unsigned\) (\d{1,10})", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"password: (?:\S+ )?'(.*)'", re.IGNORECASE)
_OBJECT_NAME: Final = re.compile(r"Object Name: (?:\S+ )?'(.*)'", re.IGNORECASE)
_LISTS: Final = ("listOfPropertyReferences", "listOfResults", "listOfProperties", "listOfwriteAccessSpecifications")
_VALUE: Final = "bacapp.present_value."
_WAITING: Final = 4096


class Bacnet:
    """Makes events of BACnet/IP."""

    layer = "bvlc"

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, int], int] = OrderedDict()

    def events(self, frame: Frame) -> Iterator[Made]:
        """Yield the events of a packet."""
        links, messages = nodes(frame.layers.get("bvlc")), nodes(frame.layers.get("bacapp"))
        for link, message in ((one or {}, other or {}) for one, other in zip_longest(links, messages)):
            yield Made("bacnet", frame.origin, _header(link, message))
            kind = first_number(message, "bacapp.type")
            if kind == _UNCONFIRMED:
                yield from _discovery(frame, message)
            elif kind is not None:
                yield from _properties(frame, message, kind)
                yield from self._device_control(frame, message, kind)

    def flush(self) -> Iterator[Made]:
        """Yield nothing: no event waits for another packet."""
        yield from ()

    def _device_control(self, frame: Frame, message: dict[str, Any], kind: int) -> Iterator[Made]:
        """Yield a request that controls a device, and its outcome; a reject does not name the service that was asked for."""
        invoke = first_number(message, "bacapp.invoke_id")
        service = first_number(message, "bacapp.confirmed_service")
        if invoke is None:
            return
        key = (frame.flow, invoke)
        if kind == _REQUEST:
            self._asked.pop(key, None)
            if service in (_CONTROL, _REINITIALIZE):
                self._asked[key] = service
                if len(self._asked) > _WAITING:
                    self._asked.popitem(last=False)
                yield Made("bacnet_device_control", frame.origin, _control(message, service, invoke))
            return
        asked = self._asked.pop(key, None)
        if asked is None and service not in (_CONTROL, _REINITIALIZE):
            return
        outcome = {_ERROR: "ERROR", _REJECT: "REJECT", _ABORT: "ABORT"}.get(kind, "SUCCESS")
        fields = {"invoke_id": invoke, "pdu_service": names.CONFIRMED[asked or service or 0], "result": outcome}
        yield Made("bacnet_device_control", frame.origin, fields | present(result_code=_result(message, kind)))


def _header(link: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    function = first_number(link, "bvlc.function")
    kind = first_number(message, "bacapp.type")
    result = first_number(link, "bvlc.result")
    code = _result(message, kind)
    if result is not None:
        code = names.BVLC_RESULTS.get(result, f"Unknown BVLC Result Code-0x{result:02x}")
    return present(
        bvlc_function=None
        if function is None
        else names.BVLC_FUNCTIONS.get(function, f"Unknown BVLC Function Code-0x{function:02x}"),
        pdu_type=None if kind is None else names.APDU_TYPES.get(kind, f"Unknown APDU Type-0x{kind:02x}"),
        pdu_service=_service(message),
        invoke_id=first_number(message, "bacapp.invoke_id"),
        result_code=code,
    )


def _service(message: dict[str, Any]) -> str | None:
    confirmed = first_number(message, "bacapp.confirmed_service")
    if confirmed is not None:
        return names.CONFIRMED.get(confirmed, f"Unknown Service Choice-0x{confirmed:02x}")
    unconfirmed = first_number(message, "bacapp.unconfirmed_service")
    if unconfirmed is None:
        return None
    return names.UNCONFIRMED.get(unconfirmed, f"Unknown Service Choice-0x{unconfirmed:02x}")


def _result(message: dict[str, Any], kind: int | None) -> str | None:
    if kind == _ERROR and (code := first_number(message, "bacapp.error_code")) is not None:
        return names.ERRORS.get(code, f"Unknown Error Code-0x{code:02x}")
    if kind == _REJECT and (code := first_number(message, "bacapp.reject_reason")) is not None:
        return names.REJECTS.get(code, f"Unknown Reject Reason-0x{code:02x}")
    if kind == _ABORT and (code := first_number(message, "bacapp.abort_reason")) is not None:
        return names.ABORTS.get(code, f"Unknown Abort Reason-0x{code:02x}")
    return None


def _discovery(frame: Frame, message: dict[str, Any]) -> Iterator[Made]:
    service = first_number(message, "bacapp.unconfirmed_service")
    if service not in (_I_AM, _I_HAVE, _WHO_HAS, _WHO_IS):
        return
    fields: dict[str, Any] = {"pdu_service": names.UNCONFIRMED[service].replace("_", "-")}
    objects = _objects(message)
    if objects and service != _WHO_IS:
        fields |= objects[-1]
    if service == _I_HAVE and len(objects) > 1:
        fields |= {"device_id_type": objects[0]["object_type"], "device_id_number": objects[0]["instance_number"]}
    if service in (_WHO_HAS, _WHO_IS):
        low, high = (first_number(message, f"bacapp.who_is.{side}_limit") for side in ("low", "high"))
        fields["range"] = "All" if low is None else f"{low}-{high}"
    if service in (_WHO_HAS, _I_HAVE):
        fields["object_name"] = first_text(message, "bacapp.object_name") or _label(message, _OBJECT_NAME) or "N/A"
    fields |= present(vendor_id=first_number(message, "bacapp.vendor_identifier"))
    yield Made("bacnet_discovery", frame.origin, fields)


def _objects(tree: object) -> list[dict[str, Any]]:
    """Return the objects that a tree names, in order."""
    numbers = all_numbers(tree, "bacapp.instance_number")
    return [
        {"object_type": names.OBJECTS.get(kind, f"Unknown Object Type-0x{kind:02x}"), "instance_number": number}
        for kind, number in zip(all_numbers(tree, "bacapp.objectType"), numbers, strict=False)
    ]


def _properties(frame: Frame, message: dict[str, Any], kind: int) -> Iterator[Made]:
    """Yield an event for each property that is read or written."""
    service = _PROPERTY_SERVICES.get((kind, first_number(message, "bacapp.confirmed_service") or 0))
    if service is None:
        return
    lists = [part for name in _LISTS for part in nodes(message.get(name))]
    objects = _objects({key: item for key, item in message.items() if key not in _LISTS})
    common = present(invoke_id=first_number(message, "bacapp.invoke_id"), pdu_service=service)
    common |= present(priority=_label_number(message, _PRIORITY), array_index=_label_number(message, _INDEX))
    for at, one in enumerate(objects):
        part = lists[at] if at < len(lists) else message
        found = all_numbers(part, "bacapp.property_identifier")
        values = [item for key, item in walk(part) if key.startswith(_VALUE) and isinstance(item, str)]
        for place, number in enumerate(found):
            value = values[place] if len(values) == len(found) else None
            name = names.PROPERTIES.get(number, f"Vendor Specific ({number})")
            yield Made("bacnet_property", frame.origin, common | one | present(property=name, value=value))


def _control(message: dict[str, Any], service: int, invoke: int) -> dict[str, Any]:
    state = _label(message, _STATE)
    return present(
        invoke_id=invoke,
        pdu_service=names.CONFIRMED[service],
        time_duration=_label_number(message, _DURATION),
        device_state=None if state is None else state.lower(),
        password=_label(message, _PASSWORD),
    )


def _label(tree: object, form: re.Pattern[str]) -> str | None:
    """Return what a label tells."""
    return next((found[1] for key, _ in walk(tree) if (found := form.match(key))), None)


def _label_number(tree: object, form: re.Pattern[str]) -> int | None:
    text = _label(tree, form)
    return None if text is None else int(text)


__all__ = ["Bacnet"]
