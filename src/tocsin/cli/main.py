"""The command line: `tocsin VERB`. Each verb lives in a file of its own; errors and exit codes are decided here."""

from __future__ import annotations

import os
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click

from tocsin import __version__
from tocsin.errors import TocsinError, UsageError
from tocsin.findings.text import safe_lines

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
_NO_ARGUMENTS: Final[Any] = getattr(click.exceptions, "NoArgsIsHelpError", ())  # before click 8.2 this is no error


_VERBS: Final = {
    "explain": "explain",
    "hunt": "hunt",
    "incidents": "incidents",
    "node": "node",
    "record": "record",
    "report": "report",
    "rules": "rules",
    "scan": "scan",
    "serve": "node",
    "share": "share",
    "site": "site",
    "stats": "stats",
    "timeline": "timeline",
    "tune": "tune",
    "tuning": "tuning",
}
"""The module of this package that has each verb."""


class _Verbs(click.Group):
    """Verbs whose modules are imported when they are used: readers and kernels take a second, which most verbs save."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb by its name, None when there is none."""
        if cmd_name not in _VERBS:
            return None
        found: click.Command = getattr(import_module(f"tocsin.cli.{_VERBS[cmd_name]}"), cmd_name)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb of arguments; one that is not known fails with the one that is almost the same."""
        if args[0] not in _VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], _VERBS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tocsin")
def app() -> None:
    """Find attacks in any log with open Sigma rules, and say what could not be looked at."""


def run() -> None:
    """Run the command line and leave with its exit code; every error ends as a message that says what to do."""
    try:
        code = app.main(prog_name="tocsin", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except _NO_ARGUMENTS as error:
        error.show()
        code = EXIT_USAGE
    except click.ClickException as error:
        click.echo(safe_lines(_usage_error(error).render()), err=True)
        code = EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILURE
    except TocsinError as error:
        click.echo(safe_lines(error.render()), err=True)
        code = EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILURE
    except OSError as error:
        click.echo(f"{error.filename or 'standard output'}: {error.strerror or error} [O001]", err=True)
        code = EXIT_FAILURE
    except Exception:  # noqa: BLE001 - the edge of the program: nothing may look like "nothing found"
        traceback.print_exc()
        click.echo("this is a fault of Tocsin; please report it with the lines above", err=True)
        code = EXIT_FAILURE
    sys.exit(code or 0)


def _usage_error(error: click.ClickException) -> UsageError:
    """Return click's error in the form that all errors have."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    wrong_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    message, _, near = error.format_message().rstrip(".").partition(". Did you mean ")
    hint = f"did you mean {near} " if near else ""
    hint += f"'{context.command_path if context else 'tocsin'} --help' tells what can be written"
    return UsageError("U002" if wrong_value else "U005", message[:1].lower() + message[1:], hint=hint)


__all__ = ["app", "run"]
