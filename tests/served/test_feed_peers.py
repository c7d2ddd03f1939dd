"""MISP feeds that a node is subscribed to: only what changed is fetched, and what does not fit the manifest is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from node_samples import NODE_FILE, Clock, World, opened
from shared_data import shared
from tocsin.feeds.interface import Incoming, Terms
from tocsin.feeds.misp_feed import HASHES, MANIFEST, write_feed
from tocsin.feeds.misp_out import Publisher
from tocsin.feeds.read import read_package
from tocsin.runs.node_file import read_node_file
from tocsin.runs.sync import Synced, sync_peer
from tocsin.sharing.markings import Tlp

TERMS = Terms({}, Tlp.AMBER)


class Feed:
    """A feed of two real events that is served, and a node that is subscribed to it."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder = folder
        self.world = world
        self.asked: list[str] = []

    def sync(self) -> Synced:
        """Take in what changed; what was asked for is in `asked` then."""
        self.asked.clear()
        return sync_peer(self.world.node, "feed")

    @property
    def names(self) -> list[str]:
        """Return the UUIDs of the events."""
        return sorted(path.stem for path in self.folder.glob("*-*.json"))

    def change(self, file: str, key: str, **values: Any) -> None:
        """Change a part of a file of the feed."""
        content = json.loads((self.folder / file).read_text())
        content[key].update(values)
        (self.folder / file).write_text(json.dumps(content))


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    """Give a feed, and a node that has taken it in once."""
    paths = sorted(shared("misp").glob("*.json"))[:2]
    items = [item for path in paths for item in read_package(path, path.name, TERMS) if isinstance(item, Incoming)]
    write_feed(items, tmp_path / "feed", Publisher("CERT", "0b7a1c1e-0000-4000-8000-000000000001"))
    with opened(tmp_path / "node", clock=Clock(time.time_ns() // 1000)) as world:
        found = Feed(tmp_path / "feed", world)

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Note what was asked for."""
                found.asked.append(self.path)

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(found.folder)))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with (world.folder / NODE_FILE).open("a") as file:
            settings = "kind: misp-feed, organisation: water-cert, local: indicators, allow: [127.0.0.1]"
            file.write(f'peers:\n  feed: {{{settings}, url: "http://127.0.0.1:{server.server_port}/"}}\n')
        world.node.file = read_node_file(world.folder / NODE_FILE)
        yield found
        server.shutdown()
        server.server_close()
        thread.join()


def test_only_what_changed_is_fetched(feed: Feed) -> None:
    """All events come in once; then the manifest alone is asked for, until an event is another there."""
    first = feed.sync()
    assert (first.fault, first.came.known, feed.asked) == ("", 0, ["/manifest.json", "/hashes.csv", *files(feed.names)])
    assert first.came.taken > 50
    again = feed.sync()
    assert (again.fault, again.came.read, feed.asked) == ("", 0, ["/manifest.json"])
    name = feed.names[0]
    feed.change(MANIFEST, name, timestamp="1893456000")
    feed.change(f"{name}.json", "Event", timestamp="1893456000")
    changed = feed.sync()
    assert feed.asked == ["/manifest.json", "/hashes.csv", *files([name])]
    assert 0 < changed.came.taken < first.came.taken


def files(names: list[str]) -> list[str]:
    """Return the paths of events."""
    return [f"/{name}.json" for name in names]


def test_a_tag_of_the_manifest_narrows(feed: Feed) -> None:
    """A tag that only the manifest has reaches all that comes of its event, and nothing of the other."""
    feed.change(MANIFEST, feed.names[0], Tag=[{"name": "tlp:red"}])
    taken = feed.sync().came.taken
    given = feed.world.ids("riverdale-water", "indicators")
    assert 0 < len(given) < taken
    assert [item.partition("--")[0] for item in given].count("report") == 1
    assert len(feed.world.ids("water-cert", "indicators", **{"match[type]": "report"})) == 2


def test_what_does_not_fit_is_told(feed: Feed) -> None:
    """An event that is missing, or another, is refused and asked for again; values that no hash is of are told."""
    one, two = feed.names
    (feed.folder / f"{one}.json").rename(feed.folder / "kept")
    (feed.folder / HASHES).write_text("")
    done = feed.sync()
    assert (done.fault, done.came.why[0]) == ("", f"refused event {one}: it is in the manifest, and not in the feed")
    assert any("hashes.csv lacks values" in why for why in done.came.why)
    (feed.folder / f"{one}.json").write_text((feed.folder / f"{two}.json").read_text())
    assert any("another than the manifest says" in why for why in feed.sync().came.why)
    assert feed.asked[2:] == files([one])
    (feed.folder / "kept").rename(feed.folder / f"{one}.json")
    assert feed.sync().came.taken > 0
    assert feed.sync().came.read == 0


def test_names_in_the_manifest_are_no_paths(feed: Feed) -> None:
    """A name that is no UUID is not asked for."""
    (feed.folder / MANIFEST).write_text(json.dumps({"../../etc/passwd": {}, "x?y=": {}}))
    done = feed.sync()
    assert (done.came.refused, feed.asked) == (2, ["/manifest.json", "/hashes.csv"])


def test_what_is_no_manifest(feed: Feed) -> None:
    """A page in place of the manifest is a fault, and nothing changes."""
    (feed.folder / MANIFEST).write_text("<html>")
    assert feed.sync().fault.endswith("[N067]")
    (feed.folder / MANIFEST).unlink()
    assert feed.sync().fault.endswith("[N066]")
