"""The forms of STIX 2.1: which properties an object of each type must have, and of which type they are.

Source: STIX 2.1 (OASIS Standard, 2021), sections 3 to 7 and 10. Vocabularies and patterns are not checked here, nor what
custom properties hold. A property that is null is refused, since STIX has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

_UUID: Final = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z"
TYPE: Final = r"[a-z0-9]+(?:-[a-z0-9]+)*"
ID: Final = rf"\A{TYPE}--{_UUID}"

Id = Annotated[str, Meta(pattern=ID)]
_Identity = Annotated[str, Meta(pattern=rf"\Aidentity--{_UUID}")]
_Definition = Annotated[str, Meta(pattern=rf"\Amarking-definition--{_UUID}")]
_Observed = Annotated[str, Meta(pattern=rf"\Aobserved-data--{_UUID}")]
_Place = Annotated[str, Meta(pattern=rf"\A(?:identity|location)--{_UUID}")]
_Text = Annotated[str, Meta(min_length=1)]
_Texts = Annotated[list[str], Meta(min_length=1)]
_Ids = Annotated[list[Id], Meta(min_length=1)]
_Confidence = Annotated[int, Meta(ge=0, le=100)]
_Hashes = Annotated[dict[_Text, _Text], Meta(min_length=1)]
Json = dict[str, Any]


class Reference(Struct, gc=False):
    """An external reference (section 2.5)."""

    source_name: _Text
    description: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    external_id: str | UnsetType = UNSET
    hashes: _Hashes | UnsetType = UNSET


class Phase(Struct, gc=False):
    """A phase of a kill chain (section 2.13)."""

    kill_chain_name: _Text
    phase_name: _Text


class Granular(Struct, gc=False):
    """A granular marking (section 7.2.3): of a marking definition, or of a language."""

    selectors: _Texts
    marking_ref: _Definition = ""
    lang: str = ""


class Common(Struct, gc=False):
    """What every object has; alone it is the form of a type that STIX does not know.

    `moments` are the properties that hold a time; of `ordered` pairs, the second may not be before the first.
    """

    type: str
    id: Id
    spec_version: Literal["2.0", "2.1"] = "2.1"
    created: str | UnsetType = UNSET
    modified: str | UnsetType = UNSET
    created_by_ref: _Identity | UnsetType = UNSET
    revoked: bool = False
    labels: _Texts | UnsetType = UNSET
    confidence: _Confidence | UnsetType = UNSET
    lang: str | UnsetType = UNSET
    external_references: Annotated[list[Reference], Meta(min_length=1)] | UnsetType = UNSET
    object_marking_refs: Annotated[list[_Definition], Meta(min_length=1)] = []
    granular_markings: Annotated[list[Granular], Meta(min_length=1)] = []
    extensions: Annotated[dict[str, Json], Meta(min_length=1)] | UnsetType = UNSET
    moments: ClassVar[tuple[str, ...]] = ("created", "modified")
    ordered: ClassVar[tuple[tuple[str, str], ...]] = (("created", "modified"),)
    either: ClassVar[tuple[str, ...]] = ()


class _Domain(Common, kw_only=True, gc=False):
    """A domain object or relationship object."""

    spec_version: Literal["2.1"]
    created: str
    modified: str
    description: str | UnsetType = UNSET


class _Named(_Domain, kw_only=True, gc=False):
    name: _Text
    aliases: _Texts | UnsetType = UNSET
    kill_chain_phases: Annotated[list[Phase], Meta(min_length=1)] | UnsetType = UNSET


class _Seen(_Named, kw_only=True, gc=False):
    first_seen: str | UnsetType = UNSET
    last_seen: str | UnsetType = UNSET
    moments = (*Common.moments, "first_seen", "last_seen")
    ordered = (*Common.ordered, ("first_seen", "last_seen"))


class _Grouping(_Domain, kw_only=True, gc=False):
    name: str | UnsetType = UNSET
    context: _Text
    object_refs: _Ids


class _Indicator(_Domain, kw_only=True, gc=False):
    name: str | UnsetType = UNSET
    pattern: _Text
    pattern_type: _Text
    pattern_version: str | UnsetType = UNSET
    valid_from: str
    valid_until: str | UnsetType = UNSET
    indicator_types: _Texts | UnsetType = UNSET
    kill_chain_phases: Annotated[list[Phase], Meta(min_length=1)] | UnsetType = UNSET
    moments = (*Common.moments, "valid_from", "valid_until")
    ordered = (*Common.ordered, ("valid_from", "valid_until"))


class _Location(_Domain, kw_only=True, gc=False):
    name: str | UnsetType = UNSET
    latitude: Annotated[float, Meta(ge=-90, le=90)] | UnsetType = UNSET
    longitude: Annotated[float, Meta(ge=-180, le=180)] | UnsetType = UNSET
    region: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    either = ("region", "country", "latitude")


class _Malware(_Domain, kw_only=True, gc=False):
    name: str | UnsetType = UNSET
    is_family: bool
    malware_types: _Texts | UnsetType = UNSET
    aliases: _Texts | UnsetType = UNSET
    kill_chain_phases: Annotated[list[Phase], Meta(min_length=1)] | UnsetType = UNSET
    first_seen: str | UnsetType = UNSET
    last_seen: str | UnsetType = UNSET
    sample_refs: _Ids | UnsetType = UNSET
    operating_system_refs: _Ids | UnsetType = UNSET
    moments = (*Common.moments, "first_seen", "last_seen")
    ordered = (*Common.ordered, ("first_seen", "last_seen"))


class _Analysis(_Domain, kw_only=True, gc=False):
    product: _Text
    result: str | UnsetType = UNSET
    analysis_sco_refs: _Ids | UnsetType = UNSET
    sample_ref: Id | UnsetType = UNSET
    either = ("result", "analysis_sco_refs")


class _Note(_Domain, kw_only=True, gc=False):
    content: _Text
    object_refs: _Ids


class _Opinion(_Domain, kw_only=True, gc=False):
    opinion: _Text
    object_refs: _Ids


class _ObservedData(_Domain, kw_only=True, gc=False):
    first_observed: str
    last_observed: str
    number_observed: Annotated[int, Meta(ge=1, le=999_999_999)]
    objects: Json | UnsetType = UNSET
    object_refs: _Ids | UnsetType = UNSET
    moments = (*Common.moments, "first_observed", "last_observed")
    ordered = (*Common.ordered, ("first_observed", "last_observed"))
    either = ("objects", "object_refs")


class _Report(_Domain, kw_only=True, gc=False):
    name: _Text
    published: str
    object_refs: _Ids
    moments = (*Common.moments, "published")


class _Relationship(_Domain, kw_only=True, gc=False):
    relationship_type: _Text
    source_ref: Id
    target_ref: Id
    start_time: str | UnsetType = UNSET
    stop_time: str | UnsetType = UNSET
    moments = (*Common.moments, "start_time", "stop_time")
    ordered = (*Common.ordered, ("start_time", "stop_time"))


class _Sighting(_Domain, kw_only=True, gc=False):
    sighting_of_ref: Id
    first_seen: str | UnsetType = UNSET
    last_seen: str | UnsetType = UNSET
    count: Annotated[int, Meta(ge=0, le=999_999_999)] | UnsetType = UNSET
    observed_data_refs: Annotated[list[_Observed], Meta(min_length=1)] | UnsetType = UNSET
    where_sighted_refs: Annotated[list[_Place], Meta(min_length=1)] | UnsetType = UNSET
    summary: bool | UnsetType = UNSET
    moments = (*Common.moments, "first_seen", "last_seen")
    ordered = (*Common.ordered, ("first_seen", "last_seen"))


class _LanguageContent(_Domain, kw_only=True, gc=False):
    object_ref: Id
    contents: Annotated[dict[str, Json], Meta(min_length=1)]


class _MarkingDefinition(Common, kw_only=True, gc=False):
    spec_version: Literal["2.1"]
    created: str
    definition_type: str | UnsetType = UNSET
    definition: Json | UnsetType = UNSET
    either = ("definition", "extensions")


class _ExtensionDefinition(_Domain, kw_only=True, gc=False):
    created_by_ref: _Identity
    name: _Text
    schema: _Text
    version: _Text
    extension_types: _Texts


class _Observable(Common, kw_only=True, gc=False):
    spec_version: Literal["2.1"] = "2.1"
    defanged: bool | UnsetType = UNSET


class _Valued(_Observable, kw_only=True, gc=False):
    value: _Text


class _NamedObservable(_Observable, kw_only=True, gc=False):
    name: _Text


class _Artifact(_Observable, kw_only=True, gc=False):
    payload_bin: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    hashes: _Hashes | UnsetType = UNSET
    either = ("payload_bin", "url")


class _System(_Observable, kw_only=True, gc=False):
    number: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]


class _Directory(_Observable, kw_only=True, gc=False):
    path: _Text


class _Mail(_Observable, kw_only=True, gc=False):
    is_multipart: bool
    body: str | UnsetType = UNSET


class _File(_Observable, kw_only=True, gc=False):
    name: _Text | UnsetType = UNSET
    hashes: _Hashes | UnsetType = UNSET
    either = ("name", "hashes")


class _Traffic(_Observable, kw_only=True, gc=False):
    protocols: _Texts
    src_ref: Id | UnsetType = UNSET
    dst_ref: Id | UnsetType = UNSET
    either = ("src_ref", "dst_ref")


DOMAIN: Final[Mapping[str, type[Common]]] = {
    **dict.fromkeys(("attack-pattern", "course-of-action", "identity", "incident", "tool", "vulnerability"), _Named),
    **dict.fromkeys(("campaign", "infrastructure", "intrusion-set", "threat-actor"), _Seen),
    "grouping": _Grouping,
    "indicator": _Indicator,
    "location": _Location,
    "malware": _Malware,
    "malware-analysis": _Analysis,
    "note": _Note,
    "opinion": _Opinion,
    "observed-data": _ObservedData,
    "report": _Report,
    "relationship": _Relationship,
    "sighting": _Sighting,
    "language-content": _LanguageContent,
    "marking-definition": _MarkingDefinition,
    "extension-definition": _ExtensionDefinition,
}
"""The forms of what has versions: domain, relationship and meta objects."""
OBSERVABLE: Final[Mapping[str, type[Common]]] = {
    **dict.fromkeys(("domain-name", "email-addr", "ipv4-addr", "ipv6-addr", "mac-addr", "url"), _Valued),
    **dict.fromkeys(("mutex", "software"), _NamedObservable),
    **dict.fromkeys(("process", "user-account", "windows-registry-key", "x509-certificate"), _Observable),
    "artifact": _Artifact,
    "autonomous-system": _System,
    "directory": _Directory,
    "email-message": _Mail,
    "file": _File,
    "network-traffic": _Traffic,
}
"""The forms of cyber observables, which have no version."""

__all__ = ["DOMAIN", "ID", "OBSERVABLE", "TYPE", "Common", "Granular", "Id", "Json", "Phase", "Reference"]
