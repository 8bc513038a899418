"""Commits of a Delta table that are its description: the first one, and that by which an empty table replaces it. Without an engine.

Spark's own builder takes half a second a table, and a new lakehouse has fifteen of them. What it would write is this:
one file in the table's log with its protocol and its metadata (the protocol of Delta Lake, "Actions").
"""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from urllib.parse import quote

from saleslake.engine.log import Snapshot
from saleslake.errors import TableError
from saleslake.table import Table

NAME = f"_delta_log/{0:020d}.json"
_PROTOCOL = {
    "minReaderVersion": 1,
    "minWriterVersion": 7,
    "writerFeatures": ["appendOnly", "invariants", "checkConstraints", "changeDataFeed"],
}


def write(table: Table, path: str, signature: str) -> None:
    """Create the table at `path`, empty, unless another process was quicker. `signature` says who did it."""
    _put(Path(path) / NAME, text(table, signature))


def write_replacement(table: Table, former: Snapshot, signature: str) -> None:
    """Make the table at `former` an empty one of the present description. Raises TableError if another writer was quicker."""
    described, now = _actions(table, signature), int(time.time() * 1000)
    # The id stays: who has read up to the version before is told by the change what is gone.
    described[1]["metaData"] = {**described[1]["metaData"], "id": str(former.table.metadata().id)}
    described[0]["commitInfo"] = {**described[0]["commitInfo"], "operation": "REPLACE TABLE", "isBlindAppend": False}
    removed: list[dict[str, dict[str, object]]] = [
        {
            "remove": {
                "path": quote(file.path, safe="/=:+"),
                "deletionTimestamp": now,
                "dataChange": True,
                "extendedFileMetadata": True,
                "partitionValues": file.partition,
                "size": file.size,
            }
        }
        for file in former.files
    ]
    name = f"_delta_log/{former.version + 1:020d}.json"
    if not _put(Path(former.path) / name, _lines([*described, *removed])):
        raise TableError(f"{table.full_name}: another writer committed version {former.version + 1} first: run again")


def _put(target: Path, content: str) -> bool:
    """Write the file, whole, unless one of its name is there. Whether it was written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{uuid.uuid4()}.tmp"
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(partial, target)  # fails where the file is there: a rename would replace it
        return True
    except FileExistsError:
        return False
    finally:
        partial.unlink()


def text(table: Table, signature: str) -> str:
    """What the commit is, for `<table>/NAME`: an action a line."""
    return _lines(_actions(table, signature))


def _lines(actions: list[dict[str, dict[str, object]]]) -> str:
    return "".join(json.dumps(action) + "\n" for action in actions)


def _actions(table: Table, signature: str) -> list[dict[str, dict[str, object]]]:
    now = int(time.time() * 1000)
    commit: dict[str, object] = {
        "timestamp": now,
        "operation": "CREATE TABLE",
        "operationParameters": {"partitionBy": json.dumps(list(table.partition_by)), "description": table.comment},
        "isBlindAppend": True,
        "userMetadata": signature,
        "engineInfo": "saleslake",
        "txnId": str(uuid.uuid4()),
    }
    metadata: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "description": table.comment,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": table.schema.json(),
        "partitionColumns": list(table.partition_by),
        "configuration": table.configuration,
        "createdTime": now,
    }
    return [{"commitInfo": commit}, {"metaData": metadata}, {"protocol": dict(_PROTOCOL)}]
