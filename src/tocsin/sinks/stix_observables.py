"""STIX 2.1 cyber observables of an event, each with the id that the specification derives from its content.

Source: STIX 2.1, sections 2.9 (deterministic ids) and 6. A process has no content that could identify it, and its id must
have the form of a random UUID; it is made of the finding, so that two runs give the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from tocsin.indicators.observable_ids import observable_id, registry_key
from tocsin.sinks.observables import Observed, base_name, hashes

Object = dict[str, object]
_HASHES: Final = {"MD5": "MD5", "SHA1": "SHA-1", "SHA256": "SHA-256"}


class Scene:
    """The observables of one event; those that refer to others stand after them."""

    def __init__(self, observed: Observed, event: bytes, seed: bytes) -> None:
        self.objects: dict[str, Object] = {}
        self._observed = observed
        self._seed = seed
        self._add("artifact", {"mime_type": "application/json", "payload_bin": base64.b64encode(event).decode()}, "payload_bin")
        self._add_network()
        self._add_users()
        self._add_process()
        self._add_file(observed.get("file.path", ""), {})
        self._add_registry()

    def _add(self, kind: str, content: Object, *contributing: str) -> str:
        """Add an object and return its id, made of the contributing properties that it has."""
        told = {name: content[name] for name in contributing if name in content}
        return self._put(kind, observable_id(kind, told), content)

    def _put(self, kind: str, object_id: str, content: Object) -> str:
        self.objects[object_id] = {"type": kind, "spec_version": "2.1", "id": object_id, **content}
        return object_id

    def _add_network(self) -> None:
        ends: Object = {}
        for side in ("src", "dst"):
            if ip := self._observed.get(f"{side}.ip"):
                ends[f"{side}_ref"] = self._add("ipv6-addr" if ":" in ip else "ipv4-addr", {"value": ip}, "value")
                if port := self._observed.get(f"{side}.port"):
                    ends[f"{side}_port"] = int(port)
        for kind in ("dst.host", "query"):
            if name := self._observed.get(kind):
                self._add("domain-name", {"value": name}, "value")
        if "src_ref" in ends and "dst_ref" in ends:
            layer = "ipv6" if ":" in self._observed["dst.ip"] else "ipv4"
            ends["protocols"] = [layer, *([self._observed["proto"]] if "proto" in self._observed else [])]
            self._add("network-traffic", ends, "src_ref", "dst_ref", "src_port", "dst_port", "protocols")

    def _add_users(self) -> None:
        domain = self._observed.get("domain", "")
        if user := self._observed.get("user"):
            login = f"{domain}\\{user}" if domain and "\\" not in user else user
            self._add("user-account", {"account_login": login}, "account_login")
        if target := self._observed.get("target.user"):
            self._add("user-account", {"account_login": target}, "account_login")

    def _add_process(self) -> None:
        process = self._process("process", hashes(self._observed))
        parent = self._process("parent", {})
        if parent:
            process["parent_ref"] = self._put("process", self._process_id("parent"), parent)
        if process:
            self._put("process", self._process_id("process"), process)

    def _process(self, who: str, digests: Mapping[str, str]) -> Object:
        process: Object = {}
        if pid := self._observed.get(f"{who}.pid"):
            process["pid"] = int(pid)
        if command := self._observed.get(f"{who}.command"):
            process["command_line"] = command
        if image := self._add_file(self._observed.get(f"{who}.path", ""), digests):
            process["image_ref"] = image
        return process

    def _process_id(self, who: str) -> str:
        digest = hashlib.blake2b(self._seed, digest_size=16, person=who.encode()).digest()
        return f"process--{UUID(bytes=digest, version=4)}"

    def _add_file(self, path: str, digests: Mapping[str, str]) -> str:
        """Add the file of a path and its folder; return the file's id, empty without one."""
        if not path:
            return ""
        name = base_name(path)
        file: Object = {"name": name}
        folder = path[: -len(name)].rstrip("\\/") if path.endswith(name) else ""
        if folder:
            file["parent_directory_ref"] = self._add("directory", {"path": folder}, "path")
        if not digests:
            return self._add("file", file, "name", "parent_directory_ref")
        known = {_HASHES[algorithm]: digits for algorithm, digits in digests.items()}
        first = next(algorithm for algorithm in _HASHES.values() if algorithm in known)
        told = {**file, "hashes": {first: known[first]}}
        return self._put("file", observable_id("file", told), {**file, "hashes": known})

    def _add_registry(self) -> None:
        if key := self._observed.get("registry.key"):
            self._add("windows-registry-key", {"key": registry_key(key)}, "key")


__all__ = ["Object", "Scene"]
