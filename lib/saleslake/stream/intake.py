"""Events to bronze: a micro-batch is one commit with one control row, and nothing that is there lands again.

What bronze has is told by its control rows alone, never by Spark's checkpoint: a checkpoint that is lost, or a
micro-batch that runs twice, costs a look at what is offered and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import structlog
from pyspark.sql import DataFrame

from saleslake import bronze, kill_points
from saleslake.config import Source
from saleslake.errors import SourceError
from saleslake.ingest.commit import staging
from saleslake.ingest.files import display_path
from saleslake.lake import Lake
from saleslake.landing import Unit, file_sha256, from_micros, now, unit_name
from saleslake.sources import headers
from saleslake.sources.files import check_whole, read_header, split_lines
from saleslake.state import Pin
from saleslake.store import Place
from saleslake.stream.messages import message_lines
from saleslake.stream.positions import Positions
from saleslake.stream.routes import event_sources, past_time, routed, router

_SMALL = 50_000
_LINES = Source(entity="orders", format="jsonl", path=["events"])
"""How the lines of any event file are told apart, whatever is in them."""


@dataclass
class Landed:
    """What one micro-batch brought to bronze."""

    records: int = 0
    left_out: int = 0
    by_source: dict[str, int] = field(default_factory=dict)
    rows: pa.Table | None = None
    """Its rows as they are in bronze, but for stream_time and the control row. None if nothing landed."""
    newest: datetime | None = None
    """Greatest event time in it, future ones left out."""
    before: Pin | None = None
    after: Pin | None = None
    """bronze.events before and after this commit."""

    def count(self, by_source: Sequence[dict[str, Any]]) -> None:
        """Take in records (count_all) and greatest event time (past_time_max) by source."""
        for row in by_source:
            self.by_source[row["source"]] = row["count_all"]
            self.records += row["count_all"]
        times = [row["past_time_max"] for row in by_source if row["past_time_max"] is not None]
        self.newest = max(times, default=None)


class Intake:
    """Brings events to bronze. One instance a run: it remembers what bronze has, so each micro-batch need not ask."""

    def __init__(self, lake: Lake):
        self.lake = lake
        self.table = bronze.table_of(bronze.EVENTS)
        lake.create(self.table)
        self.sources = event_sources(lake.settings)
        self.files: dict[str, dict[str, Any]] = {}
        self.positions = Positions()
        self._units = 0
        for control in bronze.controls(lake, bronze.EVENTS):
            self._remember(control.units)
        self.clock = self._stored_clock()

    # --- files -------------------------------------------------------------------------------------

    def land_files(self, paths: Sequence[Place]) -> Landed:
        """Land whole files, in this order. One whose content is landed already is left out; one that is gone or broken is reported."""
        units, left_out = [], 0
        for path in paths:
            try:
                unit = self._land_file(path)
            except FileNotFoundError:
                # Spark delivers a batch again that ended before its commit; its files may be archived by then.
                known = display_path(self.lake, path) in self.files
                (structlog.get_logger().info if known else structlog.get_logger().error)(
                    "event_file_gone", file=str(path)
                )
                continue
            except (SourceError, OSError) as e:
                structlog.get_logger().error("event_file_refused", file=str(path), reason=str(e))
                continue
            if unit is None:
                left_out += self.files[display_path(self.lake, path)].get("records", 0)
            else:
                units.append(unit)
        kill_points.reached("after_landing")
        return self._append_units(units, left_out)

    def changed_files(self, folder: Place, pattern: str) -> list[Place]:
        """Files of the folder that changed after they were read: another size, or written later than they landed."""
        found = []
        globs = _alternatives(pattern)
        there: list[Place] = [*folder.iterdir()] if folder.is_dir() else []
        for path in sorted(there, key=str):
            known = self.files.get(display_path(self.lake, path))
            if known is None or path.name.startswith((".", "_")) or not any(fnmatch(path.name, g) for g in globs):
                continue
            if self._may_have_changed(path, known) and file_sha256(path) != known["sha256"]:
                found.append(path)
        return found

    def recover(self) -> Landed:
        """Take up landed files that a killed run did not bring to bronze, under their own ids and times."""
        left: list[Unit] = []
        for units in self.lake.landing.units_of_runs(bronze.EVENTS):
            lost = [unit for unit in units if unit.file not in self.files]
            if not lost:
                break  # runs come one after another, so only the latest can have left something
            left += lost
        if left:
            structlog.get_logger().info("recovering_units", source=bronze.EVENTS, units=len(left))
        return self._append_units(sorted(left, key=lambda u: (u.landed_at, u.unit)), 0)

    def _land_file(self, path: Place) -> Unit | None:
        file = display_path(self.lake, path)
        known = self.files.get(file)
        if known is not None and (not self._may_have_changed(path, known) or file_sha256(path) == known["sha256"]):
            return None
        self._units += 1
        unit = Unit(
            unit=f"{bronze.EVENTS}/{self.lake.run_id}/{self._units:07d}-{unit_name(path.name)}",
            source=bronze.EVENTS,
            file=file,
            origin=str(path),
            run_id=self.lake.run_id,
            landed_at=now(),
            sha256="",
            bytes=0,
            state="landed",
        )
        unit = self.lake.landing.copy_file(unit, path)
        try:
            check_whole(self.lake.landing.path(unit.unit), file)
        except SourceError:
            self.lake.landing.discard(unit)
            raise
        if known is not None:
            structlog.get_logger().warning(
                "event_file_changed", file=file, fix="it landed again as a whole; write new events to new files"
            )
        self.lake.landing.save(unit)
        return unit

    @staticmethod
    def _may_have_changed(path: Place, known: dict[str, Any]) -> bool:
        found = path.stat()
        landed_at = datetime.strptime(known["landed_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        # File systems keep times more coarsely than clocks do.
        return found.st_size != known.get("bytes") or found.st_mtime > landed_at.timestamp() - 2

    def _append_units(self, units: Sequence[Unit], left_out: int) -> Landed:
        if not units:
            return Landed(left_out=left_out)
        with staging(self.lake, bronze.EVENTS) as stage:
            entries = []
            for unit in units:
                count = stage.add(unit, self._lines(unit))
                entries.append(unit.control() | {"records": count, "bytes": unit.bytes})
            stage.close()
            lines = pq.read_table(f"{stage.folder}/records.parquet") if stage.rows else None
            return self._append(stage, lines, entries, max(u.landed_at for u in units), left_out)

    def _lines(self, unit: Unit) -> Iterator[pa.RecordBatch]:
        """The file's lines; where its first line is the header of a CSV source, that stands beside the others."""
        path = self.lake.landing.path(unit.unit)
        first = read_header(path, _LINES)
        header = first if first is not None and self._is_header(first) else None
        for batch in split_lines(path, _LINES):
            if header is None:
                yield batch
                continue
            kept = batch.filter(pc.not_equal(batch.column("raw"), header))
            if kept.num_rows:
                headers = pa.repeat(pa.scalar(header, pa.string()), kept.num_rows)
                yield kept.set_column(kept.schema.get_field_index("header"), "header", headers)

    def _is_header(self, line: str) -> bool:
        if line.lstrip(" \t\r\n").startswith("{"):
            return False
        return any(source.is_csv and _names_columns(line, source) for source in self.sources.values())

    # --- messages ----------------------------------------------------------------------------------

    def land_messages(
        self,
        messages: DataFrame,
        ends: Mapping[str, int] | None = None,
        confirm: Callable[[], None] = lambda: None,
    ) -> Landed:
        """Land messages: (topic, partition, offset, landed_at, key, value). For them bronze is the landing; the offset is in the record id.

        `ends`: place of a partition → end of what was read of it, where that is past its last message. `confirm` is
        called when all has been read and nothing is committed, and may raise.
        """
        with staging(self.lake, bronze.EVENTS) as stage:
            message_lines(messages, self.positions.labels, self.lake.run_id).write.parquet(f"{stage.folder}/messages")
            confirm()
            staged = pyarrow.dataset.dataset(f"{stage.folder}/messages", format="parquet")
            found = _ranges(staged)
            offered = sum(count for _, _, count in found.values())
            had = self.positions.offsets
            known = {file: had[file] for file, (first, _, _) in found.items() if first <= had.get(file, -1)}
            for file, upto in known.items():
                staged = staged.filter((pc.field("file") != file) | (pc.field("ordinal") > upto))
            if known:
                found = _ranges(staged)
            lines = staged.to_table()
            left_out = offered - sum(count for _, _, count in found.values())
            if left_out:
                structlog.get_logger().info("messages_left_out", messages=left_out, reason="bronze has their offsets")
            entries = self.positions.landing(found, ends or {})
            if not entries:
                return Landed(left_out=left_out)
            return self._append(stage, lines if found else None, entries, now(), left_out)

    def note(self, entries: list[dict[str, Any]]) -> Landed:
        """One commit of a control row alone, if there is anything to note."""
        if not entries:
            return Landed()
        with staging(self.lake, bronze.EVENTS) as stage:
            return self._append(stage, None, entries, now(), 0)

    # --- the commit --------------------------------------------------------------------------------

    def _append(
        self, stage: bronze.Staging, lines: pa.Table | None, entries: list[dict[str, Any]], at: datetime, left_out: int
    ) -> Landed:
        """One commit: the lines, if there are any, and the control row that names what they came in."""
        control = bronze.Control(landed_at=at, units=entries, left_out=left_out)
        landed = Landed(left_out=left_out)
        rows = stage.control_row(control, bronze.EVENTS, self.lake.run_id)
        if lines is not None:
            known = bronze.identified(routed(lines, self.lake.settings))
            landed.count(known.group_by("source").aggregate([([], "count_all"), ("past_time", "max")]).to_pylist())
            landed.rows = known.drop_columns(["past_time"])
            rows = pa.concat_tables([landed.rows, rows.select(landed.rows.column_names)], promote_options="permissive")
        clock = pa.scalar(self.clock, pa.timestamp("us", tz="UTC"))
        rows = rows.append_column("stream_time", pa.repeat(clock, rows.num_rows))
        kill_points.reached("before_bronze")
        landed.before = self.lake.pin(self.table)
        engine = self.lake.landing_engine
        engine.append(self.table, engine.rows(rows))
        landed.after = self.lake.pin(self.table)
        kill_points.reached("after_bronze")
        self._remember(entries)
        if landed.newest and (self.clock is None or landed.newest > self.clock):
            self.clock = landed.newest
        return landed

    def _remember(self, units: Sequence[dict[str, Any]]) -> None:
        for unit in units:
            if "until" in unit:
                self.positions.remember(unit)
            else:
                self.files[unit["file"]] = unit

    def _stored_clock(self) -> datetime | None:
        """Greatest event time landed so far: of the commits since the clock last moved, whose own events it does not show."""
        if self.lake.snapshot(self.table).count() == 0:
            return None
        (last,) = self.lake.query("select epoch_us(max(stream_time)) from t", t=self.table).fetchall()[0]
        lines = self.lake.query(
            """select raw, header, defect, epoch_us(landed_at) from t
               where kind = 'record' and epoch_us(stream_time) is not distinct from $last""",
            {"last": last},
            t=self.table,
        )
        clock, route = last, router(self.lake.settings)
        while found := lines.fetchmany(_SMALL):
            for raw, header, defect, landed_at in found:
                at = past_time(route(raw, header, defect).event_time, landed_at)
                clock = at if clock is None or (at is not None and at > clock) else clock
        return from_micros(clock) if clock is not None else None


def _names_columns(line: str, source: Source) -> bool:
    """Whether a line names any of the columns that the source's lines have."""
    try:
        found = headers.names(line, source)
    except ValueError:
        return False
    return any(headers.places(found, column) for column in source.columns)


def _ranges(messages: pyarrow.dataset.Dataset) -> dict[str, tuple[int, int, int]]:
    """Place of a partition → (first offset, last offset, messages)."""
    with Lake.duck(messages=messages) as connection:
        rows = connection.execute(
            "select file, min(ordinal), max(ordinal), count(*) from messages group by 1"
        ).fetchall()
    return {file: (first, last, count) for file, first, last, count in rows}


def _alternatives(pattern: str) -> list[str]:
    """`*.{a,b}` as `*.a` and `*.b`: what Hadoop's globs have and fnmatch has not."""
    head, brace, rest = pattern.partition("{")
    if not brace:
        return [pattern]
    inner, _, tail = rest.partition("}")
    return [f"{head}{choice}{tail}" for choice in inner.split(",")]
