"""What every entry point does around its work: settings, logs, session, run log, exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import structlog

from saleslake import class_archive, config, logs, misread, runlog
from saleslake.alerts.message import Alert, Run
from saleslake.alerts.tell import tell, tell_now, warn_if_silent
from saleslake.config import Settings
from saleslake.engine_choice import WANTED, on_engine
from saleslake.errors import EXIT_OK, ConfigError, Interrupted, SaleslakeError, first_line
from saleslake.errors import fail as fail
from saleslake.gold import catalogue
from saleslake.ingest.paths import missing
from saleslake.lake import Lake
from saleslake.lineage.emit import Emitter
from saleslake.monitor import push
from saleslake.pipeline import Batch, Summary, raise_failures
from saleslake.silver import registry
from saleslake.sources.credentials import Credentials

Work = Callable[[Batch], None]


def open_settings(path: str | None) -> Settings:
    """The settings, checked as a whole. Raises ConfigError."""
    settings = config.load(path)
    _check_names(settings)
    return settings


def _check_names(settings: Settings) -> None:
    registry.check(settings)
    catalogue.check(settings)


def run_job(
    command: str,
    config_path: str | None,
    work: Work,
    *,
    verbose: bool = False,
    quiet: bool = False,
    check: Callable[[Settings], object] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    show: Callable[[Lake, Summary, float], None] | None = None,
    conf: Callable[[Settings], dict[str, str]] = lambda _: {},
    engine: str | None = None,
    with_session: bool = False,
) -> int:
    """Do `work` as one run of the batch. Returns the exit code; errors are one line on stderr.

    `check` looks at the settings before anything is written and raises ConfigError; `conf` adds settings of the session. `engine`: the one
    that was asked for (`--engine`). `with_session`: the work needs Spark itself, whatever engine its writes take.
    """
    started = datetime.now(UTC)
    try:
        settings = config.load(config_path)
    except SaleslakeError as e:
        return fail(e, verbose)
    lake = Lake(settings)
    try:
        _check_names(settings)
        check(settings)
    except SaleslakeError as e:
        code = fail(e, verbose)
        logs.configure(None, lake.run_id, quiet=quiet, verbose=verbose)
        tell(settings, command, lake.run_id, started, None, e)
        return code
    logs.configure(lake.work("logs"), lake.run_id, quiet=quiet, verbose=verbose)
    structlog.get_logger().info("run_started", command=command, config=str(settings.config_file))
    warn_if_silent(settings)
    lineage = Emitter(lake, command)
    lineage.started(started)
    batch = Batch(lake, say)
    batch.on_progress = while_running(lake, command, started, lineage)
    error: BaseException | None = None
    try:
        with on_engine(lake, engine, f"saleslake {command}", with_session=with_session, conf=conf, say=say) as choice:
            if choice.note and not with_session:
                batch.summary.notes.append(choice.note)
            work(batch)
        raise_failures(batch.summary)
    except KeyboardInterrupt:
        error = Interrupted("interrupted: what was written stays and is sound; run again to go on")
    except Exception as e:
        error = e
    batch.summary.engine = lake.uses or ""
    if error is not None:
        class_archive.forget()
    batch.summary.ended_early = error is not None
    ended = datetime.now(UTC)
    seconds = (ended - started).total_seconds()
    _log_end(lake, command, started, batch.summary, error)
    if show:
        show(lake, batch.summary, seconds)
    elif error is None:
        print(_one_line(command, batch.summary, seconds))
    code = EXIT_OK if error is None else fail(error, verbose)
    # Last, when the error stands on the terminal: a mail server may take its time.
    tell(settings, command, lake.run_id, started, batch.summary, error, log=lake.work("logs", f"{lake.run_id}.jsonl"))
    lineage.ended(batch.summary, error, ended)
    return code


def while_running(lake: Lake, command: str, started: datetime, lineage: Emitter) -> Callable[[Summary], None]:
    """What is told of a stream while it runs."""
    watch = misread.Watch(lake)

    def told(summary: Summary) -> None:
        lineage.running(summary)
        for line in watch.look(summary.outcomes):
            structlog.get_logger().error("source_misread", reason=line)
            seconds = (datetime.now(UTC) - started).total_seconds()
            log = lake.work("logs", f"{lake.run_id}.jsonl")
            run = Run(command, lake.run_id, started, seconds, str(lake.settings.config_file), log)
            tell_now(lake.settings, run, Alert("quarantine", line))

    return told


def _one_line(command: str, summary: Summary, seconds: float) -> str:
    """What a job did, for the log of whoever submitted it."""
    landed, written = sum(report.records for report in summary.landed), sum(w.anything for w in summary.written)
    did = [f"{len(summary.healed)} tables rebuilt"] if summary.healed else []
    did += [f"{landed:,} records landed"] if landed else []
    if summary.decided or summary.outcomes:
        dropped = sum(outcome.quarantined for outcome in summary.outcomes.values())
        discarded = sum(outcome.discarded for outcome in summary.outcomes.values())
        of_them = f" ({discarded:,} discarded)" if discarded else ""
        did += [f"{summary.processed if summary.decided else 0:,} records decided, {dropped:,} quarantined{of_them}"]
    refreshes = f" in {summary.gold_refreshes:,} refreshes" if summary.gold_refreshes else ""
    did += [f"{written} gold tables written{refreshes}"] if written else []
    return f"{command}: {', '.join(did) if landed or not summary.nothing_new else 'nothing new'} ({seconds:.1f} s)"


def _log_end(lake: Lake, command: str, started: datetime, summary: Summary, error: BaseException | None) -> None:
    landed = summary.landed
    dropped = sum(o.quarantined for o in summary.outcomes.values())
    partitions = sum(len(w.dates) for w in summary.written) + sum(len(o.dates) for o in summary.outcomes.values())
    row = {
        "records_processed_count": summary.processed,
        "records_dropped_count": dropped,
        "retry_attempts": sum(r.retries for r in landed),
        "partitions_written": partitions,
    }
    status = "failed" if error else "done"
    log = structlog.get_logger()
    # At level info, for a terminal shows the error itself, in one line, a moment later.
    log.info(
        "run_ended",
        command=command,
        status=status,
        error=str(error) if error else None,
        **row,
        execution_time_seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
    )
    try:
        runlog.append(
            lake,
            command=command,
            started_at=started,
            status=status,
            error=str(error) if error else None,
            summary=json.dumps(summary_dict(summary), default=str),
            engine=summary.engine or None,
            **row,
        )
    except Exception as e:  # the run log must never hide what it was about
        log.error("run_not_logged", reason=first_line(e))
    push.after_run(lake, command, started, summary_dict(summary), failed=error is not None)


def summary_dict(summary: Summary) -> dict[str, object]:
    """The summary as plain JSON values."""
    return {
        "landed": [asdict(report) for report in summary.landed],
        "outcomes": {
            name: asdict(o)
            | {"reasons": dict(o.reasons), "discards": dict(o.discards), "warnings": dict(o.warnings)}
            | {"dates": len(o.dates)}
            for name, o in summary.outcomes.items()
        },
        "written": [
            {"table": w.table, "rows": w.rows, "deleted": w.deleted, "partitions": len(w.dates)}
            for w in summary.written
        ],
        "gold_refreshes": summary.gold_refreshes,
        "healed": summary.healed,
        "checks": {r.check.name: r.found for r in summary.checks},
        "seconds": {k: round(v, 3) for k, v in summary.seconds.items()},
        "notes": summary.notes,
        "troubles": summary.troubles,
        "nothing_new": summary.nothing_new,
        "engine": summary.engine,
    }


def job_parser(description: str, *, by_source: bool = True) -> argparse.ArgumentParser:
    """Arguments every spark-submit job takes; `--source` where a job can do its work for some sources only."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", help="configuration file (default: $SALESLAKE_CONFIG, else conf/saleslake.toml)")
    if by_source:
        parser.add_argument("--source", action="append", help="only this source (may be given more than once)")
    parser.add_argument("--engine", choices=WANTED, help="what computes and writes (default: run.engine, else spark)")
    parser.add_argument("--verbose", action="store_true", help="log on the terminal, and show tracebacks")
    return parser


