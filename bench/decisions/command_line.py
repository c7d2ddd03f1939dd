"""What importing a library for command lines costs, in CPU time of a new process. usage: command_line.py [TIMES]."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, time
before = len(sys.modules)
begun = time.process_time()
{}
print(time.process_time() - begun, len(sys.modules) - before)
"""
IMPORTS = {
    "argparse": "import argparse",
    "click": "import click",
    "click, a command made": "import click\n@click.command()\n@click.argument('a')\ndef f(a): ...",
    "typer": "import typer",
    "typer, a command made": "from typer import Typer, main\na = Typer()\n@a.command()\ndef f(b: str): 1\nmain.get_command(a)",
}


def main() -> None:
    """Measure and print."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    for name, code in IMPORTS.items():
        runs = []
        for _ in range(times):
            done = subprocess.run([sys.executable, "-c", CODE.format(code)], capture_output=True, text=True, check=True)
            seconds, modules = done.stdout.split()
            runs.append((float(seconds), int(modules)))
        seconds, modules = min(runs)
        print(f"{name:<24} {1000 * seconds:6.1f} ms {modules:5} modules")


if __name__ == "__main__":
    main()
