"""Whether gold says of every simulated key what the simulator's truth says of it: exactly, key by key, in DuckDB."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from saleslake.errors import SaleslakeError, first_line
from saleslake.lake import Lake
from saleslake.serve.duck import connect, require_tables, tables

FACT = "gold.fact_sales"
TABLES = ("orders", "transactions")
SHOWN = 20
"""Keys of a kind that are listed; all are counted."""
_SAID = ("date", "currency", "lines", "units", "net")
_REREAD = "send the events again with `saleslake simulate`, which writes it anew"

_FOUND = """
create temp table found as
select "table", key, lines, units, net,
       if(first_currency = last_currency, first_currency, first_currency || '+' || last_currency) as currency,
       if(first_date = last_date, first_date::varchar, first_date || '+' || last_date) as date
from (select f.source_system as "table", f.order_id as key, count(*) as lines, sum(f.quantity) as units,
             cast(sum(f.line_amount) as decimal(38, 4)) as net, min(f.currency) as first_currency,
             max(f.currency) as last_currency, min(f.date) as first_date, max(f.date) as last_date
      from gold.fact_sales f semi join truth t on f.source_system = t."table" and f.order_id = t.key
      group by all)
"""
_WRONG = """
from truth t join found f using ("table", key)
where t.date <> f.date or t.currency <> f.currency or t.lines <> f.lines
   or t.units is distinct from f.units or t.net is distinct from f.net
"""
_MISSING = 'from truth t anti join found f using ("table", key)'
_SURPLUS = """
from (select distinct source_system as "table", order_id as key from gold.fact_sales f
      where exists (select 1 from prefixes p where starts_with(f.order_id, p.prefix))) t
anti join truth using ("table", key)
"""


@dataclass(frozen=True)
class WrongKey:
    """A key of which gold says something else: (date, currency, lines, units, net) as expected and as found."""

    table: str
    key: str
    expected: tuple[str, ...]
    found: tuple[str, ...]


@dataclass
class TruthReport:
    """What was compared. Lists hold the first keys only, the numbers count all.

    `missing`: keys gold has not. `wrong`: keys gold says something else of. `surplus`: keys of the same seed in gold
    that the truth does not name, such as those of malformed events. `totals`: per currency (net, lines, units) as the
    truth has them and as gold has them for the truth's keys.
    """

    path: Path
    keys: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    wrong: int = 0
    surplus: int = 0
    missing_keys: list[str] = field(default_factory=list)
    wrong_keys: list[WrongKey] = field(default_factory=list)
    surplus_keys: list[str] = field(default_factory=list)
    totals: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether gold says exactly what the truth says."""
        same = all(expected == found for expected, found in self.totals.values())
        return same and not (self.missing or self.wrong or self.surplus)

    def lines(self) -> list[str]:
        """The report as lines of text."""
        found = [f"{t}: {self.found[t]:,} of {n:,} keys in {FACT}" for t, n in self.keys.items()]
        for currency, (expected, got) in self.totals.items():
            text = "net {}, {} lines, {} units".format(*expected)
            other = "" if expected == got else ", but gold has net {}, {} lines, {} units".format(*got)
            found.append(f"{currency}: {text}{other}")
        found += _listed("missing", self.missing, self.missing_keys)
        found += _listed("wrong", self.wrong, [_difference(wrong) for wrong in self.wrong_keys])
        found += _listed("in gold, but not in the truth", self.surplus, self.surplus_keys)
        verdict = "is exactly what gold says" if self.holds else "is NOT what gold says"
        return [*found, f"the truth in {self.path} {verdict}"]


def compare(lake: Lake, truth_path: Path) -> TruthReport:
    """Compare gold.fact_sales with a truth file, for the keys it names: lines, units, net, currency, date of each.

    Raises SaleslakeError if the file is missing or no truth file, and where there is no gold yet.
    """
    document = _read(truth_path)
    require_tables(lake, "gold")
    if FACT not in tables(lake):
        raise SaleslakeError(f"no {FACT} at {lake.folder('tables')}: run `saleslake run` first")
    report = TruthReport(truth_path, keys={table: len(document["keys"].get(table, {})) for table in TABLES})
    with connect(lake) as connection:
        _load(connection, document, truth_path)
        connection.execute(_FOUND)
        counted = dict(connection.execute('select "table", count(*) from found group by all').fetchall())
        report.found = {table: counted.get(table, 0) for table in TABLES}
        report.missing, report.missing_keys = _keys(connection, _MISSING)
        report.surplus, report.surplus_keys = _keys(connection, _SURPLUS)
        report.wrong = _count(connection, _WRONG)
        report.wrong_keys = _wrong(connection)
        report.totals = _totals(connection, document["totals"], truth_path)
    return report