def chosen_sources(settings: Settings, wanted: Sequence[str] | None, api: bool | None = None) -> list[str]:
    """Sources by name, or all (of APIs, or of files). Raises ConfigError for a name that is none of these."""
    for name in wanted or ():
        if name not in settings.sources:
            raise ConfigError(f"--source {name}: no such source; there are: {', '.join(settings.sources)}")
        format_ = settings.sources[name].format
        if api is not None and settings.sources[name].is_stream:
            raise ConfigError(f"--source {name}: its format is {format_!r}, so it is landed by streaming/stream.py")
        if api is not None and (format_ == "api") != api:
            right = "land_api.py" if format_ == "api" else "land_files.py"
            raise ConfigError(f"--source {name}: its format is {format_!r}, so it is landed by jobs/{right}")
    return [
        name
        for name, source in settings.sources.items()
        if (not wanted or name in wanted)
        and (api is None or ((source.format == "api") == api and not source.is_stream))
    ]


def check_secrets(settings: Settings, sources: Sequence[str]) -> None:
    """Raise ConfigError for the first credential that an API among these sources needs and that cannot be used."""
    for name in sources:
        api = settings.sources[name].api
        if api is not None and api.url.lower().startswith(("http://", "https://")):
            Credentials(api.auth, settings.secret, f"sources.{name}.api.auth")


def say_missing_paths(settings: Settings, sources: Sequence[str]) -> None:
    """Say of each path that names nothing that it does, before Spark starts. The run ends with 1 for it, not by it."""
    for line in missing(settings, sources):
        print(f"warning: {line}", file=sys.stderr, flush=True)
