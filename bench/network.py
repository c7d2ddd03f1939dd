"""Inputs of the rows for network sensors: real Zeek logs repeated, and EVE lines made from the same connections."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

ARCHIVE = "metasploit_sharpdump_lsass_memory_dump_zeek_logs.zip"

PARSE_ZEEK = """
import sys
KINDS = {"count": int, "int": int, "port": int, "double": float, "interval": float, "bool": "T".__eq__}
n = 0
for path in sys.stdin.read().splitlines():
    names, kinds = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                first, *rest = line.rstrip("\\n").split("\\t")
                if first == "#fields":
                    names = rest
                elif first == "#types":
                    kinds = [KINDS.get(kind, str) for kind in rest]
                continue
            texts = line.rstrip("\\n").split("\\t")
            row = {name: kind(text) for name, kind, text in zip(names, kinds, texts) if text != "-"}
            n += 1
print(n)
"""


def zeek_logs(data: Path, work: Path, wanted_mb: int) -> list[Path]:
    """Return real logs, repeated together to at least a size: half connections, half names."""
    archive = zipfile.ZipFile(data / "otrf" / ARCHIVE)
    found = []
    for name in ("conn", "dns"):
        target = work / f"zeek-{wanted_mb}" / f"{name}.log"
        found.append(target)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        text = archive.read(f"{name}.log")
        part = target.with_suffix(".part")
        with part.open("wb") as file:
            while file.tell() < wanted_mb * 500_000:
                file.write(text)
        part.rename(target)
    return found


def eve_lines(data: Path, work: Path, wanted_mb: int) -> Path:
    """Return a file of EVE lines as Suricata would write them of the same traffic, repeated to at least a size."""
    target = work / f"eve-{wanted_mb}.json"
    if target.exists():
        return target
    archive = zipfile.ZipFile(data / "otrf" / ARCHIVE)
    lines = [*_lines(archive, "conn", _flow), *_lines(archive, "dns", _dns)]
    text = "".join(sorted(lines)).encode()  # each begins with its time
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        while file.tell() < wanted_mb * 1_000_000:
            file.write(text)
    part.rename(target)
    return target


def _lines(archive: zipfile.ZipFile, log: str, made: Callable[[dict[str, str]], dict]) -> Iterator[str]:
    names: list[str] = []
    for line in archive.read(f"{log}.log").decode().splitlines():
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif not line.startswith("#"):
            row = dict(zip(names, line.split("\t"), strict=True))
            yield json.dumps(_head(row, log) | made(row), separators=(",", ":")) + "\n"


def _head(row: dict[str, str], log: str) -> dict:
    """Return what all event types have in common."""
    moment = datetime.fromtimestamp(float(row["ts"]), UTC)
    return {
        "timestamp": f"{moment:%Y-%m-%dT%H:%M:%S.%f}+0000",
        "flow_id": int.from_bytes(row["uid"].encode()[-6:], "big"),
        "in_iface": "eth1",
        "event_type": "flow" if log == "conn" else "dns",
        "src_ip": row["id.orig_h"],
        "src_port": int(row["id.orig_p"]),
        "dest_ip": row["id.resp_h"],
        "dest_port": int(row["id.resp_p"]),
        "proto": row["proto"].upper(),
    }


def _count(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _flow(row: dict[str, str]) -> dict:
    duration = float(row["duration"]) if row["duration"] != "-" else 0.0
    end = datetime.fromtimestamp(float(row["ts"]) + duration, UTC)
    app = {} if row["service"] == "-" else {"app_proto": row["service"].replace("ssl", "tls")}
    return app | {
        "flow": {
            "pkts_toserver": _count(row["orig_pkts"]),
            "pkts_toclient": _count(row["resp_pkts"]),
            "bytes_toserver": _count(row["orig_ip_bytes"]),
            "bytes_toclient": _count(row["resp_ip_bytes"]),
            "start": f"{datetime.fromtimestamp(float(row['ts']), UTC):%Y-%m-%dT%H:%M:%S.%f}+0000",
            "end": f"{end:%Y-%m-%dT%H:%M:%S.%f}+0000",
            "age": int(duration),
            "state": "closed" if row["conn_state"] == "SF" else "new",
            "reason": "timeout",
            "alerted": False,
        }
    }


def _dns(row: dict[str, str]) -> dict:
    name = row["query"] if row["query"] != "-" else ""
    kind = row["qtype_name"] if row["qtype_name"] != "-" else "A"
    answers = [] if row["answers"] == "-" else row["answers"].split(",")
    found = {"version": 2, "type": "answer", "id": _count(row["trans_id"]), "flags": "8180", "qr": True, "rrname": name}
    found |= {"rrtype": kind, "rcode": row["rcode_name"]}
    if answers:
        found["answers"] = [{"rrname": name, "rrtype": kind, "ttl": 60, "rdata": answer} for answer in answers]
    return {"dns": found}
