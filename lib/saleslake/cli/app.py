"""`saleslake`: run, stream, status, metrics, sql, verify, acknowledge, check, publish, mock-api, generate, simulate."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saleslake import __version__
from saleslake.cli import render
from saleslake.cli.alert_test import alert_test
from saleslake.cli.common import Verbose, guarded
from saleslake.cli.material import generate, mock_api
from saleslake.cli.simulate import simulate
from saleslake.config import DEFAULT_CONFIG, PROJECT_ROOT
from saleslake.errors import EXIT_FAILED, EXIT_OK, ConfigError, SaleslakeError, fail

if TYPE_CHECKING:
    from saleslake.config import Settings
    from saleslake.lake import Lake

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="A sales lakehouse that can prove where every single record went.",
)  # fmt: skip

_CONFIG_HELP = "Configuration file; default $SALESLAKE_CONFIG, else conf/saleslake.toml."
Config = Annotated[str | None, typer.Option("--config", help=_CONFIG_HELP)]
_ENGINE_HELP = "spark, embedded or auto; default: run.engine."
EngineName = Annotated[str | None, typer.Option("--engine", help=_ENGINE_HELP)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"saleslake {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A sales lakehouse that can prove where every single record went."""


@app.command()
def run(
    config: Config = None,
    since: Annotated[str | None, typer.Option(help="APIs: only versions after this date or ISO timestamp.")] = None,
    until: Annotated[str | None, typer.Option(help="APIs: only versions up to this date or ISO timestamp.")] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Re-decide everything from bronze under the present rules.")
    ] = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Extract everything from the sources anew.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Serve sample_data/ as the APIs on a free local port, for this run.")
    ] = False,
    engine: EngineName = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """The whole batch: land, silver, gold, check; on Spark, or without a JVM."""
    from saleslake.entry import run_job, summary_dict
    from saleslake.ingest.window import parse_window

    try:
        window = parse_window(since, until)
        with ExitStack() as stack:
            if demo:
                _serve_sample(stack, config)
            progress = stack.enter_context(render.Progress(enabled=not as_json))

            def show(lake: Any, summary: Any, seconds: float) -> None:
                progress.stop()
                if as_json:
                    head = {"run_id": lake.run_id, "total_seconds": round(seconds, 3)}
                    typer.echo(json.dumps(head | summary_dict(summary), default=str))
                else:
                    render.summary(lake, summary, seconds)

            code = run_job(
                "run",
                config,
                lambda batch: _whole(batch, window, full_refresh, refetch),
                check=_before_run,
                verbose=verbose,
                quiet=as_json and not verbose,
                say=progress.say,
                show=show,
                engine=engine,
            )
    except SaleslakeError as e:
        code = fail(e, verbose)
    raise typer.Exit(code)


def _before_run(settings: Settings) -> None:
    """What can be told before Spark starts: secrets that are missing end the run; paths that name nothing are said now."""
    from saleslake.entry import check_secrets, say_missing_paths

    check_secrets(settings, list(settings.sources))
    say_missing_paths(settings, list(settings.sources))


def _whole(batch: Any, window: Any, full_refresh: bool, refetch: bool) -> None:
    batch.run(window, full_refresh=full_refresh, refetch=refetch)


def _serve_sample(stack: ExitStack, config: str | None) -> None:
    """Start the mock API over the sample and point every API source at it, by the environment."""
    from urllib.parse import urlsplit

    from saleslake import config as settings_module
    from saleslake.mock_api import MockApi

    settings = settings_module.load(config)
    if settings.config_file != DEFAULT_CONFIG.resolve():
        raise ConfigError(
            f"--demo would bring the sample's records into the lakehouse of {settings.config_file}: it goes with "
            f"{DEFAULT_CONFIG} only; leave out --demo, or --config and $SALESLAKE_CONFIG"
        )
    sample = PROJECT_ROOT / "sample_data"
    api = stack.enter_context(MockApi(sample / "api_orders.json", sample / "api_products.json"))
    for name, source in settings.sources.items():
        if source.api is not None:
            os.environ[f"SALESLAKE__SOURCES__{name.upper()}__API__URL"] = api.url + urlsplit(source.api.url).path


@app.command()
def stream(
    config: Config = None,
    source: Annotated[str | None, typer.Option(help="files, socket or kafka; default: stream.source.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Take what is there, then end.")] = False,
    trigger: Annotated[
        str | None, typer.Option(help='How often to look, e.g. "5 seconds"; default: stream.trigger.')
    ] = None,
    accept_lost_offsets: Annotated[
        bool, typer.Option("--accept-lost-offsets", help="Kafka: go on after offsets that the broker has no more.")
    ] = False,
    engine: EngineName = None,
    verbose: Verbose = False,
) -> None:
    """Events to bronze, silver and gold as they come, until Ctrl-C or SIGTERM. Being killed is harmless."""
    from saleslake.stream.run import run_stream

    code = run_stream(
        config,
        source=source,
        once=once,
        trigger=trigger,
        accept_lost_offsets=accept_lost_offsets,
        verbose=verbose,
        engine=engine,
    )
    raise typer.Exit(code)


@app.command()
def maintain(config: Config = None, engine: EngineName = None, verbose: Verbose = False) -> None:
    """Compact small files of every table and remove those no version of the last 7 days needs. Safe beside run and stream."""
    from saleslake import logs
    from saleslake.engine_choice import on_engine
    from saleslake.maintenance import maintain as work_through

    def work() -> int:
        lake = _lake(config)
        logs.configure(lake.work("logs"), lake.run_id, verbose=verbose)
        with on_engine(lake, engine, "saleslake maintain") as choice:
            if choice.note:
                render.out.print(choice.note, markup=False, soft_wrap=True)
            render.maintained(work_through(lake))
        return EXIT_OK

    guarded(work, verbose)


