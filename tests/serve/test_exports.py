"""The DDL in `sql/`, the export for Redshift and the DuckDB file."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from structlog.testing import capture_logs

from saleslake.errors import ConfigError
from saleslake.serve import ddl, duckfile, redshift
from saleslake.serve.duck import connect
from saleslake.serve.publish import publish
from saleslake.serve.tables import SERVED
from tests.serve.conftest import House
from tests.stream_support import order

DIALECTS: tuple[ddl.Dialect, ...] = ("postgres", "redshift", "duckdb")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_file_is_what_the_modules_say(dialect: ddl.Dialect) -> None:
    assert ddl.path(dialect).read_text() == ddl.script(dialect), "run `python -m saleslake.serve.ddl`"


def test_postgres_takes_the_file_and_the_views(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(ddl.path("postgres").read_text().encode())
        for view in ddl.views():
            connection.execute(view.encode())
        found = connection.execute(
            "select table_name, array_agg(column_name::text order by ordinal_position) from information_schema.columns "
            "where table_schema = 'gold' group by 1"
        ).fetchall()
    columns = dict(found)
    assert all(columns[name] == table.column_names for name, table in SERVED.items())
    assert set(columns) - set(SERVED) == set(ddl.view_names())


def test_duckdb_takes_the_file_and_the_views() -> None:
    with duckdb.connect() as connection:
        connection.execute(ddl.path("duckdb").read_text())
        for view in ddl.views():
            connection.execute(view)


def test_in_redshifts_file_what_is_referred_to_comes_first() -> None:
    made: list[str] = []
    for statement in ddl.statements("redshift"):
        name = re.match(r"create table if not exists gold\.(\w+)", statement)
        if name:
            referred = re.findall(r"references gold\.(\w+)", statement)
            assert set(referred) <= set(made), statement
            made.append(name[1])
            keys = re.findall(r"(?:distkey|sortkey) \(([^)]*)\)", statement)
            assert keys
            assert {k.strip() for key in keys for k in key.split(",")} <= set(SERVED[name[1]].column_names)


def test_the_export_holds_gold_in_the_order_of_the_ddl(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    done = {table.table: table for table in redshift.export(house.lake, folder)}
    assert done["fact_sales"].rows == 18
    for name, exported in done.items():
        manifest = json.loads((folder / exported.manifest).read_text())
        rows = 0
        for entry in manifest["entries"]:
            file = folder / entry["url"].removeprefix("s3://bucket/saleslake/")
            assert entry["meta"]["content_length"] == file.stat().st_size
            found = pq.read_table(file)
            rows += found.num_rows
            assert found.column_names == SERVED[name].column_names
            assert not [f for f in found.schema if pa.types.is_timestamp(f.type) and f.type.tz]
        assert rows == exported.rows
    with connect(house.lake) as duck:
        net = duck.execute("select sum(line_amount) from gold.fact_sales").fetchone()
    files = (folder / done["fact_sales"].manifest).parent.glob("*.parquet")
    amounts = [v for file in files for v in pq.read_table(file).column("line_amount").to_pylist()]
    assert (sum(v or Decimal(0) for v in amounts),) == net


def test_the_statements_load_beside_and_swap_in_one_transaction(house: House, tmp_path: Path) -> None:
    redshift.export(house.lake, tmp_path / "export")
    text = (tmp_path / "export" / redshift.LOAD).read_text()
    statements = [s.strip() for s in text.split(";\n") if s.strip()]
    assert statements[0].endswith("\nbegin")
    assert statements[-1] == "commit"
    kinds = [s.split()[0] for s in statements[1:-1]]
    assert kinds.index("delete") > max(i for i, kind in enumerate(kinds) if kind == "copy")
    for name, table in SERVED.items():
        if house.lake.exists(table):
            assert re.search(rf"copy staged_{name}\nfrom 's3://bucket/saleslake/{name}/\S+/manifest.json'", text)
            columns = ", ".join(table.column_names)
            assert f"insert into gold.{name} ({columns}) select {columns} from staged_{name};" in text
    assert "manifest format as parquet serializetojson" in text
    assert "truncate" not in text.lower().replace("-- delete, for truncate", "")


def test_exported_again_only_what_changed_is_written(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "export"

    def written() -> dict[str, float]:
        return {str(f): f.stat().st_mtime_ns for f in folder.rglob("*.parquet")}

    redshift.export(house.lake, folder)
    before = written()
    redshift.export(house.lake, folder)
    assert written() == before
    house.sell("2.jsonl", order("N1", "2024-05-02T10:00:00Z", user_id="u1"))
    house.refresh()
    redshift.export(house.lake, folder)
    new = {Path(f).relative_to(folder).parts[0] for f in written().keys() - before.keys()}
    assert "fact_sales" in new
    assert "dim_date" not in new


def test_a_text_too_long_for_redshift_is_cut_before_a_character_and_said(house: House, tmp_path: Path) -> None:
    promos = {"N1": "ü" * 600, "N2": "x" * 1024, "N3": "x" * 1025, "N4": "x" + "ü" * 600}
    house.sell("2.jsonl", *[order(key, metadata={"source": "web", "promo": promo}) for key, promo in promos.items()])
    house.refresh()
    with capture_logs() as logs:
        redshift.export(house.lake, tmp_path / "export")
    (file,) = (tmp_path / "export" / "dim_order").rglob("*.parquet")
    found = {row["order_id"]: row["promo"] for row in pq.read_table(file).to_pylist() if row["order_id"] in promos}
    assert found == {"N1": "ü" * 510 + "…", "N2": "x" * 1024, "N3": "x" * 1021 + "…", "N4": "x" + "ü" * 510 + "…"}
    (said,) = [log for log in logs if log["event"] == "texts_cut"]
    assert (said["table"], said["column"], said["rows"]) == ("gold.dim_order", "promo", 3)


def test_the_duckdb_file_stands_alone(house: House, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose another name"):
        duckfile.write(house.lake, tmp_path / "gold.duckdb")
    path = tmp_path / "out" / "sales.duckdb"
    rows = duckfile.write(house.lake, path)
    assert [f.name for f in path.parent.iterdir()] == ["sales.duckdb"]
    with duckdb.connect(str(path), read_only=True) as connection, connect(house.lake) as duck:
        connection.execute("set timezone = 'UTC'")
        for name in rows:
            query = f"select * from gold.{name} order by all"
            columns = ", ".join(SERVED[name].column_names)
            assert connection.execute(query).fetchall() == duck.execute(query.replace("*", columns)).fetchall()
        query = "select * from gold.channel_performance_total order by all"
        assert connection.execute(query).fetchall() == duck.execute(query).fetchall()
        comment = connection.execute("select comment from duckdb_tables() where table_name = 'fact_sales'").fetchone()
    assert comment == (SERVED["fact_sales"].grain,)


def test_nothing_to_publish_to_is_one_line(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALESLAKE_POSTGRES_DSN", raising=False)
    with pytest.raises(ConfigError, match="set SALESLAKE_POSTGRES_DSN, or give --to postgres or redshift or duckdb"):
        list(publish(house.lake))
    with pytest.raises(ConfigError, match="publish to 'oracle': give postgres, redshift, duckdb"):
        list(publish(house.lake, "duckdb,oracle"))
    with pytest.raises(ConfigError, match="SALESLAKE_POSTGRES_DSN, which is not set"):
        list(publish(house.lake, "postgres"))