# --- the file --------------------------------------------------------------------------------------


def _read(path: Path) -> dict[str, Any]:
    """The document; what is said of a key as a tuple in the order of _SAID: dictionaries of a million keys are large."""

    def slim(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        return tuple(str(found[name]) for name in _SAID) if "version" in found and "net" in found else found

    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=slim)
    except FileNotFoundError:
        raise SaleslakeError(f"no truth file at {path}: name the one that `saleslake simulate` wrote") from None
    except OSError as e:
        raise SaleslakeError(f"truth file {path} cannot be read: {e.strerror or e}") from None
    except (ValueError, KeyError) as e:
        raise _damaged(path, e) from None
    parts = [document.get(name) for name in ("keys", "totals")] if isinstance(document, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise _damaged(path, "it has no keys and totals")
    return dict(document)


def _damaged(path: Path, reason: object) -> SaleslakeError:
    return SaleslakeError(f"truth file {path} is damaged, or none: {reason}; {_REREAD}")


def _load(connection: duckdb.DuckDBPyConnection, document: dict[str, Any], path: Path) -> None:
    """Temporary tables `truth`, a row a key, and `prefixes`."""
    try:
        for table in TABLES:
            keys = document["keys"].pop(table, {})  # not held twice: they may be a million
            said = list(zip(*keys.values(), strict=True)) or [()] * len(_SAID)
            columns: dict[str, Any] = dict(zip(_SAID, said, strict=True))
            texts = {"key": pa.array(list(keys), pa.string())}
            texts |= {name: pa.array(column, pa.string()) for name, column in columns.items()}
            connection.register(f"_{table}", pa.table(texts))
        connection.execute(
            "create temp table truth as "
            + " union all ".join(
                f"""select '{table}' as "table", key, date, currency, cast(lines as bigint) as lines,
                    cast(units as decimal(18, 3)) as units, cast(net as decimal(18, 4)) as net from _{table}"""
                for table in TABLES
            )
        )
        prefixes = [str(prefix) for prefix in document.get("key_prefixes", [])]
        connection.register("prefixes", pa.table({"prefix": pa.array(prefixes, pa.string())}))
    except (duckdb.Error, pa.ArrowException, ValueError, TypeError, AttributeError) as e:
        raise _damaged(path, first_line(e)) from None


# --- the comparison --------------------------------------------------------------------------------


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    row = connection.execute(f"select count(*) {rows}").fetchone()
    return int(row[0]) if row else 0


def _keys(connection: duckdb.DuckDBPyConnection, rows: str) -> tuple[int, list[str]]:
    """How many, and the first of them."""
    shown = connection.execute(f'select key {rows} order by "table", key limit {SHOWN}').fetchall()
    return _count(connection, rows), [str(key) for (key,) in shown]


def _wrong(connection: duckdb.DuckDBPyConnection) -> list[WrongKey]:
    columns = ", ".join(f"{side}.{name}" for side in "tf" for name in _SAID)
    rows = connection.execute(f'select t."table", t.key, {columns} {_WRONG} order by 1, 2 limit {SHOWN}').fetchall()
    half = len(_SAID)
    return [WrongKey(table, key, _texts(said[:half]), _texts(said[half:])) for table, key, *said in rows]


def _totals(
    connection: duckdb.DuckDBPyConnection, stated: dict[str, Any], path: Path
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    rows = connection.execute(
        "select currency, sum(net), sum(lines), sum(units) from found group by currency"
    ).fetchall()
    found = {str(currency): _texts(sums) for currency, *sums in rows}
    none = _texts([Decimal(0)] * 3)
    try:
        expected = {c: _texts([Decimal(str(t[name])) for name in ("net", "lines", "units")]) for c, t in stated.items()}
    except (InvalidOperation, KeyError, TypeError) as e:
        raise _damaged(path, f"totals: {e!r}") from None
    return {c: (expected.get(c, none), found.get(c, none)) for c in sorted({*expected, *found})}


def _texts(values: Any) -> tuple[str, ...]:
    """Numbers without zeros that say nothing, so that equal ones are equal texts."""
    return tuple(_plain(value) if isinstance(value, Decimal) else str(value) for value in values)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _difference(wrong: WrongKey) -> str:
    pairs = zip(_SAID, wrong.expected, wrong.found, strict=True)
    different = [f"{name} {expected}, found {found}" for name, expected, found in pairs if expected != found]
    return f"{wrong.key}: {'; '.join(different)}"


def _listed(what: str, count: int, shown: list[str]) -> list[str]:
    if not count:
        return []
    more = f" (the first {len(shown)})" if count > len(shown) else ""
    return [f"{what}: {count:,} keys{more}", *[f"  {key}" for key in shown]]
