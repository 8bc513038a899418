"""`saleslake alert-test`."""

from __future__ import annotations

from typing import Annotated

import typer

from saleslake.cli.common import Verbose, guarded
from saleslake.errors import EXIT_OK, ConfigError, SaleslakeError


def alert_test(
    config: Annotated[str | None, typer.Option("--config", help="Configuration file, as for run.")] = None,
    verbose: Verbose = False,
) -> None:
    """Send a test message by every channel of [alerts], and say what became of it. Starts no JVM."""
    from saleslake.alerts.tell import send, test_message
    from saleslake.config import load

    def work() -> int:
        settings = load(config)
        if not settings.alerts.configured:
            problem = "neither [alerts.smtp] nor [alerts.webhook] is there, so no alert is ever sent: write one of them"
            raise ConfigError(f"{settings.config_file}: {problem}")
        results = send(settings, test_message(settings))
        for name, result in results.items():
            if not isinstance(result, SaleslakeError):
                typer.echo(f"{name}: {result}")
        failed = [str(result) for result in results.values() if isinstance(result, SaleslakeError)]
        if failed:
            raise SaleslakeError("; ".join(failed))
        return EXIT_OK

    guarded(work, verbose)
