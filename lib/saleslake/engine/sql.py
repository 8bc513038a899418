"""SQL texts that Spark and DuckDB both run with the same result, and how their inputs come to them.

The subset: CTEs, joins, CASE, COALESCE, FILTER, GROUP BY, UNION; column lists; results cast to the table's types. No backslash, double
quote or brace, no `upper` or `lower`, no window or comparison whose place of NULL is left open. Beyond that: the prelude.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from saleslake.engine import prelude

_PACKAGE = Path(__file__).parent.parent


def bound(text: str, names: Mapping[str, str], *, duckdb: bool = False) -> str:
    """The text with its inputs bound: `names` gives for the name of each the relation that it is.

    A relation is a table, a view, or a subquery in brackets. DuckDB would store a CTE that is used twice, so the filters of its uses
    would not reach the scan; told otherwise, as Spark always does, each use scans only what it needs.
    """
    how = "AS NOT MATERIALIZED" if duckdb else "AS"
    inputs = ", ".join(
        f"{name} {how} (SELECT * FROM {relation})" for name, relation in names.items() if relation != name
    )
    return f"WITH {inputs}\nSELECT * FROM (\n{text}\n)" if inputs else text


def on_spark(text: str, inputs: Mapping[str, DataFrame | str]) -> DataFrame:
    """The text as a lazy frame. Inputs are frames, at least one, or relations.

    Views are made for the frames while the text is analyzed, and dropped: the result holds their plans.
    """
    frames = {name: given for name, given in inputs.items() if isinstance(given, DataFrame)}
    relations = {name: given if isinstance(given, str) else f"{{{name}}}" for name, given in inputs.items()}
    spark = next(iter(frames.values())).sparkSession
    prelude.for_spark(spark)
    formatted: dict[str, Any] = {**frames}
    return spark.sql(bound(text, relations), **formatted)


def text_beside(module_file: str, name: str = "") -> str:
    """The `.sql` file beside a module of this package, of its name or of another."""
    path = Path(module_file)
    path = path.with_name(f"{name}.sql") if name else path.with_suffix(".sql")
    # As a resource, for the package may lie in a zip (`--py-files`).
    if path.is_file():
        return path.read_text("utf-8")
    # In a zip, as spark-submit's --py-files has it.
    return resources.files("saleslake").joinpath(*path.relative_to(_PACKAGE).parts).read_text("utf-8")


def matching(on: Mapping[str, str]) -> str:
    """The rows of `stored` for which some row of `keys` agrees: on `{column of keys: expression over stored}`. Grain of `stored`."""
    # Under names of their own, for an expression names columns of `stored` bare.
    keys = ", ".join(f"{name} AS _key_{n}" for n, name in enumerate(on))
    same = " AND ".join(f"({expression}) = k._key_{n}" for n, expression in enumerate(on.values()))
    return f"SELECT /*+ BROADCAST(k) */ t.* FROM stored AS t SEMI JOIN (SELECT {keys} FROM keys) AS k ON {same}"
