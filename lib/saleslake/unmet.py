"""Finds what a configuration says of a source's JSON and the source knows nothing of: paths that met nothing, and the reverse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saleslake import bronze
from saleslake.config import Source
from saleslake.ingest import fields
from saleslake.lake import Lake
from saleslake.silver.judge.reading import OF_REFUND, whole_path

_AT_ONCE = 2_000
_SHOWN = 20


def problem(lake: Lake, name: str) -> str:
    """One line on mapped paths that no record of the source has ever had; empty where all have met something.

    A path that the sampled records lack is looked for in all of them, once they are enough for it to be no chance.
    """
    source = lake.settings.sources[name]
    wanted = mapped_paths(source)
    if source.is_csv or not wanted or not lake.exists(bronze.holding(lake, name)):
        return ""
    seen = {field for control in bronze.controls(lake, name) for field in control.fields}
    lacking = {ours: path for ours, path in wanted.items() if path not in seen and not _may_lack(source, ours, seen)}
    if not lacking:
        return ""
    records, there = 0, set(seen)
    for texts in _texts(lake, name):
        records += len(texts)
        for text in texts:
            there |= fields.of_record(text)
        lacking = {ours: path for ours, path in lacking.items() if path not in there}
        if not lacking:
            return ""
    if records < lake.settings.run.quarantine_from_records:
        return ""
    said = ", ".join(f"{ours} = {source.mapping[ours]!r}" for ours in lacking)
    return (
        f"source {name}: mapped and in none of its {records:,} records: {said}; there are: {_near(there, lacking.values())}. "
        f"Correct [sources.{name}.mapping] in {lake.settings.config_file}, or leave it out"
    )


def mapped_paths(source: Source) -> dict[str, str]:
    """Our names of the fields that a JSON source maps, to the whole path in a record."""
    return {ours: whole_path(source, ours) for ours in source.mapping}


def _may_lack(source: Source, ours: str, seen: set[str]) -> bool:
    """Whether a path may well meet nothing: orders need not have a refund, nor a refund lines."""
    holder, _, field = ours.partition(".")
    if holder != "refunds":
        return False
    around = whole_path(source, "refunds" if field in OF_REFUND else "refunds.items")
    return not field or not any(each.startswith(f"{around}.") for each in seen)


def _texts(lake: Lake, name: str) -> Iterator[list[str]]:
    rows = lake.query(
        "select raw from t where kind = 'record' and source = $source and defect is null",
        {"source": name},
        t=bronze.holding(lake, name),
    )
    while found := rows.fetchmany(_AT_ONCE):
        yield [text for (text,) in found if text is not None]


def _near(there: set[str], lacking: Iterable[str]) -> str:
    """What there is at the places where the lacking paths should be: first what is beside them."""
    parents = {path.rpartition(".")[0] for path in lacking}
    beside = sorted(path for path in there if path.rpartition(".")[0] in parents)
    others = sorted(path for path in there if path not in beside and "." not in path)
    shown = [*beside, *others][:_SHOWN]
    return ", ".join(shown) + (", …" if len(there) > len(shown) else "") if shown else "no fields at all"
