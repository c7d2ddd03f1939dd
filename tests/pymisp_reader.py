"""What PyMISP makes of the folder of a feed, as JSON: run by the Python of an environment that has it.

`make .venv-pymisp/installed` installs it in an environment of its own; TOCSIN_TEST_PYMISP names another Python that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PYTHON = Path(os.environ.get("TOCSIN_TEST_PYMISP", Path(__file__).resolve().parents[1] / ".venv-pymisp" / "bin" / "python"))


def read_by_pymisp(folder: Path) -> dict[str, Any]:
    """Return what PyMISP reads of a feed: for each event its attributes, the hashes and the manifest that it would write."""
    import pytest

    if not PYTHON.is_file():
        reason = f"{PYTHON} is not there: make .venv-pymisp/installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([PYTHON, __file__, folder], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _read(folder: Path) -> dict[str, Any]:
    from pymisp import MISPEvent

    found = {}
    for name in json.loads((folder / "manifest.json").read_text()):
        event = MISPEvent()
        event.load_file(str(folder / f"{name}.json"), validate=True)
        attributes = [[item.type, item.value, item.to_ids, [tag.name for tag in item.tags]] for item in event.attributes]
        manifest = json.loads(json.dumps(event.manifest, default=str))[name]
        manifest["Tag"] = [{"name": tag["name"]} for tag in manifest["Tag"]]
        found[name] = {"attributes": attributes, "hashes": event.attributes_hashes("md5"), "manifest": manifest}
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_read(Path(sys.argv[1]))))
