"""The public client of Delta Sharing, in an environment of its own: it wants older packages than ours.

`make .venv-delta/installed` installs it; TOCSIN_TEST_DELTA names the Python of another environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from node_samples import ROOT

PROGRAM = Path(os.environ.get("TOCSIN_TEST_DELTA", ROOT / ".venv-delta" / "bin" / "python"))
_PREAMBLE = """\
import json, sys
import delta_sharing
profile = sys.argv[1]
url = profile + "#events.default.logons"
client = delta_sharing.SharingClient(profile)
def rows(frame):
    return json.loads(frame.to_json(orient="records", date_format="iso"))
"""


def run_client(profile: Path, *expressions: str) -> list[Any]:
    """Return what expressions are in the client, which knows `client`, `url`, `delta_sharing` and `rows`.

    Raises: subprocess.CalledProcessError when one fails.
    """
    if not PROGRAM.exists():
        reason = f"{PROGRAM} is not there: make .venv-delta/installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    script = _PREAMBLE + "".join(f"print(json.dumps({expression}, default=str))\n" for expression in expressions)
    done = subprocess.run([PROGRAM, "-c", script, profile], capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


__all__ = ["run_client"]
