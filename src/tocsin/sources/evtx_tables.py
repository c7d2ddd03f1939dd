"""Everything that is known of templates, in the arrays that `kernels.evtx` reads."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tocsin.kernels import evtx_work as kernels
from tocsin.kernels.evtx_forms import fold
from tocsin.kernels.simd import new_seed
from tocsin.sources.evtx_templates import Names, Template, understand

CONSTANT_BYTES: Final = 4 * kernels.CHUNK
"""Bytes at the start of a block's data that hold the constants of templates."""
MOST_TEMPLATES: Final = 1 << 14
MOST_WORDS: Final = 1 << 22


Form = npt.NDArray[np.uint64]


def _longer(array: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.generic]:
    """Return an array with room for so many elements; the same one when it has."""
    if size <= len(array):
        return array
    grown = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


class TemplateTables:
    """Templates by number, in the order in which they were met. `texts`: the constants of each, folded."""

    def __init__(self, names: Names, constants: npt.NDArray[np.uint8]) -> None:
        self._names = names
        self._constants = constants
        self._constant_at: dict[str, tuple[int, int]] = {}
        self._constant_bytes = 0
        self._words = 0
        self._count = 0
        self._uses = 0
        self._constant_count = 0
        self.texts: list[str] = []
        self.arrays = kernels.Templates(
            seed=new_seed(),
            table=np.zeros(1024, np.int32),
            store=np.zeros(1 << 13, np.uint64),
            store_at=np.zeros(256, np.int64),
            store_size=np.zeros(256, np.int32),
            role=np.zeros(256, np.uint8),
            layout=np.zeros(256, np.uint8),
            nested_slot=np.full(256, -1, np.int32),
            nested_role=np.zeros(256, np.uint8),
            array_slot=np.full(256, -1, np.int32),
            use_end=np.zeros(256, np.int32),
            uses=np.zeros((1024, 4), np.int32),
            constant_end=np.zeros(256, np.int32),
            constants=np.zeros((256, 3), np.int32),
        )

    def add(self, form: Form) -> bool:
        """Understand a template by its form and keep it; return whether there was room for it."""
        if self._count >= MOST_TEMPLATES or self._words + len(form) > MOST_WORDS:
            return False
        template = understand(form.tobytes(), self._names)
        placed = [(name, *self._place(text)) for name, text in template.constants]
        if any(at < 0 for _, at, _ in placed):
            template, placed = Template(), []
        self._write(form, template, placed)
        self.texts.append("\n".join(template.texts).casefold())
        self._enter(form)
        return True

    def _place(self, text: str) -> tuple[int, int]:
        """Return place and size of a constant in the block's data; a negative place when there is no room."""
        found = self._constant_at.get(text)
        if found is None:
            raw = text.encode("utf-16-le")
            if self._constant_bytes + len(raw) > CONSTANT_BYTES:
                return -1, 0
            found = self._constant_at[text] = (self._constant_bytes, len(raw))
            self._constants[found[0] : found[0] + found[1]] = np.frombuffer(raw, np.uint8)
            self._constant_bytes += len(raw)
        return found

    def _write(self, form: Form, template: Template, placed: list[tuple[int, int, int]]) -> None:
        number, uses, constants = self._count, self._uses, self._constant_count
        self._make_room(len(form), len(template.uses), len(placed))
        arrays = self.arrays
        arrays.store[self._words : self._words + len(form)] = form
        arrays.store_at[number] = self._words
        arrays.store_size[number] = len(form)
        arrays.role[number] = template.role
        arrays.layout[number] = template.layout
        arrays.nested_slot[number] = template.nested_slot
        arrays.nested_role[number] = template.nested_role
        arrays.array_slot[number] = template.array_slot
        if template.uses:
            arrays.uses[uses : uses + len(template.uses)] = template.uses
        if placed:
            arrays.constants[constants : constants + len(placed)] = placed
        self._uses = uses + len(template.uses)
        self._constant_count = constants + len(placed)
        arrays.use_end[number] = self._uses
        arrays.constant_end[number] = self._constant_count
        self._words += len(form)
        self._count += 1

    def _make_room(self, form: int, uses: int, constants: int) -> None:
        sizes = {"store": self._words + form, "uses": self._uses + uses, "constants": self._constant_count + constants}
        arrays: dict[str, Any] = {
            name: _longer(array, sizes.get(name, self._count + 1))
            for name, array in self.arrays._asdict().items()
            if name not in ("seed", "table")
        }
        self.arrays = self.arrays._replace(**arrays)

    def _enter(self, form: Form) -> None:
        """Enter the newest template in the hash table; make that larger first when it is half full."""
        if 2 * self._count > len(self.arrays.table):
            self.arrays = self.arrays._replace(table=np.zeros(4 * len(self.arrays.table), np.int32))
            for number in range(self._count - 1):
                at = int(self.arrays.store_at[number])
                self._insert(number, self.arrays.store[at : at + int(self.arrays.store_size[number])])
        self._insert(self._count - 1, form)

    def _insert(self, number: int, form: Form) -> None:
        table = self.arrays.table
        place = fold(form, len(form), self.arrays.seed) & (len(table) - 1)
        while table[place]:
            place = (place + 1) & (len(table) - 1)
        table[place] = number + 1


__all__ = ["CONSTANT_BYTES", "TemplateTables"]
