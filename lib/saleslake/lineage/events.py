"""One run as OpenLineage's events: START, and COMPLETE, FAIL or ABORT. Imported only where lineage is on: it takes a while."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import attr
import pyspark
from deltalake.exceptions import DeltaError
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    symlinks_dataset,
)

from saleslake import __version__
from saleslake.lake import Lake
from saleslake.lineage.datasets import Dataset
from saleslake.table import Table

set_producer(f"urn:saleslake:{__version__}")


@attr.define
class SaleslakeRunFacet(RunFacet):
    """Our own name of the run: the one in `ops.runs`, in logs, in the commits of its tables and in bronze's rows."""

    runId: str
    command: str
    config: str


@dataclass(frozen=True)
class About:
    """What all events of one run have in common. `parent` is `namespace/job/run`, as Airflow hands it down, or empty."""

    lake: Lake
    command: str
    namespace: str
    parent: str = ""


def run_uuid(namespace: str, run_id: str) -> str:
    """The same for the same run whoever asks: OpenLineage wants UUIDs, and our run ids are none."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"saleslake:{namespace}/{run_id}"))


def event(
    about: About,
    state: RunState,
    at: datetime,
    inputs: Sequence[Dataset] = (),
    outputs: Sequence[Dataset] = (),
    error: str = "",
) -> RunEvent:
    """One event. `at` is aware; `error` is the run's error in one line, without secrets."""
    lake = about.lake
    facets: dict[str, RunFacet] = {
        "saleslake": SaleslakeRunFacet(lake.run_id, about.command, str(lake.settings.config_file)),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet(pyspark.__version__, "spark"),
    }
    if about.parent:
        facets["parent"] = _parent(about.parent)
    if error:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "PYTHON")
    kind = job_type_job.JobTypeJobFacet("STREAMING" if about.command == "stream" else "BATCH", "SALESLAKE", "JOB")
    return RunEvent(
        eventType=state,
        eventTime=at.isoformat(),
        run=Run(run_uuid(about.namespace, lake.run_id), facets=facets),
        job=Job(about.namespace, f"saleslake.{about.command}", facets={"jobType": kind}),
        inputs=[_input(about, one) for one in inputs],
        outputs=[_output(about, one) for one in outputs],
    )


def _parent(text: str) -> parent_run.ParentRunFacet:
    """Raises ValueError if it is not `namespace/job/run` with a UUID for the run."""
    parts = text.split("/")
    if len(parts) != 3:
        raise ValueError(f"OPENLINEAGE_PARENT_ID is {text!r}: it should be namespace/job/run")
    return parent_run.ParentRunFacet(parent_run.Run(parts[2]), parent_run.Job(parts[0], parts[1]))


def _input(about: About, one: Dataset) -> InputDataset:
    rows = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=one.rows)
    known = {"inputStatistics": rows} if one.rows is not None else {}
    return InputDataset(one.namespace, one.name, facets=_facets(about, one.table), inputFacets=known)  # type: ignore[arg-type]


def _output(about: About, one: Dataset) -> OutputDataset:
    rows = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=one.rows)
    known = {"outputStatistics": rows} if one.rows is not None else {}
    return OutputDataset(one.namespace, one.name, facets=_facets(about, one.table), outputFacets=known)  # type: ignore[arg-type]


def _facets(about: About, table: Table | None) -> dict[str, DatasetFacet]:
    """Columns with their comments, the name under which people ask for the table, and its version after the run."""
    if table is None:
        return {}
    columns = [
        schema_dataset.SchemaDatasetFacetFields(c.name, c.type.simpleString(), c.comment, n)
        for n, c in enumerate(table.columns, start=1)
    ]
    name = symlinks_dataset.Identifier(about.namespace, table.full_name, "TABLE")
    facets: dict[str, DatasetFacet] = {
        "schema": schema_dataset.SchemaDatasetFacet(columns),
        "symlinks": symlinks_dataset.SymlinksDatasetFacet([name]),
    }
    with suppress(DeltaError):  # a damaged table is what such a run tells
        pin = about.lake.pin(table)
        if pin:
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(str(pin[1]))
    return facets
