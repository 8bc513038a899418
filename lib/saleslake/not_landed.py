"""What a source had and bronze never got: offsets of Kafka that were gone, by bronze's control rows; and whether somebody has seen it.

`verify` fails for what is not acknowledged. An acknowledgement names what it is about, so none can be given in advance;
it stands in `ops.acknowledged`, which any process may append to while the stream runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
from deltalake import write_deltalake

from saleslake import bronze
from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.landing import from_micros

NOTICED, PASSED = "noticed", "passed"
"""What `lost` of a control row's unit says: the stream stopped at these offsets; it went on after them."""

_SCHEMA = pa.schema(
    [
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("what", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("because", pa.string(), nullable=False),
    ]
)
"""what: as `verify` prints it; id: the same with the id of the topic, for another of its name may lose the same offsets."""


@dataclass(frozen=True)
class Lost:
    """Offsets [first, end) of a partition that never landed."""

    file: str
    first: int
    end: int
    noticed_at: datetime
    passed: bool
    acknowledged: bool = False
    because: str = ""

    @property
    def id(self) -> str:
        return f"{self.file} [{self.first}, {self.end})"

    @property
    def text(self) -> str:
        return f"{shown(self.file)} [{self.first}, {self.end})"


def shown(file: str) -> str:
    """`topic/partition` of the place `kafka/<topic>@<id>/<partition>`, as people say it."""
    topic, _, partition = file.removeprefix("kafka/").rpartition("/")
    return f"{topic.partition('@')[0]}/{partition}"


def lost_offsets(lake: Lake) -> list[Lost]:
    """Every range of offsets that is noted as lost, in the order in which they were noticed."""
    table = bronze.table_of(bronze.EVENTS)
    if not lake.exists(table):
        return []
    rows = lake.query(
        """select raw, epoch_us(landed_at) from t where kind = 'window' and contains(raw, '"lost"')
           order by landed_at, record_id""",
        t=table,
    ).fetchall()
    known = _acknowledged(lake) if rows else {}
    found: dict[tuple[str, int], Lost] = {}
    for raw, micros in rows:
        for unit in json.loads(raw)["units"]:
            if unit.get("lost"):
                # A range that is noted again, for more was gone by then, takes the place of what it was before.
                key = (unit["file"], unit["from"])
                at = found[key].noticed_at if key in found else from_micros(micros)
                found[key] = Lost(*key, unit["until"] + 1, at, unit["lost"] == PASSED)
    return [
        Lost(one.file, one.first, one.end, one.noticed_at, one.passed, one.id in known, known.get(one.id, ""))
        for one in found.values()
    ]


def acknowledge(lake: Lake, what: list[str], because: str) -> list[Lost]:
    """Note that somebody knows of these, as `verify` prints them. Returns them.

    Raises ConfigError, and notes nothing, for one that is not missing or is acknowledged already.
    """
    still = [one for one in lost_offsets(lake) if not one.acknowledged]
    for text in what:
        if text not in {one.text for one in still}:
            there = "; ".join(f'"{one.text}"' for one in still) or "nothing"
            raise ConfigError(f'"{text}" is not among what never landed and nobody has acknowledged: that is {there}')
    chosen = [one for one in still if one.text in what]
    now = datetime.now(UTC)
    rows = [{"at": now, "what": one.text, "id": one.id, "because": because} for one in chosen]
    path = _path(lake)
    write_deltalake(path, pa.Table.from_pylist(rows, schema=_SCHEMA), mode="append", storage_options=lake.options(path))
    return chosen


def _acknowledged(lake: Lake) -> dict[str, str]:
    """id → why."""
    path = _path(lake)
    if not lake.is_table(path):
        return {}
    rows = lake.rows_at(path).to_table(columns=["id", "because"]).to_pylist()
    return {row["id"]: row["because"] for row in rows}


def _path(lake: Lake) -> str:
    return lake.folder("tables", "ops", "acknowledged")
