"""What every command does around its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from saleslake.errors import EXIT_FAILED, fail

Verbose = Annotated[bool, typer.Option("--verbose", help="Log on the terminal, and show tracebacks.")]


def guarded(work: Callable[[], int], verbose: bool) -> None:
    """Do `work` and exit with its code; an error is one line on stderr."""
    try:
        code = work()
    except KeyboardInterrupt:
        code = EXIT_FAILED
    except typer.Exit:
        raise
    except Exception as e:
        code = fail(e, verbose)
    raise typer.Exit(code)
