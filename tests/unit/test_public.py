"""The public names of the package."""

import tocsin


def test_public_names() -> None:
    """The package offers its version and nothing else."""
    assert tocsin.__all__ == ["__version__"]
    assert tocsin.__version__ == "0.1.0"
