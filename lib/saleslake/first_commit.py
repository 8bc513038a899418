"""The first commit of a Delta table: its description, without a Spark job.

Spark's own builder takes half a second a table, and a new lakehouse has fifteen of them. What it would write is this:
one file in the table's log with its protocol and its metadata (the protocol of Delta Lake, "Actions").
"""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path

from saleslake.table import Table

NAME = f"_delta_log/{0:020d}.json"
_PROTOCOL = {
    "minReaderVersion": 1,
    "minWriterVersion": 7,
    "writerFeatures": ["appendOnly", "invariants", "checkConstraints", "changeDataFeed"],
}


def write(table: Table, path: str, signature: str) -> None:
    """Create the table at `path`, empty, unless another process was quicker. `signature` says who did it."""
    target = Path(path) / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{uuid.uuid4()}.tmp"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text(table, signature))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(partial, target)  # fails where the file is there: a rename would replace it
    except FileExistsError:
        pass
    finally:
        partial.unlink()


def text(table: Table, signature: str) -> str:
    """What the commit is, for `<table>/NAME`: an action a line."""
    return "".join(json.dumps(action) + "\n" for action in _actions(table, signature))


def _actions(table: Table, signature: str) -> list[dict[str, object]]:
    now = int(time.time() * 1000)
    commit = {
        "timestamp": now,
        "operation": "CREATE TABLE",
        "operationParameters": {"partitionBy": json.dumps(list(table.partition_by)), "description": table.comment},
        "isBlindAppend": True,
        "userMetadata": signature,
        "engineInfo": "saleslake",
        "txnId": str(uuid.uuid4()),
    }
    metadata = {
        "id": str(uuid.uuid4()),
        "description": table.comment,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": table.schema.json(),
        "partitionColumns": list(table.partition_by),
        "configuration": table.configuration,
        "createdTime": now,
    }
    return [{"commitInfo": commit}, {"metaData": metadata}, {"protocol": _PROTOCOL}]
