"""The command line: `tocsin VERB`. Each verb lives in a file of its own; errors and exit codes are decided here."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Final

import click

from tocsin import __version__
from tocsin.cli.explain import explain
from tocsin.cli.rules import rules
from tocsin.cli.scan import scan
from tocsin.errors import TocsinError, UsageError
from tocsin.findings.text import safe_lines

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tocsin")
def app() -> None:
    """Find attacks in any log with open Sigma rules, and say what could not be looked at."""


for _verb in (scan, rules, explain):
    app.add_command(_verb)


def run() -> None:
    """Run the command line and leave with its exit code; every error ends as a message that says what to do."""
    try:
        code = app.main(prog_name="tocsin", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        code = leaving.exit_code
    except click.ClickException as error:
        error.show()
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


__all__ = ["app", "run"]
