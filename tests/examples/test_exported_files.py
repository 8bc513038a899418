"""The examples of files: of a German till, of PostgreSQL's COPY, and of UCI Online Retail, with figures computed by hand."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

from tests.examples.support import Figures, run
from tests.shared_data import shared_folder

TILL = """Kassenbericht Filiale Köln;;;;;
Datum;Bon;Artikel;Bezeichnung;Menge;Summe
01.03.2025 00:20;10231;4001;Käsekuchen;2;7,80 €
01.03.2025 09:05;10232;4010;Kaffeemühle;1;1.299,00 €
01.03.2025 09:05;10232;4001;Käsekuchen;1;3,90 €
01.03.2025 09:40;10233;4020;"Tee; lose (kg)";0,250;4,50
01.03.2025 10:12;10234;4010;Kaffeemühle;-1;-1.299,00 €
01.03.2025 11:00;10235;4001;Käsekuchen;1;3,90 €
01.03.2025 11:00;10235;4001;Käsekuchen;1;3,90 €

Summe;;;;;24,00 €
"""


def put(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding) if encoding == "cp1252" else text.encode(encoding))


def test_a_german_till(tmp_path: Path) -> None:
    """7.80 + 1,299.00 + 3.90 + 4.50 − 1,299.00 + 3.90 + 3.90 = 24.00, as its last line says; units 2 + 1 + 1 + 0.25 − 1 + 1 + 1.

    The first sale was at twenty past midnight, on 28 February in UTC. The last two rows are equal and two sales.
    """
    put(tmp_path / "exports" / "till" / "2025-03-01.csv", TILL, "cp1252")
    till = run("german_till", tmp_path / "data", EXPORTS=str(tmp_path / "exports"))["till"]
    assert till.quarantined == {}
    assert till.figures == {"EUR": Figures(7, 7, "5.25", "24", 0, ("2025-02-28", "2025-03-01"))}
    assert len(set(till.keys)) == 7
    assert [row["transaction_id"] for row in till.rows] == [
        "10231",
        "10232",
        "10232",
        "10233",
        "10234",
        "10235",
        "10235",
    ]
    assert till.warnings["return_line"] == 1
    assert {row["channel"] for row in till.rows} == {"store"}
    assert till.landed.skipped == 2


COPY_CSV = '''order_id,customer_id,created_at,updated_at,currency,amount,state,items
1,7,2025-03-01 00:30:00+01,2025-03-01 09:00:00+01,EUR,30.00,paid,"[{""sku"" : ""A, big"", ""qty"" : 2, ""price"" : 12.50}, {""sku"" : ""B"", ""qty"" : 1, ""price"" : 5.00}]"
2,,2025-03-02 10:00:00+01,,EUR,12.50,,"[{""sku"" : ""A, big"", ""qty"" : 1, ""price"" : 12.50}]"
3,8,2025-03-02 11:00:00+01,2025-03-02 12:00:00+01,EUR,5.00,cancelled,"[{""sku"" : ""B"", ""qty"" : 1, ""price"" : 5.00}]"
'''  # fmt: skip
COPY_TEXT = r"""id	sold_at	updated_at	sku	customer_id	quantity	total	currency	note
10	2025-03-01 09:00:00.123456+00	2025-03-01 09:00:00+00	A	\N	2	25.00	EUR	two\nlines, a\ttab
11	2025-03-01 10:00:00+00	2025-03-01 10:00:00+00	dir\\B	9	1	5.00	EUR	"quoted" \\
12	2025-03-02 00:00:00+00	2025-03-02 00:00:00+00	A	9	-1	-12.50	EUR	\N
"""


def test_files_of_postgresqls_copy(tmp_path: Path) -> None:
    r"""Orders: 2 × 12.50 + 5.00 = 30.00, and 12.50; 42.50. Sales: 25.00 + 5.00 − 12.50 = 17.50.

    Order 1 was placed at half past midnight at +01, on 28 February in UTC; 3 is cancelled. `\N` is a customer not given.
    """
    put(tmp_path / "postgres" / "orders.csv", COPY_CSV)
    put(tmp_path / "postgres" / "sales.txt", COPY_TEXT)
    came = run("postgres_copy", tmp_path / "data", EXPORTS=str(tmp_path))
    orders, sales = came["orders"], came["sales"]
    assert (orders.quarantined, sales.quarantined) == ({}, {})
    assert orders.figures == {"EUR": Figures(2, 3, "4", "42.5", 1, ("2025-02-28", "2025-03-02"))}
    assert orders.no_sales == ["3"]
    assert [line["sku"] for line in orders.rows[0]["items"]] == ["A, big", "B"]
    assert sales.figures == {"EUR": Figures(3, 3, "2", "17.5", 1, ("2025-03-01", "2025-03-02"))}
    assert [(row["product_id"], row["customer_id"]) for row in sales.rows] == [("A", None), (r"dir\B", "9"), ("A", "9")]
    assert sales.warnings == {"customer_missing": 1, "return_line": 1}
    assert str(sales.rows[1]["version_time"]) == "2025-03-01 10:00:00+00:00"


RETAIL = """InvoiceNo;StockCode;Description;Quantity;InvoiceDate;UnitPrice;CustomerID;Country
900001;A100;PAPER LANTERN;6;01.12.2010 08:26;2,55;90001;United Kingdom
900001;A200;TEA TOWEL "BIRDS";12;01.12.2010 08:26;0,85;90001;United Kingdom
900002;POST;POSTAGE;1;01.12.2010 09:00;18;90002;France
900003;A100;PAPER LANTERN;1;02.12.2010 10:00;2,55;;United Kingdom
900003;A100;PAPER LANTERN;1;02.12.2010 10:00;2,55;;United Kingdom
C900004;A100;PAPER LANTERN;-2;02.12.2010 11:00;2,55;90001;United Kingdom
900005;A300;;3;02.12.2010 12:00;0;;United Kingdom
900006;A100;PAPER LANTERN;1;01.06.2011 00:30;2,55;90002;France
"""


def test_online_retail_in_one_file_with_decimal_commas(tmp_path: Path) -> None:
    """15.30 + 10.20 + 18.00 + 2.55 + 2.55 − 5.10 + 0.00 + 2.55 = 46.05; units 6 + 12 + 1 + 1 + 1 − 2 + 3 + 1.

    Two rows are equal and two sales. The last one is of the first half hour of June by British summer time.
    """
    put(tmp_path / "online_retail.csv", RETAIL)
    sales = run("online_retail_uci", tmp_path / "data", EXPORTS=str(tmp_path))["transactions"]
    assert sales.quarantined == {}
    assert sales.figures == {"GBP": Figures(8, 8, "23", "46.05", 2, ("2010-12-01", "2011-05-31"))}
    assert sales.warnings == {"customer_missing": 3, "return_line": 1, "zero_price": 1}
    assert len(set(sales.keys)) == 8
    assert [row["transaction_id"] for row in sales.rows][4:6] == ["900003", "C900004"]


def test_online_retail_strictly_discards_all_but_sales_to_known_customers_at_a_price(tmp_path: Path) -> None:
    """Of the same rows in the form of the data by days: 15.30 + 10.20 + 18.00 + 2.55 = 46.05; units 6 + 12 + 1 + 1."""
    with (tmp_path / "2010.csv").open("w", newline="", encoding="utf-8") as file:
        for row in csv.reader(RETAIL.splitlines(), delimiter=";", quoting=csv.QUOTE_NONE):
            day, month, year, clock = row[4][:2], row[4][3:5], row[4][6:10], row[4][11:]
            moment = f"{year}-{month}-{day} {clock}:00" if clock else row[4]
            csv.writer(file).writerow([*row[:4], moment, row[5].replace(",", "."), *row[6:]])
    sales = run("online_retail_strict", tmp_path / "data", ONLINE_RETAIL=str(tmp_path))["transactions"]
    assert sales.figures == {"GBP": Figures(4, 4, "20", "46.05", 2, ("2010-12-01", "2011-06-01"))}
    assert sorted(map(tuple, sales.quarantined.values())) == [
        ("customer_missing",),
        ("customer_missing",),
        ("customer_missing", "zero_price"),
        ("return_line",),
    ]
    assert all(row["reasons"] == row["discarded_by"] for row in sales.rows)


def test_online_retail_as_it_is(tmp_path: Path) -> None:
    """The real data of 60 days: rows, units and net of each as computed by another program, and 1,642,617.43 in all."""
    folder = shared_folder("data/online_retail")
    with (folder / "expected_per_day.csv").open(encoding="utf-8") as file:
        expected = {row["day_"]: (int(row["n_rows"]), row["qty"], row["gross_net"]) for row in csv.DictReader(file)}
    sales = run("online_retail", tmp_path, ONLINE_RETAIL=str(folder))["transactions"]
    assert sales.quarantined == {}
    assert sales.figures["GBP"].net == "1642617.43"
    found: dict[str, tuple[int, Decimal, Decimal]] = {}
    for row in sales.rows:
        rows, units, net = found.get(str(row["date"]), (0, Decimal(), Decimal()))
        found[str(row["date"])] = rows + 1, units + row["quantity"], net + row["amount"]
    assert found == {day: (rows, Decimal(units), Decimal(net)) for day, (rows, units, net) in expected.items()}
