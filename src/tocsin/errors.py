"""The exceptions that Tocsin raises, and the codes that it prints.

::

    TocsinError
    ├── UsageError (ValueError)        U: a wrong argument or configuration file; I: a file of indicators; X: a feed
    │   ├── SiteError                  S: a site file that has no meaning
    │   ├── NodeError                  N: a folder that is no node, or cannot be used as one
    │   ├── RulebookError              B: a rulebook of sharing that has no meaning, or contradicts itself
    │   └── TuningError                T: marks that cannot be used, or false positives that no filter can remove
    ├── RuleError (ValueError)         R: a rule that has no meaning; it becomes Invalid
    │   └── UnsupportedRule            R: a rule that needs what is not there; it becomes Unsupported
    ├── FieldMapError (ValueError)     R: a field map that ships with Tocsin is damaged
    ├── SourceError (OSError)          F: evidence that cannot be read, in whole or in part
    │   └── LimitError                 F: evidence that would exceed a limit, such as an archive bomb
    ├── RecordError (ValueError)       L: an entry, receipt, bundle or checkpoint of the record that does not hold
    ├── PeerError (OSError)            N: a peer that cannot be asked, or answers what cannot be used
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
    "R052": "a filter has expired",
    "R053": "a filter expires soon",
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
    "B001": "the rulebook is not valid YAML, or not plain enough",
    "B002": "a key of the rulebook is unknown",
    "B003": "a required key of the rulebook is missing or empty",
    "B004": "a value of the rulebook cannot be used",
    "B005": "the rulebook names what it does not have",
    "B006": "the rulebook gives one name or id twice",
    "B010": "a rule can never apply",
    "B011": "a rule would break a marking",
    "B012": "a rule gives nothing beside another",
    "B013": "a rule is for processors without the originator's permission",
    "B014": "a part of the rulebook has expired",
    "B015": "a rule is for clients or processors of nobody",
    "B016": "nobody is in a group",
    "B017": "relations lead back to themselves",
    "B018": "an organisation has no identity",
    "B019": "a purpose or group is not used",
    "B020": "a rule gives to an organisation outside the community",
    "B021": "a key of a rule has no effect",
    "B022": "a rule is about what nobody may put here",
    "B031": "the question cannot be asked of this rulebook or bundle",
    "I001": "a file of indicators cannot be read",
    "I002": "a file of indicators is of another form",
    "I003": "there are too many indicators",
    "I004": "nothing to hunt for is left",
    "T001": "marked findings cannot be read",
    "T002": "a mark fits no finding",
    "T003": "findings of this kind cannot be tuned",
    "T004": "no filter tells the false positives from what must stay",
    "T005": "the event of a finding cannot be evaluated",
    "T006": "the filter did not prove right",
    "T010": "the tuning file is not valid YAML",
    "T011": "a key of the tuning file is unknown",
    "T012": "a required key of the tuning file is missing or empty",
    "T013": "a value of the tuning file cannot be used",
    "T014": "an entry of the tuning file selects every finding",
    "T015": "an entry of the tuning file names a rule, asset or zone that is not known",
    "T016": "an entry of the tuning file needs a site file",
    "T017": "an entry of the tuning file has expired",
    "T018": "an entry of the tuning file expires soon",
    "N001": "a request without valid authentication",
    "N002": "a token's roles do not cover a request",
    "N003": "the folder is no node",
    "N004": "the database of a node cannot be opened",
    "N005": "the folder for a new node is not empty",
    "N006": "the file of a node cannot be used",
    "N007": "an organisation is not in the rulebook",
    "N008": "a node cannot listen where it was told to",
    "N009": "a package that nodes need is not installed",
    "N010": "no media type that is accepted can be served",
    "N011": "the media type of a body is not supported",
    "N012": "a parameter of a request cannot be used",
    "N013": "the body of a request is too long",
    "N014": "a collection is not for this caller to read or write",
    "N015": "the body of a request is no envelope of objects",
    "N016": "an object is another organisation's",
    "N017": "what was asked for is not there, or not for this caller",
    "N018": "the method is not one of the address",
    "N019": "the server failed; its log tells more",
    "N020": "the node cannot use its database",
    "N021": "a caller asks too often",
    "N022": "authentication failed too often from an address",
    "N023": "the URL of a request is too long",
    "N024": "the headers of a request are too long",
    "N025": "the encoding of a body is not supported",
    "N026": "the body of a request is damaged",
    "N027": "the body of a request came too slowly",
    "N028": "a certificate cannot be used",
    "N029": "a login failed",
    "N030": "the provider of the login cannot be used",
    "N031": "a person has no rights at a node",
    "N032": "a request was not sent from a page of the node",
    "N040": "a token may not approve a rulebook",
    "N060": "a peer cannot be reached",
    "N061": "an address of a peer is not permitted",
    "N062": "the certificate of a peer cannot be verified",
    "N063": "a peer leads to another origin",
    "N064": "the answer of a peer is too large",
    "N065": "a peer is too slow",
    "N066": "a peer refuses a request",
    "N067": "the answer of a peer cannot be understood",
    "N068": "the secret or the certificates for a peer cannot be used",
    "N069": "the pages of a peer have no end",
    "N070": "there is no such peer",
    "N071": "the rulebook takes nothing from a peer",
    "N072": "a peer does not cosign the record",
    "N073": "a part of an object that is hidden cannot be left out",
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
    "D001": "a table cannot be found or read",
    "D002": "a file of a table cannot be read",
    "D003": "a file is no part of its table",
    "D004": "a rule names a column that the table has not",
    "D005": "a rule asks for what a column cannot become",
    "D006": "a table is held back: too few in it look alike",
    "D007": "a share of a node cannot be used",
    "D008": "a share, schema or table is not there, or not for this caller",
    "D009": "a version of a table is not there, or no longer",
    "D010": "a request for a table cannot be understood",
    "D011": "changes between versions are more than rows that were added",
    "D012": "a link to a file of a table is not valid, or no longer",
    "D013": "a table cannot be given now",
    "D014": "files of a table cannot be written",
    "X001": "a file of a feed cannot be read",
    "X002": "the format of a file of a feed is not recognised",
    "X003": "a file or entry of a feed exceeds a limit",
    "X004": "a file or object of a feed is no JSON, or not of its form",
    "X005": "the strict check of a feed is not installed",
    "X010": "an object has not the properties that its type must have",
    "X011": "an object's id and type do not fit",
    "X012": "a moment of an object is none, or before the one that it follows",
    "X013": "a key stands twice in an object",
    "X014": "an object exceeds a limit",
    "X015": "the strict check refuses an object",
    "X020": "a part of a MISP event cannot be taken",
    "X021": "parts of a MISP event have no place in STIX",
    "X022": "a MISP feed is not what its manifest or its hashes say",
    "X023": "objects have no place in a MISP event",
    "X024": "an object has no place in a CSV",
    "X030": "a part of an advisory cannot be taken",
    "X031": "parts of an advisory have no place in STIX",
    "X032": "an entry of the KEV catalogue cannot be taken",
    "X033": "a row of a CSV is no indicator",
    "X034": "a Sigma rule cannot be taken",
    "X035": "a word in a column of markings is none",
    "X040": "a version of an object is here with another content",
    "X041": "the rulebook changed while a file was made",
    "X042": "no rule lets this organisation write such an object",
    "L001": "a bundle, receipt or entry of the record has another form",
    "L002": "the bundle ends before its end",
    "L003": "an entry does not have the hash that stands beside it",
    "L004": "entries are missing, twice or in another order",
    "L005": "the entries do not give the root of a checkpoint",
    "L006": "a checkpoint is not signed as it should be",
    "L007": "two checkpoints contradict each other: the history is forked",
    "L008": "a proof does not show what it should",
    "L009": "a key cannot be used",
    "L010": "an entry cannot be recorded",
    "L011": "a node has no record that can be read",
    "L012": "a checkpoint cannot be compared with what was seen",
    "L013": "no key was given to check signatures with",
    "L014": "a log is not known to this witness",
    "L015": "the packages that the record needs are not installed",
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


class NodeError(UsageError):
    """A folder that is no node, or that cannot be used as one."""


class TableError(UsageError):
    """A table that cannot be given, or a share that cannot be used."""


class RulebookError(UsageError):
    """A rulebook that has no meaning, or contradicts itself, in one place."""


class TuningError(UsageError):
    """Marks or a tuning file that cannot be used, or false positives of a rule that no filter can be made for."""


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


class RecordError(TocsinError, ValueError):
    """An entry, receipt, bundle or checkpoint of the record that does not hold."""


class PeerError(TocsinError, OSError):
    """A peer of a node that cannot be asked, or answers what cannot be used."""


class RegexTimeout(TocsinError, TimeoutError):  # noqa: N818 - named like the builtin it resembles
    """A regular expression that was cut off."""


class OutputError(TocsinError, OSError):
    """A result that cannot be written."""


__all__ = [
    "CODES",
    "FieldMapError",
    "LimitError",
    "NodeError",
    "OutputError",
    "PeerError",
    "RecordError",
    "RegexTimeout",
    "RuleError",
    "RulebookError",
    "SiteError",
    "SourceError",
    "TocsinError",
    "TuningError",
    "UnsupportedRule",
    "UsageError",
    "Where",
]
