"""`tocsin node`: make a node, issue and revoke its tokens; `tocsin serve`: answer requests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import click

from tocsin.cli.node_files import export, import_files, withdraw
from tocsin.cli.node_packages import need_node
from tocsin.cli.node_peers import peers, sync
from tocsin.cli.node_tables import preview, profile
from tocsin.errors import NodeError, UsageError
from tocsin.findings.text import safe_lines, safe_text

EXIT_WIDENS: Final = 10
_LONGEST_TOKEN: Final = 4096
_DAY_US: Final = 24 * 3600 * 1_000_000
_role_option: Final = click.option(
    "--role",
    "roles",
    type=click.Choice(["read", "write", "operate"]),
    multiple=True,
    default=["read"],
    show_default=True,
    help="What it is for (repeatable).",
)
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.group()
def node() -> None:
    """Make and look after a sharing node."""


node.add_command(preview)
node.add_command(profile)


@node.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--operator", default="operator", show_default=True, help="Id of the organisation that runs the node.")
@click.option("--name", default="Operator", show_default=True, help="Its name.")
@click.option("--community", default="Our community", show_default=True, help="Name of the community.")
def init(folder: Path, operator: str, name: str, community: str) -> None:
    """Make a node in DIR and show the first token of its operator, once."""
    need_node()
    from tocsin.runs.new_node import init_node

    token = init_node(folder, operator, name, community)
    click.echo(f"{folder} is a node now: rulebook.yml says who may get what, node.yml what it is called and where it listens.")
    click.echo("The operator's first token, for 30 days; it is kept nowhere and shown this once:\n")
    click.echo(f"  {token}\n")
    click.echo(f"Next: tocsin serve {folder}")


@node.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("organisation")
@click.option("--purpose", "purposes", multiple=True, help="Purpose for which it is used (repeatable).")
@_role_option
@click.option("--holder", default="", metavar="NAME", help="The person or program that it is for, as the record shall name it.")
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Days until it expires.")
@click.option(
    "--from", "networks", multiple=True, metavar="NETWORK", help="Network it may be used from (repeatable) [default: any]."
)
def token(folder: Path, organisation: str, **options: Any) -> None:
    """Issue a token for ORGANISATION and show it, once."""
    need_node()
    from tocsin.runs.node import issue_token, open_node
    from tocsin.sharing.decisions import Caller
    from tocsin.stores.tokens import Role, Terms

    opened = open_node(folder)
    try:
        expires = opened.clock() + options["days"] * _DAY_US
        terms = Terms(tuple(map(Role, options["roles"])), expires, tuple(options["networks"]), options["holder"])
        made = issue_token(opened, Caller(organisation, tuple(options["purposes"])), terms)
    finally:
        opened.close()
    click.echo(made)


@node.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("organisation")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--purpose", "purposes", multiple=True, help="Purpose for which it is used (repeatable).")
@_role_option
@click.option("--holder", default="", metavar="NAME", help="The program or person that has its key, as the record names it.")
def certificate(folder: Path, organisation: str, file: Path, **options: Any) -> None:
    """Let whoever has the key of the certificate in FILE call for ORGANISATION, until the certificate expires."""
    need_node()
    from tocsin.runs.certificates import bind_certificate
    from tocsin.runs.node import open_node
    from tocsin.sharing.decisions import Caller
    from tocsin.stores.tokens import Role

    opened = open_node(folder)
    try:
        caller = Caller(organisation, tuple(sorted(set(options["purposes"]))))
        name = bind_certificate(opened, file, caller, [Role(role) for role in options["roles"]], options["holder"])
    finally:
        opened.close()
    click.echo(f"bound as {name}; 'tocsin node revoke {folder} {name}' revokes it")


@node.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("token_id", metavar="TOKEN-ID")
def revoke(folder: Path, token_id: str) -> None:
    """Revoke a token by its id, the part between the underscores, or a certificate or session by its, from now on."""
    need_node()
    from tocsin.runs.node import open_node

    opened = open_node(folder)
    try:
        done = opened.tokens.revoke(token_id) or opened.certificates.revoke(token_id) or opened.sessions.end(token_id)
    finally:
        opened.close()
    if not done:
        raise UsageError(
            "U002", f"there is no token {safe_text(token_id)} to revoke", hint="its id is the part between the underscores"
        )
    click.echo(f"revoked {safe_text(token_id)}")


@node.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option(
    "--approve",
    is_flag=True,
    help="Approve a change that widens access, with your own token: TOCSIN_TOKEN, asked for, or a line of standard input.",
)
def adopt(folder: Path, approve: bool) -> int:
    """Take rulebook.yml and the shares of node.yml in force.

    What widens access needs the approval of two people; then the exit code is 10 until both gave it.
    As long as the node has taken and given nothing, it is being set up, and nobody has to approve.
    """
    need_node()
    from tocsin.runs.adoption import APPROVERS
    from tocsin.runs.adoption import adopt as take
    from tocsin.runs.node import open_node

    opened = open_node(folder)
    try:
        access = None
        if approve:
            access = opened.tokens.accept(_own_token())
            if access is None:
                raise NodeError("N040", "the token is unknown, expired or revoked", hint="take one that was issued to you")
        done = take(opened, access)
        shares = ", with the shares of node.yml" if opened.tables.all else ""
    finally:
        opened.close()
    for problem in done.problems:
        click.echo(safe_lines(f"problem: {problem.render()}") + "\n", err=True)
    for sentence in (*map(str, done.widening.gains), *done.widening.others):
        click.echo(safe_text(f"  {sentence}"))
    if done.in_force:
        when = "was in force already" if done.was_in_force else "is in force now"
        click.echo(f"rulebook.yml {when}: {done.digest[:16]}{shares}")
        return 0
    given = f"; {safe_text(', '.join(done.holders))} did" if done.holders else ""
    click.echo(f"The change widens access, and is not in force until {APPROVERS} people approve it{given}.")
    click.echo(f"Each of them: tocsin node adopt {folder} --approve")
    return EXIT_WIDENS


def _own_token() -> str:
    """Return the token of who approves. Raises: UsageError U002 when there is none."""
    given = os.environ.get("TOCSIN_TOKEN", "")
    if not given:
        given = str(click.prompt("Token", hide_input=True)) if sys.stdin.isatty() else sys.stdin.readline(_LONGEST_TOKEN)
    if not given.strip():
        hint = "set TOCSIN_TOKEN, or give it as a line of standard input, or in a terminal when asked"
        raise UsageError("U002", "who approves needs a token of their own, and none was given", hint=hint)
    return given.strip()


node.add_command(sync)
node.add_command(peers)


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--listen", metavar="HOST:PORT", help="Where to listen [default: what node.yml says].")
@click.option("--tls-certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--client-ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Certificates, in PEM, of the authorities whose clients may show a certificate instead of a token.",
)
@click.option("--need-client-certificate", is_flag=True, help="Refuse connections without such a certificate.")
@click.option("--behind-proxy", metavar="ADDRESS", help="Address of the proxy that ends TLS and sets X-Forwarded-For.")
def serve(folder: Path, **options: Any) -> int:
    """Serve the node of DIR until it is interrupted. Beyond this computer it is served by TLS only, or behind a proxy."""
    need_node()
    from tocsin.server.serve import Listening, run_server

    listening = Listening(
        options["listen"],
        options["tls_certificate"],
        options["tls_key"],
        options["behind_proxy"],
        options["client_ca"],
        options["need_client_certificate"],
    )
    return run_server(folder, listening, lambda text: click.echo(safe_text(text), file=sys.stderr))


for _command in (import_files, export, withdraw):
    node.add_command(_command)

__all__ = ["node", "serve"]
