"""The stream: input → bronze → silver → gold in one query, sales_by_minute beside it; until told to stop."""

from __future__ import annotations

import contextvars
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyspark
import structlog
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from saleslake import kill_points
from saleslake.config import Settings
from saleslake.engine.interface import Frame
from saleslake.errors import ConfigError, SaleslakeError, first_line
from saleslake.monitor.stream import served
from saleslake.parallel import side_by_side
from saleslake.pipeline import Batch
from saleslake.publish import Outcome
from saleslake.silver import step
from saleslake.state import Pin
from saleslake.stream import minutes
from saleslake.stream.follower import GoldFollower
from saleslake.stream.health import Health, Listener
from saleslake.stream.inputs import FilesIn, require_kafka
from saleslake.stream.intake import Intake, Landed
from saleslake.stream.kafka_admin import cause
from saleslake.stream.kafka_input import KafkaIn
from saleslake.stream.routes import event_sources
from saleslake.stream.socket_spool import Spool

_LOOK_SECONDS = 0.2
_MANY = 20_000
"""So many events in a micro-batch mean that more are waiting."""


def session_conf(settings: Settings) -> dict[str, str]:
    """What the stream's session has beside the batch's settings."""
    return {
        # Adaptive execution plans every stage of these small queries anew, as a job of its own.
        "spark.sql.adaptive.enabled": "false",
        # Every micro-batch adds small files: compacted by whoever wrote, under the lock it wrote with.
        "spark.databricks.delta.autoCompact.enabled": "true",
        "spark.databricks.delta.autoCompact.minNumFiles": str(settings.stream.compact_from_files),
    } | settings.monitoring.spark_conf


def check(settings: Settings, source: str, once: bool) -> None:
    """Raise ConfigError for what would stop the stream at once."""
    event_sources(settings)
    if source not in ("files", "socket", "kafka"):
        raise ConfigError(f"--source {source!r}: give files, socket or kafka")
    if source == "kafka":
        require_kafka(Path(pyspark.__file__).parent)


class _Stopping(Exception):
    """Ends a query whose next micro-batch would begin while the stream is being stopped. Nothing of that batch is done."""


