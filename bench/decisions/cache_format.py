"""Get a compiled rule corpus back: msgpack, pickle, or compiled again, in CPU time. usage: cache_format.py SIGMA_FOLDER."""

from __future__ import annotations

import gc
import pickle
import sys
import tempfile
from pathlib import Path

import msgspec
from measure import cpu_s

from tocsin.runs.cache import RuleCache, digest_of
from tocsin.runs.ruleset import RuleSet, load_rules, read_rule_files


def main() -> None:
    """Measure and print."""
    folders = sorted(Path(sys.argv[1]).glob("rules*"))
    files = cpu_s("read the rule files", lambda: read_rule_files(folders))
    found = cpu_s("compile", lambda: load_rules(files, {}), 2)
    packed = msgspec.msgpack.encode(found)
    pickled = pickle.dumps(found, pickle.HIGHEST_PROTOCOL)
    print(f"{len(found.plans)} plans; msgpack {len(packed)} bytes, pickle {len(pickled)} bytes")
    cpu_s("digest of the rule files", lambda: digest_of(((file.label, file.text) for file in files), {}))
    gc.disable()  # as the cache does while it decodes
    again = cpu_s("msgpack", lambda: msgspec.msgpack.decode(packed, type=RuleSet))
    other = cpu_s("pickle", lambda: pickle.loads(pickled))
    gc.enable()
    cpu_s("msgpack, with the garbage collector", lambda: msgspec.msgpack.decode(packed, type=RuleSet))
    print("the same:", again == found, other == found)
    with tempfile.TemporaryDirectory() as folder:
        cache = RuleCache(Path(folder))
        cache.save("key", found)
        cpu_s("the cache: read, check and decode", lambda: cache.load("key", RuleSet))


if __name__ == "__main__":
    main()
