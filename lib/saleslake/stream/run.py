"""What both ways to start the stream do: `saleslake stream` and `spark-submit streaming/stream.py`."""

from __future__ import annotations

from saleslake.config import Settings, Stream
from saleslake.entry import run_job
from saleslake.errors import ConfigError
from saleslake.pipeline import Batch
from saleslake.stream.job import StreamJob, check, session_conf


def run_stream(
    config: str | None,
    *,
    source: str | None = None,
    once: bool = False,
    trigger: str | None = None,
    accept_lost_offsets: bool = False,
    verbose: bool = False,
    engine: str | None = None,
) -> int:
    """Run the stream until it is stopped. Returns the exit code."""

    def settings_of(settings: Settings) -> tuple[str, str]:
        try:
            interval = Stream(trigger=trigger).trigger if trigger else settings.stream.trigger
        except ValueError:
            raise ConfigError(f"--trigger {trigger!r} is no interval: give one like '5 seconds'") from None
        return source or settings.stream.source, interval

    def work(batch: Batch) -> None:
        chosen, interval = settings_of(batch.lake.settings)
        StreamJob(
            batch,
            source=chosen,
            trigger=interval,
            once=once,
            accept_lost=accept_lost_offsets,
            say=lambda what: print(what, flush=True),
        ).run()

    return run_job(
        "stream",
        config,
        work,
        verbose=verbose,
        check=lambda settings: check(settings, settings_of(settings)[0], once),
        conf=session_conf,
        engine=engine,
        with_session=True,
    )
