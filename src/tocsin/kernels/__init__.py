"""Compiled kernels: from bytes to coded columns. See `docs/extending/kernels.md`."""
