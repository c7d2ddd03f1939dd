"""The bars of a sharing node, measured over HTTP: ingest, pages, polls, a full read, memory.

usage: python bench/sharing.py [--objects N] [--recipients N] [--database URL]

A generator makes the indicators; the node is `tocsin serve` in a process of its own, with a rulebook in which every recipient
is given something else. Each row has its bar beside it; nothing is asserted. The node is made anew under `.bench/` each time.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from tocsin.runs.adoption import adopt
from tocsin.runs.new_node import init_node
from tocsin.runs.node import NODE_FILE, RULEBOOK, issue_token, open_node
from tocsin.sharing.decisions import Caller
from tocsin.sharing.markings import PAP_2, TLP_2, Pap, Tlp
from tocsin.stores.tokens import Role, Terms

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".bench"
TAXII = "application/taxii+json;version=2.1"
OBJECTS = "/taxii2/api/collections/indicators/objects/"
TEAMS = [f"marking-definition--{UUID(int=(4 << 76) | (2 << 62) | (9 << 40) | number)}" for number in range(8)]
SHARES = {Tlp.CLEAR: 20, Tlp.GREEN: 35, Tlp.AMBER: 25, Tlp.AMBER_STRICT: 15, Tlp.RED: 5}
BATCH = 5_000
IDLE_S = 10
"""After so long a client connects anew: the server lets go of connections that are idle."""
SERVE = "from tocsin.cli.entry import run; run()"


def indicators(count: int) -> Iterator[bytes]:
    """Yield indicators as their JSON: addresses, domains, hashes, with markings as a community has them."""
    dice = random.Random(1)
    levels = dice.choices(list(SHARES), list(SHARES.values()), k=4096)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(count):
        refs = [TLP_2[levels[number % 4096]]]
        refs += [PAP_2[Pap.AMBER]] if number % 10 == 3 else []
        refs += [TEAMS[number // 20 % len(TEAMS)]] if number % 20 == 7 else []
        moment = (start + timedelta(seconds=number)).isoformat().replace("+00:00", ".000Z")
        made = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{UUID(int=(4 << 76) | (2 << 62) | number)}",
            "created": moment,
            "modified": moment,
            "name": f"indicator {number}",
            "indicator_types": ["malicious-activity"],
            "pattern": _pattern(number),
            "pattern_type": "stix",
            "valid_from": moment,
            "confidence": number % 101,
            "object_marking_refs": refs,
        }
        yield json.dumps(made, separators=(",", ":")).encode()


def _pattern(number: int) -> str:
    if number % 3 == 0:
        return f"[ipv4-addr:value = '10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}']"
    if number % 3 == 1:
        return f"[domain-name:value = 'host-{number}.example']"
    return f"[file:hashes.'SHA-256' = '{number:064x}']"


def rulebook(recipients: int) -> str:
    """Return a rulebook in which no two recipients are given the same."""
    names = [f"org-{number:02d}" for number in range(recipients)]
    organisations = {"operator": {"name": "Operator", "relations": [{"member_of": "community"}]}}
    organisations |= {name: {"name": name, "relations": [{"member_of": "community"}]} for name in names}
    teams = {f"team-{at}": {"members": names[at :: len(TEAMS)] or names} for at in range(len(TEAMS))}
    markings = {ref: {"name": f"Team {at}", "means": "TLP:AMBER", "only": [f"team-{at}"]} for at, ref in enumerate(TEAMS)}
    rules: list[dict] = [
        {"id": "operator", "may": "write", "to": ["operator"], "collections": ["indicators"]},
        {"id": "members", "to": ["community"], "collections": ["indicators"], "up_to": "TLP:GREEN"},
    ]
    levels = ["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
    for at, name in enumerate(names):
        rule = {"id": f"to-{name}", "to": [name], "collections": ["indicators"], "up_to": levels[at % 5]}
        rules.append({**rule, "purposes": ["detect"]} if at % 2 else rule)
    found = {"community": "Bench", "operator": "operator", "organisations": organisations, "groups": teams}
    purposes = {"detect": {"pap": "PAP:RED"}}
    return json.dumps({**found, "markings": {"unmarked": "TLP:AMBER", **markings}, "purposes": purposes, "rules": rules})


@dataclass
class Client:
    """One connection that is kept, for one token. `waited` are the seconds that the node told it to wait."""

    address: str
    token: str
    _connection: http.client.HTTPConnection | None = None
    waited: int = 0
    _used: float = 0.0

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[http.client.HTTPResponse, bytes, float]:
        """Return an answer, its body, and how long it took in milliseconds."""
        if time.monotonic() - self._used > IDLE_S or self._connection is None:
            self._connection = http.client.HTTPConnection(self.address, timeout=600)
        headers = {"Authorization": f"Bearer {self.token}", "Accept": TAXII}
        headers |= {"Content-Type": TAXII} if body is not None else {}
        begun = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - begun) * 1000
        self._used = time.monotonic()
        if answer.status == 429:
            seconds = int(answer.headers["Retry-After"])
            self.waited += seconds
            time.sleep(seconds)
            return self.ask(method, path, body)
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return answer, content, took


@dataclass
class Times:
    """How long answers took, in milliseconds."""

    found: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        """Return the time below which a share of the answers took."""
        return sorted(self.found)[min(len(self.found) - 1, int(len(self.found) * share))]

    def __str__(self) -> str:
        """Return the figures that matter."""
        return f"p50 {self.at(0.5):.1f} ms, p99 {self.at(0.99):.1f} ms, slowest {max(self.found):.1f} ms of {len(self.found):,}"


def make_node(folder: Path, recipients: int, database: str) -> dict[str, str]:
    """Make a node and return a token for each organisation."""
    shutil.rmtree(folder, ignore_errors=True)
    init_node(folder, "operator", "Operator", "Bench")
    name = next(line for line in (folder / NODE_FILE).read_text().splitlines() if line.startswith("record:"))
    more = f"database: {database}\n" if database else ""
    (folder / NODE_FILE).write_text(f"title: Bench\n{name}\n{more}collections: {{indicators: {{title: Indicators}}}}\n")
    (folder / RULEBOOK).write_text(rulebook(recipients))
    node = open_node(folder)
    try:
        adopt(node)
        terms = Terms((Role.READ, Role.WRITE), node.clock() + 86_400_000_000)
        return {each: issue_token(node, Caller(each, ("detect",)), terms) for each in node.rules.book.organisations}
    finally:
        node.close()


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """Give the address of a node and the number of its process."""
    command = [sys.executable, "-c", SERVE, "serve", str(folder), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    found = re.search("http://([0-9.:]+)", process.stderr.readline())
    if found is None:
        raise SystemExit("the node does not serve")
    try:
        yield found[1], process.pid
    finally:
        process.terminate()
        process.wait(60)


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has had, in megabytes of a million bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+([0-9]+)", text)[1]) * 1024 / 1e6  # type: ignore[index]


def ingest(client: Client, count: int) -> list[str]:
    """Send all indicators in batches; return the moments at which batches were there, for pages to begin at."""
    moments: list[str] = []
    batch: list[bytes] = []
    taken, took = 0, 0.0
    for number, made in enumerate(indicators(count), 1):
        batch.append(made)
        if len(batch) < BATCH and number < count:
            continue
        _, content, ms = client.ask("POST", OBJECTS, b'{"objects":[' + b",".join(batch) + b"]}")
        told = json.loads(content)
        taken += told["success_count"]
        took += ms / 1000
        moments.append(told["request_timestamp"])
        batch = []
    row("ingest", f"{taken:,} objects in {took:.1f} s: {taken / took:,.0f} a second", "5,000")
    return moments


def pages(clients: list[Client], moments: list[str], dice: random.Random) -> None:
    """Let every recipient read pages of 500 from anywhere, and the page that follows each."""
    first, after = Times(), Times()
    sizes = []
    for client in clients:
        for _ in range(20):
            url = f"{OBJECTS}?limit=500&added_after={quote(dice.choice(moments[: len(moments) * 9 // 10 + 1]))}"
            _, content, took = client.ask("GET", url)
            first.found.append(took)
            page = json.loads(content)
            sizes.append(len(page.get("objects", [])))
            if page.get("more"):
                after.found.append(client.ask("GET", f"{url}&next={quote(page['next'])}")[2])
    row("page of 500", f"{first}; {sum(sizes) / len(sizes):.0f} objects", "p99 60 ms")
    if after.found:
        row("the next page", f"{after}", "p99 60 ms")


def polls(clients: list[Client], writer: Client) -> None:
    """Let every recipient ask for what is new while something new comes in."""
    none, some = Times(), Times()
    last = dict.fromkeys(range(len(clients)), "")
    for turn in range(20):
        extra = b",".join(made.replace(b"indicator--0000", b"indicator--%04x" % (turn + 1)) for made in indicators(10))
        writer.ask("POST", OBJECTS, b'{"objects":[' + extra + b"]}")
        for at, client in enumerate(clients):
            since = last[at] or datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            answer, _, took = client.ask("GET", f"{OBJECTS}?added_after={quote(since)}")
            last[at] = answer.headers.get("X-TAXII-Date-Added-Last") or since
            (some if answer.headers.get("X-TAXII-Date-Added-Last") else none).found.append(took)
    both = Times(none.found + some.found)
    row("poll", f"{both}; {len(some.found):,} with something new", "p99 40 ms")


def full_read(client: Client) -> None:
    """Read everything by following pages."""
    begun, read, following = time.perf_counter(), 0, ""
    while True:
        _, content, _ = client.ask("GET", f"{OBJECTS}?limit=500{following}")
        page = json.loads(content)
        read += len(page.get("objects", []))
        if not page.get("more"):
            break
        following = f"&next={quote(page['next'])}"
    took = time.perf_counter() - begun
    row("full read", f"{read:,} objects in {took:.0f} s, of which {client.waited} s as the limits of a caller say", "300 s")


def row(name: str, text: str, bar: str) -> None:
    """Print one row."""
    print(f"{name:<14} {text} (bar {bar})", flush=True)


def main() -> None:
    """Measure all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--recipients", type=int, default=50)
    parser.add_argument("--database", default="", help="URL of PostgreSQL [default: SQLite in the node's folder]")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {commit}")
    print(f"command: python bench/sharing.py {' '.join(sys.argv[1:])}")
    folder, dice = WORK / "node", random.Random(2)
    tokens = make_node(folder, options.recipients, options.database)
    with served(folder) as (address, pid):
        writer = Client(address, tokens.pop("operator"))
        moments = ingest(writer, options.objects)
        row("memory", f"{peak_mb(pid):.0f} MB after the ingest", "500 MB")
        clients = [Client(address, token) for token in tokens.values()]
        pages(clients, moments, dice)
        polls(clients, writer)
        full_read(writer)
        row("memory", f"{peak_mb(pid):.0f} MB at most", "500 MB")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{'disk':<14} {size / 1e6:,.0f} MB for the folder of the node")


if __name__ == "__main__":
    main()
