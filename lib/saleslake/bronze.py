"""Bronze: one table a source, one row a landed record, verbatim, append-only.

A commit holds whole landing units and one control row (`kind = 'window'`) that says which units they
are and, for an API window that is complete, where the watermark stands: state is atomic with data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from saleslake import kill_points
from saleslake.content import content_hash as content_hash
from saleslake.engine.interface import Frame
from saleslake.lake import Lake
from saleslake.landing import Unit, from_micros, iso
from saleslake.table import DATE, LONG, STRING, TIMESTAMP, Column, Table

EVENTS = "events"
"""The bronze table of everything the streaming job brings: one commit a micro-batch, whatever types of event are in it."""


def table_of(source: str) -> Table:
    """The bronze table of a source by its name; `EVENTS` for those of the stream."""
    stream_time = Column("stream_time", TIMESTAMP, "greatest event time landed in earlier commits, UTC")
    return Table(
        layer="bronze",
        name=source,
        grain="one row a landed record, verbatim, and one control row a landing commit",
        keys=("record_id",),
        columns=(
            Column("kind", STRING, "record, or window for the control row of a landing commit", nullable=False),
            Column("record_id", STRING, "landing unit and ordinal: where the exact bytes are", nullable=False),
            Column("raw", STRING, "the record's text as received; of a control row, its JSON"),
            Column(
                "header",
                STRING,
                "the header of its CSV file; before it `sep=;` and a line break where the file names its delimiter",
            ),
            Column("content_hash", STRING, "first 128 bits of SHA-256 of the bytes of raw and header, in hex"),
            Column("source", STRING, "name of the source in the configuration", nullable=False),
            Column("file", STRING, "path of the file, or landing unit of the API page"),
            Column("ordinal", LONG, "line number, element number or offset within file"),
            Column("landed_at", TIMESTAMP, "when the unit was fetched or first seen, UTC", nullable=False),
            Column("run_id", STRING, "run that landed it", nullable=False),
            Column(
                "defect",
                STRING,
                "why it was not read from its bytes: undecodable, unclosed_quote, record_too_long, document_invalid",
            ),
            *((stream_time,) if source == EVENTS else ()),
            Column("landed_date", DATE, "date of landed_at, UTC", nullable=False),
        ),
        partition_by=("landed_date",),
        constraints={"known_kind": "kind IN ('record', 'window')"},
        # The feed of an append-only table costs nothing: readers take the inserts from the data files.
        properties={"delta.appendOnly": "true", "delta.enableChangeDataFeed": "true"},
        statistics=("kind",),
    )


def holding(lake: Lake, source: str) -> Table:
    """The bronze table that holds a source's records."""
    return table_of(EVENTS if lake.settings.sources[source].is_stream else source)


def rows(lake: Lake, source: str, version: int | None = None) -> Frame:
    """What bronze holds of a source, control rows included where it has a table of its own."""
    return of_source(lake, source, lake.engine.read(holding(lake, source), version))


def of_source(lake: Lake, source: str, rows: Frame) -> Frame:
    """Those of a bronze table's rows that are the source's."""
    if not lake.settings.sources[source].is_stream:
        return rows
    return lake.engine.sql(f"SELECT * FROM b WHERE source = '{source}'", b=rows)


# --- control rows ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Control:
    """One control row: the units of its commit and, for an API, its window and the watermark after it."""

    landed_at: datetime
    units: list[dict[str, Any]]
    since: str | None = None
    until: str | None = None
    watermark: str | None = None
    watermark_key: str | None = None
    left_out: int = 0
    fields: tuple[str, ...] = ()
    fetch: dict[str, Any] | None = None
    """Of an API: what the fetch of the window came to (`Fetched.facts`) and `failure`, why it is not complete."""

    def json(self) -> str:
        content = {k: v for k, v in self.__dict__.items() if k != "landed_at"}
        return json.dumps(content, ensure_ascii=False)


def controls(lake: Lake, source: str) -> list[Control]:
    """All control rows of a source, in landing order; empty if nothing has landed."""
    table = table_of(source)
    if not lake.exists(table):
        return []
    found_rows = lake.query(
        "select raw, epoch_us(landed_at) from t where kind = 'window' order by landed_at, record_id", t=table
    ).fetchall()
    found = []
    for raw, landed_at in found_rows:
        content = json.loads(raw)
        content["fields"] = tuple(content.get("fields", ()))
        found.append(Control(landed_at=from_micros(landed_at), **content))
    return found


def latest_files(rows: Iterable[Control]) -> dict[str, dict[str, Any]]:
    """Per file path the control entry of its latest landed content."""
    latest: dict[str, dict[str, Any]] = {}
    for control in rows:
        for unit in control.units:
            if unit["file"] not in latest or unit["landed_at"] >= latest[unit["file"]]["landed_at"]:
                latest[unit["file"]] = unit
    return latest


def watermark(rows: Sequence[Control]) -> tuple[str, str] | None:
    """The high watermark (version time, key) by the newest control row that has one."""
    for control in reversed(rows):
        if control.watermark is not None:
            return control.watermark, control.watermark_key or ""
    return None


# --- appending -------------------------------------------------------------------------------------


