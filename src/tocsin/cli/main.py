"""The command line: `tocsin VERB`. Each verb lives in a file of its own; errors and exit codes are decided here."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, Final

import click

from tocsin import __version__
from tocsin.cli.explain import explain
from tocsin.cli.hunt import hunt
from tocsin.cli.incidents import incidents
from tocsin.cli.node import node, serve
from tocsin.cli.record import record
from tocsin.cli.report import report
from tocsin.cli.rules import rules
from tocsin.cli.scan import scan
from tocsin.cli.share import share
from tocsin.cli.site import site
from tocsin.cli.stats import stats
from tocsin.cli.timeline import timeline
from tocsin.cli.tune import tune
from tocsin.cli.tuning import tuning
from tocsin.errors import TocsinError, UsageError
from tocsin.findings.text import safe_lines

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
_NO_ARGUMENTS: Final[Any] = getattr(click.exceptions, "NoArgsIsHelpError", ())  # before click 8.2 this is no error


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tocsin")
def app() -> None:
    """Find attacks in any log with open Sigma rules, and say what could not be looked at."""


for _verb in (scan, hunt, incidents, timeline, stats, report, rules, tune, tuning, explain, site, node, serve, record, share):
    app.add_command(_verb)


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
