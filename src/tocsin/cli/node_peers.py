"""`tocsin node sync` and `tocsin node peers`: take in what peers have, and tell how it is with each."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tocsin.cli.node_packages import need_node
from tocsin.errors import NodeError
from tocsin.findings.text import safe_text

if TYPE_CHECKING:
    from tocsin.runs.node import Node
    from tocsin.runs.peers_file import Peer
    from tocsin.runs.sync import Synced

EXIT_FAULT: Final = 1
_FOLDER: Final = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--peer", "names", multiple=True, metavar="NAME", help="Only this peer (repeatable) [default: all].")
@click.option("--once/--on-schedule", default=True, show_default=True, help="Run now, or as node.yml says until interrupted.")
def sync(folder: Path, names: tuple[str, ...], once: bool) -> int:
    """Take in what the peers of the node in DIR have. Exit code 1 when a peer failed.

    A node that is served does this by itself, on the schedule of node.yml.
    """
    need_node()
    from tocsin.runs.node import open_node
    from tocsin.runs.schedule import Schedule
    from tocsin.runs.sync import sync_peer

    node = open_node(folder)
    try:
        wanted = names or tuple(node.file.peers)
        if not wanted:
            raise NodeError("N070", f"{folder} has no peers", hint="add them to node.yml, under 'peers'")
        if not once:
            schedule = Schedule(node, _say, wanted)
            schedule.start()
            schedule.wait()
        done = [sync_peer(node, name) for name in wanted]
    finally:
        node.close()
    for item in done:
        _tell(item)
    return EXIT_FAULT if any(item.fault for item in done) else 0


def _say(text: str) -> None:
    click.echo(safe_text(text), err=True)


def _tell(item: Synced) -> None:
    came = item.came
    click.echo(safe_text(f"{item.name}: {came}"))
    for why in came.why:
        click.echo(safe_text(f"  {why}"))
    if came.untold:
        click.echo(f"  and {came.untold:,} more")
    if item.cosigned is not None:
        click.echo(f"  it cosigned the record of this node at {item.cosigned:,} entries")
    if item.fault:
        click.echo(safe_text(f"  failed: {item.fault}"), err=True)
        if item.hint:
            click.echo(safe_text(f"  hint: {item.hint}"), err=True)


@click.command()
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.option("--receipts", is_flag=True, help="List what was withdrawn at peers, or is due, with their receipts.")
def peers(folder: Path, receipts: bool) -> int:
    """List the peers of the node in DIR: the last success of each, its last fault, and what it was given.

    Exit code 1 when one is failing.
    """
    need_node()
    from tocsin.runs.node import open_node

    node = open_node(folder)
    try:
        found = [_show(node, name, peer, receipts) for name, peer in node.file.peers.items()]
        click.echo(f"record_key of this node, for its peers: {node.record.key}")
        click.echo(f"witness_key of this node, for its peers: {node.record.witness_key}")
    finally:
        node.close()
    if not found:
        click.echo(f"{folder} has no peers: docs/peers.md tells how to add one to node.yml")
    return EXIT_FAULT if any(found) else 0


def _show(node: Node, name: str, peer: Peer, receipts: bool) -> bool:
    """Show one peer; return whether it is failing."""
    from tocsin.runs.peers_file import Direction

    progress = node.cursors.progress(name)
    pushes = peer.direction is Direction.PUSH
    way = f"{peer.local} -> {peer.url} {peer.remote}" if pushes else f"{peer.url} {peer.remote} -> {peer.local}"
    click.echo(safe_text(f"{name}: {peer.direction} {peer.kind} {way}, every {peer.every:,} s"))
    click.echo(f"  last success: {_moment(progress.succeeded)}")
    if progress.faulted:
        failing = f", {progress.failures} in a row" if progress.failures else ", over since"
        click.echo(safe_text(f"  last fault: {_moment(progress.faulted)}{failing}: {progress.fault}"))
    if pushes:
        _show_pushed(node, name, peer, receipts)
    return progress.failures > 0


def _show_pushed(node: Node, name: str, peer: Peer, receipts: bool) -> None:
    from tocsin.runs.push import target_of
    from tocsin.stores.pushed import Sent

    target = target_of(name, peer)
    for outcome, (count, first) in sorted(node.pushed.counts(target).items()):
        since = f", the first since {_moment(first)}" if outcome in {Sent.SENT, Sent.DUE, Sent.CHANGED} else ""
        click.echo(f"  {outcome}: {count:,}{since}")
    for outcome in (Sent.DUE, Sent.WITHDRAWN) if receipts else ():
        for part in node.pushed.walk(target, outcome):
            for item in part:
                click.echo(safe_text(f"  {outcome} {_moment(item.at)} {item.key.id} {item.there}: {item.receipt}"))


def _moment(moment_us: int) -> str:
    if not moment_us:
        return "never"
    return datetime.fromtimestamp(moment_us / 1e6, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


__all__ = ["peers", "sync"]