class Staging:
    """Records on their way from landing to bronze: Parquet files that Spark reads, gone after the commit."""

    _SCHEMA = pa.schema(
        [(n, pa.string()) for n in ("kind", "unit", "file", "source", "run_id", "raw", "header", "defect")]
        + [("ordinal", pa.int64()), ("landed_at", pa.timestamp("us", tz="UTC"))]
    )
    _ROWS_A_GROUP = 128 * 1024

    def __init__(self, folder: str):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def add(self, unit: Unit, batches: Iterator[pa.RecordBatch]) -> int:
        """Stage one unit's records. Returns how many there are."""
        count = 0
        for batch in batches:
            self._write(self._frame(batch, "record", unit.unit, unit.file, unit.source, unit.run_id, unit.landed_at))
            count += batch.num_rows
        self.rows += count
        return count

    def add_control(self, control: Control, source: str, run_id: str) -> None:
        """Stage the control row of the commit, in a file of its own so that readers of state find it by statistics."""
        pq.write_table(self._control(control, source, run_id), self.folder / "control.parquet")

    def control_row(self, control: Control, source: str, run_id: str) -> pa.Table:
        """The control row of the commit as bronze holds it, but for the clock of the stream."""
        return identified(self._control(control, source, run_id))

    def frame(self, lake: Lake, *, with_control: bool = False) -> Frame:
        """The staged records, and the control row among them."""
        self.close()
        names = ("records", "control") if with_control else ("records",)
        paths = [self.folder / f"{name}.parquet" for name in names]
        return lake.landing_engine.parquet([str(path) for path in paths if path.exists()], self._SCHEMA)

    def _control(self, control: Control, source: str, run_id: str) -> pa.Table:
        one = pa.RecordBatch.from_pydict({"ordinal": [0], "raw": [control.json()], "header": [None], "defect": [None]})
        unit = f"{source}/{run_id}/window-{iso(control.landed_at)}"
        return self._frame(one, "window", unit, "", source, run_id, control.landed_at)

    def close(self) -> None:
        if self._writer and self._writer.is_open:
            self._writer.close()

    def _write(self, table: pa.Table) -> None:
        if self._writer is None:
            # Lives for seconds on the local disk: writing it fast matters, its size does not.
            self._writer = pq.ParquetWriter(
                self.folder / "records.parquet",
                self._SCHEMA,
                compression="none",
                use_dictionary=["kind", "unit", "file", "source", "run_id", "header", "defect"],
                write_statistics=False,
            )
        self._writer.write_table(table, row_group_size=self._ROWS_A_GROUP)

    def _frame(
        self, batch: pa.RecordBatch, kind: str, unit: str, file: str, source: str, run_id: str, landed_at: datetime
    ) -> pa.Table:
        n = batch.num_rows
        constant = {"kind": kind, "unit": unit, "file": file, "source": source, "run_id": run_id}
        columns: dict[str, pa.Array] = {k: pa.repeat(v, n) for k, v in constant.items()}
        columns |= {"landed_at": pa.repeat(pa.scalar(landed_at, pa.timestamp("us", tz="UTC")), n)}
        columns |= {name: batch.column(name) for name in ("raw", "header", "defect", "ordinal")}
        return pa.table({name: columns[name].cast(self._SCHEMA.field(name).type) for name in self._SCHEMA.names})


def append(lake: Lake, source: str, staging: Staging) -> None:
    """One commit with everything staged. The caller holds the source's landing lock."""
    rows = with_identity(lake, staging.frame(lake, with_control=True))
    kill_points.reached("before_bronze")
    lake.landing_engine.append(table_of(source), rows)
    kill_points.reached("after_bronze")


def with_identity(lake: Lake, staged: Frame) -> Frame:
    """Adds record_id, content_hash and landed_date. Grain unchanged. Columns: those of bronze, but for the stream's clock."""
    return lake.landing_engine.sql(
        """SELECT kind, CONCAT(unit, '#', CAST(ordinal AS STRING)) AS record_id, raw, header,
            content_hash(raw, header) AS content_hash, source, file, ordinal, landed_at, run_id, defect,
            CAST(landed_at AS DATE) AS landed_date
        FROM staged""",
        staged=staged,
    )


def identified(staged: pa.Table) -> pa.Table:
    """`with_identity` for rows in memory."""
    units, ordinals = (staged.column(name).to_pylist() for name in ("unit", "ordinal"))
    contents = zip(staged.column("raw").to_pylist(), staged.column("header").to_pylist(), strict=True)
    added = {
        "record_id": pa.array([f"{unit}#{ordinal}" for unit, ordinal in zip(units, ordinals, strict=True)]),
        "content_hash": pa.array([content_hash(raw, header) for raw, header in contents], pa.string()),
        "landed_date": staged.column("landed_at").cast(pa.date32()),
    }
    for name, column in added.items():
        staged = staged.append_column(name, column)
    return staged


def records(lake: Lake, source: str) -> Frame:
    """The records of a source, without control rows: record_id and source, for the stream's table has columns of its own."""
    return lake.engine.sql("SELECT record_id, source FROM b WHERE kind = 'record'", b=rows(lake, source))
