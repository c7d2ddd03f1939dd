"""The exceptions that Tocsin raises, and the codes that it prints.

::

    TocsinError
    ├── UsageError (ValueError)        U: a wrong argument or configuration file; I: a file of indicators
    │   └── SiteError                  S: a site file that has no meaning
    ├── RuleError (ValueError)         R: a rule that has no meaning; it becomes Invalid
    │   └── UnsupportedRule            R: a rule that needs what is not there; it becomes Unsupported
    ├── FieldMapError (ValueError)     R: a field map that ships with Tocsin is damaged
    ├── SourceError (OSError)          F: evidence that cannot be read, in whole or in part
    │   └── LimitError                 F: evidence that would exceed a limit, such as an archive bomb
    ├── RegexTimeout (TimeoutError)    E: a regular expression that was cut off
    └── OutputError (OSError)          O: a result that cannot be written
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

CODES: Final[dict[str, str]] = {
    "U001": "a path does not exist",
    "U002": "an option has a value that cannot be used",
    "U003": "no rule is left to evaluate",
    "U004": "a configuration file cannot be used",
    "U005": "the command line cannot be understood",
    "R001": "the file is not valid YAML",
    "R002": "the document is not a Sigma rule",
    "R003": "a required key is missing or empty",
    "R004": "a key has a value of the wrong type",
    "R005": "the rule id is not unique",
    "R010": "a selection has no name",
    "R012": "a modifier is unknown",
    "R013": "a modifier cannot be used here",
    "R014": "a value does not fit its modifier",
    "R015": "a regular expression does not compile",
    "R016": "an encoding does not end in a base64 modifier",
    "R020": "the condition cannot be parsed",
    "R021": "the condition names a selection that does not exist",
    "R022": "the condition uses a deprecated aggregation",
    "R030": "a placeholder has no value",
    "R040": "no source of events is known for the logsource",
    "R050": "a filter names a rule that is not loaded",
    "R051": "a filter can be read in two ways",
    "R060": "a field map is wrong",
    "R070": "a correlation names a rule that is not loaded",
    "R071": "correlations lead back to themselves",
    "R072": "a timespan cannot be read",
    "R073": "a type of correlation is unknown",
    "R074": "the condition of a correlation has no meaning",
    "R075": "an alias of a correlation is wrong",
    "R076": "a correlation names a rule that is not unique",
    "R077": "a correlation names a rule that cannot be used",
    "S001": "the site file is not valid YAML",
    "S002": "a key of the site file is unknown",
    "S003": "a required key of the site file is missing or empty",
    "S004": "a value of the site file cannot be used",
    "S005": "the site file names a zone, asset or role that it does not have",
    "S006": "the site file gives one address, name or network twice",
    "S007": "an asset lies outside the networks of its zone",
    "S008": "there are too many conversations to propose a site file",
    "I001": "a file of indicators cannot be read",
    "I002": "a file of indicators is of another form",
    "I003": "there are too many indicators",
    "I004": "nothing to hunt for is left",
    "F001": "the file cannot be opened",
    "F002": "the format is not recognised",
    "F003": "the file is empty",
    "F004": "a part of the file is damaged",
    "F005": "the file ends in the middle of a record",
    "F006": "a record cannot be parsed",
    "F007": "an archive would exceed a limit",
    "F008": "an archive is encrypted and no password fits",
    "F009": "an archive is nested too deep",
    "F010": "the file changed while it was read",
    "F011": "a symbolic link leads back into its own folder",
    "F012": "the file is not a regular file",
    "F013": "a record is longer than the limit",
    "F014": "a tool that the format needs is missing",
    "F015": "a tool that the format needs failed or ran into a limit",
    "E001": "a regular expression ran too long and was cut off",
    "E002": "a rule failed while it was evaluated",
    "E003": "a worker process ended unexpectedly",
    "E004": "a correlation ran into a limit",
    "O001": "the output cannot be written",
    "O002": "the rule cache cannot be used",
    "O003": "a tool that the output needs is missing or failed",
}
"""Every code that can be printed, with its meaning. `docs/errors.md` explains each."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file: path, 1-based line and column (0 when unknown), the line's text."""

    path: str
    line: int = 0
    column: int = 0
    source: str = ""
    width: int = 1

    def __str__(self) -> str:
        """Return `path`, `path:line` or `path:line:column`."""
        parts = [self.path] + [str(n) for n in (self.line, self.column) if n]
        return ":".join(parts)


class TocsinError(Exception):
    """Root of the tree; carries a stable code, a place and a hint.

    `trail` is the way of keys and indexes to the fault inside a document, from which a place can be found.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: Where | None = None,
        hint: str = "",
        trail: tuple[str | int, ...] = (),
    ) -> None:
        if code not in CODES:
            raise KeyError(code)
        super().__init__(code, message, where, hint, trail)
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint
        self.trail = trail

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way between processes with all parts."""
        return _rebuild, (type(self), self.code, self.message, self.where, self.hint, self.trail)

    def at(self, where: Where) -> Self:
        """Return the same error with a place."""
        return type(self)(self.code, self.message, where=where, hint=self.hint, trail=self.trail)

    def __str__(self) -> str:
        """Return the place, the message and the code on one line."""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.message} [{self.code}]"

    def render(self) -> str:
        """Return the full form: message, source line with a caret, hint."""
        lines = [str(self)]
        if self.where and self.where.source:
            gutter = f"  {self.where.line} | "
            lines.append(gutter + self.where.source)
            if self.where.column:
                pad = " " * (len(gutter) - 2) + "| " + " " * (self.where.column - 1)
                lines.append(pad + "^" * max(1, self.where.width))
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


def _rebuild(
    kind: type[TocsinError], code: str, message: str, where: Where | None, hint: str, trail: tuple[str | int, ...]
) -> TocsinError:
    return kind(code, message, where=where, hint=hint, trail=trail)


class UsageError(TocsinError, ValueError):
    """A wrong argument, option or configuration file."""


class SiteError(UsageError):
    """A site file that has no meaning, in one place."""


class RuleError(TocsinError, ValueError):
    """A rule that has no meaning; it is reported as Invalid."""


class UnsupportedRule(RuleError):  # noqa: N818 - the outcome's own name says it better
    """A rule that is well formed but needs what is not there; it is reported as Unsupported."""


class FieldMapError(TocsinError, ValueError):
    """A field map that has no meaning."""


class SourceError(TocsinError, OSError):
    """Evidence that cannot be read, in whole or in part."""


class LimitError(SourceError):
    """Evidence that would exceed a limit, such as an archive bomb."""


class RegexTimeout(TocsinError, TimeoutError):  # noqa: N818 - named like the builtin it resembles
    """A regular expression that was cut off."""


class OutputError(TocsinError, OSError):
    """A result that cannot be written."""


__all__ = [
    "CODES",
    "FieldMapError",
    "LimitError",
    "OutputError",
    "RegexTimeout",
    "RuleError",
    "SiteError",
    "SourceError",
    "TocsinError",
    "UnsupportedRule",
    "UsageError",
    "Where",
]
