"""Commands that make material to try things on: `mock-api` and `generate`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from saleslake.cli import render
from saleslake.cli.common import Verbose, guarded
from saleslake.config import PROJECT_ROOT
from saleslake.errors import EXIT_OK, ConfigError

_SAMPLE = PROJECT_ROOT / "sample_data"
_FAULTS_HELP = "Faults to inject, e.g. 500@orders:2x1,429=7@orders:1 (see CONTRIBUTING.md)."


def mock_api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8088,
    orders: Annotated[Path, typer.Option(help="Orders: JSON array or JSON lines.")] = _SAMPLE / "api_orders.json",
    products: Annotated[Path, typer.Option(help="Products: JSON array or JSON lines.")] = _SAMPLE / "api_products.json",
    token_env: Annotated[str, typer.Option(help="Variable with the token that requests must carry.")] = "",
    faults: Annotated[str, typer.Option(help=_FAULTS_HELP)] = "",
    verbose: Verbose = False,
) -> None:
    """Serve orders and products like a real API, with faults on demand; until Ctrl-C."""
    from saleslake import logs
    from saleslake.mock_api import parse_faults, serve

    def work() -> int:
        logs.configure(None, "mock-api", verbose=True)
        serve(host, port, orders, products, token_env, parse_faults(faults) if faults else ())
        return EXIT_OK

    guarded(work, verbose)


def generate(
    orders: Annotated[int, typer.Option(help="Distinct orders.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    days: Annotated[int, typer.Option(help="Days the sales spread over.")] = 90,
    start: Annotated[str, typer.Option(help="First day.")] = "2024-01-01",
    defects: Annotated[float, typer.Option(help="Share of orders that are broken.")] = 0.02,
    verbose: Verbose = False,
) -> None:
    """Realistic orders, users, products, transactions and stock, with a stated share of defects."""
    from saleslake.generate import generate as write

    def work() -> int:
        try:
            first = date.fromisoformat(start)
        except ValueError:
            raise ConfigError(f"--start {start!r}: give a date like 2024-01-31") from None
        render.generated(write(orders, seed, out, defects=defects, days=days, start=first), out)
        return EXIT_OK

    guarded(work, verbose)
