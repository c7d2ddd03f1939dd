"""What a server answers: one shape of errors, media types, moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

TAXII: Final = "application/taxii+json;version=2.1"
RECEIPT: Final = "X-Tocsin-Receipt"
"""The hash of the leaf that the record has for what was taken or given; `/record/receipts/HASH` proves that it is in there."""
_ACCEPTED: Final = {("*", "*"), ("application", "*"), ("application", "taxii+json")}


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request that is answered with an error: a status of HTTP, a code of ours, and what to do."""

    def __init__(
        self, status: int, code: str, title: str, description: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.description = description
        self.headers = dict(headers or {})


def refusal_answer(refusal: Refusal) -> Response:
    """Return an error as TAXII 2.1 wants it (section 3.6.1)."""
    body = {"title": refusal.title, "error_code": refusal.code, "http_status": str(refusal.status)}
    if refusal.description:
        body["description"] = refusal.description
    return taxii_answer(body, refusal.status, refusal.headers)


def taxii_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer of TAXII; `body` is encoded unless it is bytes already."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(content, status, {"Content-Type": TAXII, **(headers or {})})


def check_accepts(header: str | None) -> None:
    """Refuse with 406 unless the `Accept` header takes TAXII 2.1. No header takes all."""
    if header is None or not header.strip() or any(_accepts(item) for item in header.split(",")):
        return
    raise Refusal(406, "N010", "the media types of Accept cannot be served", f"this server speaks {TAXII}")


def check_content_type(header: str | None) -> None:
    """Refuse with 415 unless a body is said to be of TAXII 2.1."""
    kind, parameters = _media_type(header or "")
    if kind != ("application", "taxii+json") or parameters.get("version", "2.1") != "2.1":
        raise Refusal(415, "N011", "the Content-Type is not supported", f"send {TAXII}")


def _accepts(item: str) -> bool:
    kind, parameters = _media_type(item)
    try:
        wanted = float(parameters.get("q", "1")) > 0
    except ValueError:
        return False
    return wanted and kind in _ACCEPTED and (kind[1] == "*" or parameters.get("version", "2.1") == "2.1")


def _media_type(text: str) -> tuple[tuple[str, str], dict[str, str]]:
    """Return type and subtype, and the parameters, of a media type or range."""
    name, *rest = (part.strip().lower() for part in text.split(";"))
    kind, _, subtype = name.partition("/")
    parameters = dict(part.split("=", 1) for part in rest if "=" in part)
    return (kind, subtype), {key.strip(): value.strip().strip('"') for key, value in parameters.items()}


__all__ = ["RECEIPT", "TAXII", "Refusal", "check_accepts", "check_content_type", "refusal_answer", "taxii_answer"]
