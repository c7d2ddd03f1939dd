"""The strict and slow check of objects: by the validator of OASIS, which knows vocabularies and patterns too."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tocsin.errors import UsageError
from tocsin.feeds.interface import Incoming, Rejected

_SHOWN: Final = 300


def strictly(items: Iterable[Incoming | Rejected]) -> Iterator[Incoming | Rejected]:
    """Yield what the validator takes too, and refuse the rest; objects of STIX 2.0 are left to it as such.

    Cost: some 5 to 15 ms an object. Raises: UsageError X005 when the validator is not installed.
    """
    validator = _validator()
    options = {spec: validator.ValidationOptions(version=spec) for spec in ("2.0", "2.1")}
    for item in items:
        faults = _faults(validator, item, options[item.spec_version]) if isinstance(item, Incoming) else []
        if isinstance(item, Incoming) and faults:
            yield Rejected(item.place, "X015", faults[0][:_SHOWN], item.id)
        else:
            yield item


def _validator() -> Any:
    """Return the package; it is not one that Tocsin needs, and so it is looked for only here."""
    try:
        return importlib.import_module("stix2validator")
    except ImportError as error:
        hint = "pip install stix2-validator"
        raise UsageError("X005", "the strict check needs stix2-validator, which is not installed", hint=hint) from error


def _faults(validator: Any, item: Incoming, options: Any) -> list[str]:
    result = validator.validate_instance(msgspec.json.decode(item.body), options)
    return [str(error).removeprefix(f"{item.id}: ") for error in result.errors or ()]


__all__ = ["strictly"]
