"""Send made-up events to the streaming job: python streaming/simulate.py --to files|socket|kafka [--rate N] [--events N] …

The same as `saleslake simulate`; `--help` lists everything.
"""

from __future__ import annotations

import sys

import typer

from saleslake.cli.simulate import simulate


def main(argv: list[str]) -> int:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(simulate)
    app(argv, prog_name="simulate.py")  # ends by SystemExit with the command's code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
