"""The questions of `sql/questions.sql` on the sample: PostgreSQL answers as DuckDB does, and as the README says."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from saleslake.config import PROJECT_ROOT
from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.serve import postgres
from saleslake.serve.query import run_query
from saleslake.serve.questions import asked, questions
from saleslake.serve.tables import SERVED
from tests.comparing import stored
from tests.lakes import Sample
from tests.serve.answers import answers

SAMPLE = PROJECT_ROOT / "sample_data"
_SHOWN = 5


def _told(lake: Lake) -> str:
    """Every question with the beginning of its answer, as the README has them."""
    lines = []
    for name, query in questions().items():
        columns, rows = run_query(lake, query)
        lines.append(f"@{name}: {', '.join(columns)}")
        lines += ["  " + "  ".join(str(value) for value in row) for row in rows[:_SHOWN]]
        lines += [f"  … {len(rows) - _SHOWN} more"] if len(rows) > _SHOWN else []
    return "\n".join(lines)


def test_the_readme_gives_the_answers(sample: Sample) -> None:
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    told = _told(sample.lake())
    assert f"```\n{told}\n```" in readme, told


def test_the_answers_are_those_of_plain_python(sample: Sample) -> None:
    lake = sample.lake()
    tables = ("fact_sales", "dim_user", "dim_product", "dim_order")
    expected = answers({name: stored(lake, SERVED[name]) for name in tables})
    for name, query in questions().items():
        assert run_query(lake, query)[1] == expected[name], name


def test_postgres_gives_the_same_answers(sample: Sample, database: str) -> None:
    lake = sample.lake()
    postgres.publish(lake, database, "gold")
    with psycopg.connect(database) as connection:
        for name, query in questions().items():
            found = connection.execute(query.encode()).fetchall()
            assert [tuple(map(str, row)) for row in found] == [
                tuple(map(str, row)) for row in run_query(lake, query)[1]
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
