"""The questions of `sql/questions.sql` on the sample: PostgreSQL answers as DuckDB does, and as the README says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from saleslake.config import DEFAULT_CONFIG, PROJECT_ROOT
from saleslake.entry import open_settings
from saleslake.errors import ConfigError
from saleslake.ingest.window import Window
from saleslake.lake import Lake
from saleslake.mock_api import MockApi
from saleslake.pipeline import Batch
from saleslake.serve import postgres
from saleslake.serve.query import run_query
from saleslake.serve.questions import asked, questions
from saleslake.serve.tables import SERVED
from tests.comparing import stored
from tests.serve.answers import answers

SAMPLE = PROJECT_ROOT / "sample_data"
_SHOWN = 5


@pytest.fixture(scope="module")
def sample(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """What `make run` makes of the sample."""
    with (
        MockApi(SAMPLE / "api_orders.json", SAMPLE / "api_products.json") as api,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SALESLAKE__PATHS__DATA", str(tmp_path_factory.mktemp("sample")))
        for name in ("orders", "products"):
            patch.setenv(f"SALESLAKE__SOURCES__{name.upper()}_API__API__URL", f"{api.url}/{name}")
        lake = Lake(open_settings(str(DEFAULT_CONFIG)), spark)
        Batch(lake).run(Window())
        yield lake


def _told(lake: Lake) -> str:
    """Every question with the beginning of its answer, as the README has them."""
    lines = []
    for name, query in questions().items():
        columns, rows = run_query(lake, query)
        lines.append(f"@{name}: {', '.join(columns)}")
        lines += ["  " + "  ".join(str(value) for value in row) for row in rows[:_SHOWN]]
        lines += [f"  … {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else []
    return "\n".join(lines)


def test_the_readme_gives_the_answers(sample: Lake) -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    told = _told(sample)
    assert f"```\n{told}\n```" in readme, told


def test_the_answers_are_those_of_plain_python(sample: Lake) -> None:
    tables = ("fact_sales", "dim_user", "dim_product", "dim_order")
    expected = answers({name: stored(sample, SERVED[name]) for name in tables})
    for name, query in questions().items():
        assert run_query(sample, query)[1] == expected[name], name


def test_postgres_gives_the_same_answers(sample: Lake, database: str) -> None:
    postgres.publish(sample, database, "gold")
    with psycopg.connect(database) as connection:
        for name, query in questions().items():
            found = connection.execute(query.encode()).fetchall()
            assert [tuple(map(str, row)) for row in found] == [
                tuple(map(str, row)) for row in run_query(sample, query)[1]
            ], name
            assert found, name


def test_a_question_is_asked_by_name() -> None:
    assert asked("select 1") == "select 1"
    assert asked("@channels").startswith("select f.currency, f.channel")
    with pytest.raises(ConfigError, match=r"no question 'x' in sql/questions\.sql: give @top_users, "):
        asked("@x")
    assert all(table in SERVED for query in questions().values() for table in _tables(query))


def _tables(query: str) -> set[str]:
    return {word.removeprefix("gold.") for word in query.split() if word.startswith("gold.")}


def test_every_question_has_a_name_of_its_own() -> None:
    text = Path(PROJECT_ROOT / "sql" / "questions.sql").read_text(encoding="utf-8")
    assert text.count(";\n") == len(questions()) >= 5