@app.command()
def status(config: Config = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Tables, rows, versions, last run, watermarks, quarantine by reason. Starts no JVM."""
    from saleslake.status import status as read_status

    def work() -> int:
        found = read_status(_lake(config))
        typer.echo(json.dumps(found, default=str)) if as_json else render.status(found)
        return EXIT_OK

    guarded(work, verbose)


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(help="A query over bronze.x, silver.x, gold.x, ops.runs; @name: one of sql/questions.sql.")
    ],
    format_: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Query the Delta tables with DuckDB: read-only, no JVM."""
    from saleslake.serve.query import run_query
    from saleslake.serve.questions import asked

    def work() -> int:
        if format_ not in ("table", "csv", "json"):
            raise ConfigError(f"--format {format_!r}: give table, csv or json")
        columns, rows = run_query(_lake_to_read(config), asked(query))
        render.rows(columns, rows, format_)
        return EXIT_OK

    guarded(work, verbose)


@app.command()
def check(config: Config = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """Sanity checks in SQL: totals, orphans, duplicates, revenue mismatch. Starts no JVM."""
    from saleslake.checks import run_checks

    def work() -> int:
        results = run_checks(_lake_to_read(config))
        if as_json:
            typer.echo(json.dumps({r.check.name: {"found": r.found, "failed": r.failed} for r in results}))
        else:
            render.checks(results)
        return EXIT_FAILED if any(r.failed for r in results) else EXIT_OK

    guarded(work, verbose)


@app.command()
def verify(
    config: Config = None,
    truth: Annotated[
        Path | None, typer.Option(help="Compare the keys named in this file, which `saleslake simulate` wrote, too.")
    ] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="spark, embedded or auto, the default.")] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Prove from the stored tables where every record went, and that gold is what silver says."""
    from saleslake import logs
    from saleslake.accounting import verify as prove
    from saleslake.engine_choice import on_engine
    from saleslake.monitor.push import after_verify
    from saleslake.truth_check import compare

    def work() -> int:
        lake = _lake(config)
        logs.configure(lake.work("logs"), lake.run_id, quiet=as_json and not verbose, verbose=verbose)
        progress = render.Progress(enabled=not as_json)
        with progress, on_engine(lake, engine or "auto", "saleslake verify"):
            proof = prove(lake, progress.say)
            after_verify(lake, proof)
            found = compare(lake, truth.absolute()) if truth else None
        holds = proof.holds and (found is None or found.holds)
        if as_json:
            told = {"truth": asdict(found)} if found else {}
            typer.echo(json.dumps({"holds": holds, **asdict(proof), **told}, default=str))
        else:
            render.proof(proof)
            for line in found.lines() if found else ():
                render.out.print(line)
        return EXIT_OK if holds else EXIT_FAILED

    guarded(work, verbose)


@app.command()
def acknowledge(
    what: Annotated[list[str], typer.Argument(help='What never landed, as verify prints it: "events/0 [120, 130)".')],
    because: Annotated[str, typer.Option(help="Why that is so; kept beside it.")] = "",
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Say that you know of records that never landed: verify fails until somebody does. Starts no JVM."""
    from saleslake.not_landed import acknowledge as note

    def work() -> int:
        for one in note(_lake_to_read(config), what, because):
            render.out.print(f"acknowledged: {one.text}", markup=False, soft_wrap=True)
        return EXIT_OK

    guarded(work, verbose)


@app.command()
def publish(
    to: Annotated[
        str, typer.Option(help="postgres, redshift, duckdb; several by commas. Default: those with a connection.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Compare whole tables, whatever the target says it holds.")
    ] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Redshift: run the statements, too.")] = False,
    config: Config = None,
    verbose: Verbose = False,
) -> None:
    """Bring PostgreSQL, Redshift or a DuckDB file up to gold. Starts no JVM."""
    from saleslake.serve.run import run_publish

    raise typer.Exit(run_publish(config, to, everything=everything, execute=execute, quiet=True, verbose=verbose))


@app.command()
def metrics(config: Config = None, verbose: Verbose = False) -> None:
    """Tables and the latest run of each command as Prometheus metrics, for node_exporter's textfile collector. Starts no JVM."""
    from prometheus_client import generate_latest

    from saleslake.monitor import batch, history, tables

    def work() -> int:
        lake = _lake_to_read(config)
        runs = batch.registry(history.latest_runs(lake), lake.settings.sources)
        for registry in (runs, tables.registry(lake)):
            typer.echo(generate_latest(registry).decode(), nl=False)
        return EXIT_OK

    guarded(work, verbose)


def _lake(config: str | None) -> Lake:
    from saleslake.entry import open_settings
    from saleslake.lake import Lake

    return Lake(open_settings(config))


def _lake_to_read(config: str | None) -> Lake:
    """For readers of what is stored: names that only Spark code knows, of rules and columns, are not checked."""
    from saleslake.config import load
    from saleslake.lake import Lake

    return Lake(load(config))


app.command("mock-api")(mock_api)
app.command()(generate)
app.command()(simulate)
app.command("alert-test")(alert_test)


def main() -> None:
    """Console script."""
    app()
