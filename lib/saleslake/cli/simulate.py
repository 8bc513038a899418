"""The command `simulate`: events for the streaming job, at a rate, with a file that says what they come to."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from saleslake.cli.common import Verbose, guarded
from saleslake.config import Settings, load
from saleslake.errors import EXIT_FAILED, EXIT_OK
from saleslake.simulator.send import Interrupts, Sent, send_all
from saleslake.simulator.spec import Spec, parse_start
from saleslake.simulator.targets import SocketTarget, Stopped
from saleslake.simulator.where import To, Where, truth_file

_START_HELP = "ISO time of the first event; default: when sending begins."
_SEED_HELP = "The same seed and start give the same events; default: from the clock, so that no two runs share keys."
_TRUTH_HELP = "Where to write what the events come to; default: truth.json in the data folder."
_MALFORMED_HELP = "Share of events that must end in quarantine."


def simulate(
    to: Annotated[To | None, typer.Option(help="Where events go; default: stream.source.")] = None,
    rate: Annotated[float, typer.Option(help="Events a second; 0: as fast as possible.")] = 100,
    events: Annotated[int, typer.Option(help="Events to send, every line counted.")] = 10_000,
    seed: Annotated[int | None, typer.Option(help=_SEED_HELP)] = None,
    start: Annotated[str | None, typer.Option(help=_START_HELP)] = None,
    truth: Annotated[Path | None, typer.Option(help=_TRUTH_HELP)] = None,
    late: Annotated[float, typer.Option(help="Share of events dated hours back.")] = 0.02,
    duplicated: Annotated[float, typer.Option(help="Share of events that repeat another's bytes.")] = 0.03,
    corrected: Annotated[float, typer.Option(help="Share of events that correct an order or a sale.")] = 0.05,
    out_of_order: Annotated[float, typer.Option("--out-of-order", help="Share of events sent too late.")] = 0.05,
    malformed: Annotated[float, typer.Option(help=_MALFORMED_HELP)] = 0.02,
    events_per_file: Annotated[int, typer.Option("--events-per-file", help="files: most events of one.")] = 500,
    file_seconds: Annotated[float, typer.Option("--file-seconds", help="files: longest time to fill one.")] = 1.0,
    path: Annotated[Path | None, typer.Option(help="files: folder; default: stream.files.path.")] = None,
    host: Annotated[str | None, typer.Option(help="socket: address; default: stream.socket.host.")] = None,
    port: Annotated[int | None, typer.Option(help="socket: port to listen on; default: stream.socket.port.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="kafka: default: stream.kafka.bootstrap_servers.")] = None,
    topic: Annotated[str | None, typer.Option(help="kafka: topic; default: the first of stream.kafka.topics.")] = None,
    config: Annotated[str | None, typer.Option("--config", help="Configuration file.")] = None,
    verbose: Verbose = False,
) -> None:
    """Send made-up events to the streaming job: late, repeated, corrected, broken; and write down the truth."""

    def work() -> int:
        settings = load(config)
        now = round(time.time())
        begin = now if start is None else parse_start(start)
        shares = (late, duplicated, corrected, out_of_order, malformed)
        spec = Spec(events, now if seed is None else seed, begin, rate, *shares)
        where = Where(to, path, events_per_file, file_seconds, host, port, bootstrap, topic)
        return _work(settings, spec, where, truth_file(settings, truth), starts_now=start is None)

    guarded(work, verbose)


def _work(settings: Settings, spec: Spec, where: Where, truth: Path, *, starts_now: bool) -> int:
    spec.check()
    with Interrupts() as interrupts:
        target = where.target(settings, spec.seed, interrupts.stop)
        if isinstance(target, SocketTarget):
            typer.echo(f"waiting for a client at {target.where}", err=True)
        with suppress(Stopped):  # then nothing is sent, and the truth says so
            target.open()
        # What waits for a client must not date its events before the client came.
        spec = replace(spec, start=round(time.time())) if starts_now else spec
        sent = send_all(spec, target, truth, interrupts.stop)
    typer.echo(_summary(spec, sent, target.where, truth))
    return EXIT_FAILED if sent.interrupted else EXIT_OK


def _summary(spec: Spec, sent: Sent, where: str, truth: Path) -> str:
    """What was sent, in one line."""
    n = sent.truth.counts
    kinds = ("order", "transaction", "malformed", "duplicate", "correction", "late", "out_of_order")
    counts = ", ".join(f"{n[kind]:,} {kind.replace('_', ' ')}" for kind in kinds)
    how = f"interrupted, sent {sent.truth.landed:,} of {spec.events:,}" if sent.interrupted else f"sent {spec.events:,}"
    return f"{how} events ({counts}) of seed {spec.seed} to {where} in {sent.seconds:.1f} s; truth: {truth}"
