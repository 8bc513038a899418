"""Structured logs: JSON lines to `data/logs/`, short lines on a terminal.

Every line carries `run_id`. Secrets never reach a logger: the client logs URLs already stripped.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import structlog


def configure(log_dir: str | None, run_id: str, *, quiet: bool = False, verbose: bool = False) -> None:
    """Send events to `<log_dir>/<run_id>.jsonl` and, unless quiet, warnings and worse to stderr.

    `log_dir` None (or on an object store) means: terminal only.
    """
    handlers: list[logging.Handler] = []
    if log_dir and "://" not in log_dir:
        Path(log_dir).mkdir(parents=True, exist_ok=True)
        to_file = logging.FileHandler(Path(log_dir) / f"{run_id}.jsonl", encoding="utf-8", delay=True)
        to_file.setFormatter(_formatter(structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False)))
        handlers.append(to_file)
    if not quiet:
        to_terminal = logging.StreamHandler(sys.stderr)
        to_terminal.setLevel(logging.INFO if verbose else logging.WARNING)
        to_terminal.setFormatter(_formatter(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())))
        handlers.append(to_terminal)
    root = logging.getLogger("saleslake")
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=lambda *_: logging.getLogger("saleslake"),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(run_id=run_id)


def _formatter(renderer: structlog.typing.Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ]
    )