class StreamJob:
    """One run of the stream over one lakehouse."""

    def __init__(
        self,
        batch: Batch,
        *,
        source: str,
        trigger: str,
        once: bool = False,
        accept_lost: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ):
        self.batch, self.lake, self.say, self.once = batch, batch.lake, say, once
        self.accept_lost = accept_lost
        self.settings = self.lake.settings.stream
        self.source, self.trigger = source, trigger
        self.stopping = threading.Event()
        self._guard = threading.Lock()
        """Held while the tables are written: by a micro-batch, by the search for changed files, by gold when it is late."""
        self._context = contextvars.copy_context()
        self._error: BaseException | None = None
        self._queries: list[StreamingQuery] = []
        self.input: FilesIn | KafkaIn | None = None

    # --- from start to end -------------------------------------------------------------------------

    def run(self) -> None:
        """Until SIGTERM, Ctrl-C or, with `once`, the end of what is there. Raises what went wrong."""
        with self._signals(), self.lake.lock("landing-events"):
            self.health = Health(self.lake, self.source)
            self.gold = GoldFollower(self.batch, self.health, self.say)
            with served(self.health.now, self.lake.settings.monitoring):
                try:
                    self._prepare()
                    self._work()
                except BaseException as e:
                    self.health.update(state="failed", last_error=first_line(e))
                    raise
                finally:
                    if self.input:
                        self.input.close()
                self.health.update(state="stopped")

    def _prepare(self) -> None:
        self.batch.summary.decided = True
        self.batch.summary.stream_input = self.source
        self.batch.heal()
        self.intake = Intake(self.lake)
        self._decided(self.intake.recover())
        for name in self.intake.sources:
            self.batch._add(name, step.catch_up(self.lake, name))

    def _work(self) -> None:
        self.input, spool = self._input()
        self._decided(self.input.prepare(self.intake))
        listener = Listener(self.health, self.stopping.is_set)
        self.lake.spark.streams.addListener(listener)
        if spool:
            spool.start()
        self.gold.start()
        structlog.get_logger().info("stream_reading", input=self.input.describes, trigger=self.trigger)
        self.say(f"reading {self.input.describes} every {self.trigger}; Ctrl-C or SIGTERM ends after the batch in hand")
        self.health.update(state="running")
        try:
            self._sweep()
            if self.once:
                self._once(spool)
            else:
                self._watch([self._events(self.trigger), self._minutes(self.settings.minute_trigger)], spool)
        finally:
            self.health.update(state="stopping")
            try:
                self._end(spool)
            finally:
                self.lake.spark.streams.removeListener(listener)
        self._raise(spool)

    def _input(self) -> tuple[FilesIn | KafkaIn, Spool | None]:
        settings = self.lake.settings
        if self.source == "kafka":
            return KafkaIn(self.lake, accept_lost=self.accept_lost, say=self.say), None
        if self.source == "socket":
            spool = Spool(settings, self.lake.run_id)
            self.say(
                "the socket source is for demonstrations: lines sent while nobody reads, or received in the half second "
                "before a crash, are lost; TCP cannot send them again"
            )
            return FilesIn(settings, str(spool.folder), "*.jsonl"), spool
        own = settings.stream.files
        return FilesIn(settings, settings.resolve(own.path), own.pattern), None

    def _once(self, spool: Spool | None) -> None:
        if spool:
            while not spool.lines and not spool.ended.wait(_LOOK_SECONDS) and not self.stopping.is_set():
                pass
        for start in (self._events, self._minutes):
            if not self.stopping.is_set() and self._error is None:
                self._watch([start(None)], None)

    def _watch(self, queries: list[StreamingQuery], spool: Spool | None) -> None:
        """Until told to stop, or something ended."""
        swept = time.monotonic()
        while not self.stopping.wait(_LOOK_SECONDS):
            if any(not query.isActive for query in queries) or (spool and spool.ended.is_set()):
                return
            if self.gold.is_due and self._guard.acquire(blocking=False):
                try:
                    self.gold.follow()
                finally:
                    self._guard.release()
            if time.monotonic() - swept >= self.settings.sweep_seconds:
                self._sweep()
                swept = time.monotonic()

    def _end(self, spool: Spool | None) -> None:
        self.stopping.set()
        if spool:
            spool.stop()
        for query in self._queries:
            self._stop(query)
        if self._error is None:
            self.gold.finish()

    def _stop(self, query: StreamingQuery) -> None:
        """After the micro-batch in hand, and after Spark has noted it; one that begins now ends itself (`_Stopping`)."""
        deadline = time.monotonic() + self.lake.settings.run.lock_timeout_seconds
        while query.isActive and query.status["isTriggerActive"] and time.monotonic() < deadline:
            time.sleep(0.05)
        query.stop()

    def _raise(self, spool: Spool | None) -> None:
        """What went wrong, in one line: our own error rather than Spark's report of it."""
        if spool and spool.error:
            raise spool.error
        problem = self._error or next(filter(None, map(_problem, self._queries)), None)
        if problem is None:
            return
        if self.input and not isinstance(self._error, SaleslakeError):
            self.input.explain(self.intake)
        if isinstance(problem, Py4JJavaError):
            raise SaleslakeError(f"the stream: {cause(problem)}") from problem
        raise problem

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(*_: Any) -> None:
            self.stopping.set()

        main = threading.current_thread() is threading.main_thread()
        old = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)} if main else {}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    # --- the queries -------------------------------------------------------------------------------

    def _events(self, trigger: str | None) -> StreamingQuery:
        assert self.input is not None
        frame = self.input.read(self.lake.spark)
        writer = frame.writeStream.queryName("events").foreachBatch(self._in_context(self._micro_batch))
        writer = writer.option("checkpointLocation", self.lake.folder("checkpoints", f"events-{self.source}"))
        return self._start(writer, trigger)

    def _minutes(self, trigger: str | None) -> StreamingQuery:
        writer = minutes.query(self.lake, self._in_context)
        return self._start(writer, trigger)

    def _start(self, writer: DataStreamWriter, trigger: str | None) -> StreamingQuery:
        timed = writer.trigger(processingTime=trigger) if trigger else writer.trigger(availableNow=True)
        self._queries.append(timed.start())
        return self._queries[-1]

    def _in_context(self, work: Callable[[DataFrame, int], None]) -> Callable[[DataFrame, int], None]:
        """Spark calls back on threads of its own, which know nothing of our log's context; and tells errors only as Java's."""

        def called(frame: DataFrame, batch_id: int) -> None:
            if self.stopping.is_set():
                raise _Stopping
            try:
                self._context.copy().run(work, frame, batch_id)
            except BaseException as e:
                self._error = self._error or e
                if isinstance(e, Exception):
                    raise
                # py4j answers Java for nothing else, and Java would wait for ever.
                raise _Stopping from e

        return called

    def _micro_batch(self, frame: DataFrame, batch_id: int) -> None:
        assert self.input is not None
        with self._guard:
            started = time.monotonic()
            landed = self.input.land(self.intake, frame, batch_id)
            self._decided(landed)
            figures = self.health.micro_batch(landed.records, landed.left_out, started)
            structlog.get_logger().info("micro_batch", batch_id=batch_id, left_out=landed.left_out, **figures)
            self.gold.follow()
            self.batch.on_progress(self.batch.summary)
            kill_points.reached("before_commit_log")

    def _sweep(self) -> None:
        """Files that changed after they were read: Spark never looks at them again."""
        if isinstance(self.input, FilesIn):
            with self._guard:
                changed = self.intake.changed_files(self.input.folder, self.input.pattern)
                if changed:
                    self._decided(self.intake.land_files(changed))

    # --- what landed -------------------------------------------------------------------------------

    def _decided(self, landed: Landed) -> None:
        """What landed, to silver; gold is told."""
        if landed.rows is not None:
            self._to_silver(landed)
            kill_points.reached("between_silver_and_gold")
        elif landed.after and self._silver_is_at(landed.before):
            # A control row alone: there is nothing to decide, and silver need not look for it later.
            step.note_progress(self.lake, dict.fromkeys(self.intake.sources, landed.after))
        lag = (datetime.now(UTC) - self.intake.clock).total_seconds() if self.intake.clock else None
        self.health.query("events", {"event_time_lag_seconds": lag})
        self.health.count(batches=int(landed.records > 0), records=landed.records, left_out=landed.left_out)

    def _silver_is_at(self, pin: Pin | None) -> bool:
        return all(step.progress(self.lake, name) == pin for name in self.intake.sources)

    def _to_silver(self, landed: Landed) -> None:
        assert landed.rows is not None
        sources = list(self.intake.sources)
        if self._silver_is_at(landed.before):
            by_entity: dict[str, dict[str, Frame]] = {}
            for name in landed.by_source:
                of_source = landed.rows.filter(pc.equal(landed.rows.column("source"), name))
                by_entity.setdefault(self.intake.sources[name].entity, {})[name] = self.lake.engine.rows(of_source)
            works = [partial(step.decide_together, self.lake, *of_entity) for of_entity in by_entity.items()]
            outcomes = dict(zip(by_entity, side_by_side(works), strict=True))
            assert landed.after is not None
            step.note_progress(self.lake, dict.fromkeys(sources, landed.after))
        else:
            # A killed run left silver behind: what it missed is in bronze, and is decided together with this.
            outcomes = {}
            for name in sources:
                outcomes.setdefault(name, Outcome()).add(step.catch_up(self.lake, name))
        for name, outcome in outcomes.items():
            self.batch._add(f"events: {name}", outcome)
        self.health.count(
            quarantined=sum(outcome.quarantined for outcome in outcomes.values()),
            discarded=sum(outcome.discarded for outcome in outcomes.values()),
        )
        self.gold.tell(is_behind=landed.records >= _MANY)


def _problem(query: StreamingQuery) -> SaleslakeError | None:
    problem = query.exception()
    if problem is None or _Stopping.__name__ in str(problem):
        return None
    return SaleslakeError(f"{query.name or 'the stream'}: {_cause(str(problem))}")


def _cause(text: str) -> str:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return next((line for line in lines if "Exception" in line or "Error" in line), lines[0] if lines else "ended")[
        :400
    ]


__all__ = ["StreamJob", "check", "session_conf"]
