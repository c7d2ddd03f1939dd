"""What every test has: caches and added packs of its own, and settings of Hypothesis that do not depend on the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from postgresql import new_database
from tocsin.kernels import store
from tocsin.runs.readers import ENVIRONMENT, compile_kernels

settings.register_profile(
    "tocsin",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
settings.register_profile("long", settings.get_profile("tocsin"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tocsin"))


KERNELS = store.folder().parent
"""Where kernels that were compiled stay from run to run, chosen before any test has a cache of its own."""


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the user's caches and packs out of the tests, and the tests out of them."""
    folder = tmp_path_factory.mktemp("xdg")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    if os.environ.get(ENVIRONMENT) == "fast" and KERNELS.is_dir():  # no program that a test starts compiles them again
        folder.joinpath("cache", "tocsin").mkdir(parents=True)
        folder.joinpath("cache", "tocsin", "kernels").symlink_to(KERNELS)
    return folder


@pytest.fixture(scope="module", params=("slow", "fast"))
def reader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let scans read by the slow readers, then once more by the fast ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENVIRONMENT, request.param)
        if request.param == "fast":
            compile_kernels()
        yield request.param


@pytest.fixture(params=("sqlite", "postgresql"))
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Give the keys of a node's file that name its database: none for SQLite, then an empty one of PostgreSQL."""
    if request.param == "sqlite":
        yield {}
        return
    with new_database() as url:
        yield {"database": url}
