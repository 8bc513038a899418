"""Errors that end a run with one clear line, and the exit code each one maps to."""

from __future__ import annotations

import sys
import traceback

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class SaleslakeError(Exception):
    """Something failed; the message names the file, setting or table, what was found, and the fix."""

    exit_code = EXIT_FAILED


class ConfigError(SaleslakeError):
    """A setting, an argument or the environment is wrong; nothing was read or written."""

    exit_code = EXIT_USAGE


class SourceError(SaleslakeError):
    """A source could not be extracted whole (API retries exhausted, a refused file, a looping page)."""


class LockTimeout(SaleslakeError):
    """Another writer held a lock longer than `run.lock_timeout_seconds`; the message names it."""


class TableError(SaleslakeError):
    """A stored table is damaged, foreign or missing in a way this command does not repair."""


class Interrupted(SaleslakeError):
    """A person ended the run by Ctrl-C."""


def was_cancelled(error: BaseException) -> bool:
    """Whether Spark ended the work because a person ended the run: Ctrl-C cancels all of its jobs. It is nobody's fault then."""
    return "SPARK_JOB_CANCELLED" in str(error) or "cancelled as part of cancellation of all jobs" in str(error)


def fail(error: BaseException, verbose: bool) -> int:
    """Print the one line that says what went wrong (and with `verbose` where). Returns the exit code."""
    if verbose:
        traceback.print_exception(error)
    known = isinstance(error, SaleslakeError)
    text = str(error) if known else f"{type(error).__name__}: {first_line(error)} (--verbose shows where)"
    print(f"error: {text}", file=sys.stderr)
    return error.exit_code if isinstance(error, SaleslakeError) else EXIT_FAILED


def first_line(error: BaseException) -> str:
    """The first line of an error's text, never empty and never long."""
    # By line feeds alone: a key in the message may hold U+2028, and what to do stands behind it.
    return str(error).strip().split("\n", 1)[0].rstrip()[:500] or "no message"
