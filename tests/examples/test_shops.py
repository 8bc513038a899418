"""The examples of shops: served as these shops page, or in files, with figures computed by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.examples import platforms
from tests.examples.support import FIXTURES, TOKEN, Figures, records, run, served

WOO = {"WOO_KEY": TOKEN, "WOO_SECRET": TOKEN}


def test_orders_of_shopify_by_rest(tmp_path: Path) -> None:
    """Six orders on three pages. 1001 was placed at half past midnight in Berlin, so on 28 February in UTC.

    1001: 2 × 12.50 + 1 × 24.90 = 49.90    1003: 1 × 12.50 + 1 × 3.00 (no SKU) = 15.50
    1004: 2 ordered, 1 sent back: 24.90    1006: 10 × 12.50 = 125.00 (and 112.50 after a discount)
    49.90 + 15.50 + 24.90 + 125.00 = 215.30; units 3 + 2 + 1 + 10. 1002 was cancelled, 1005 paid back.
    """
    with served(platforms.shopify_rest(records("shopify_rest/orders.json"))) as server:
        orders = run("shopify_rest", tmp_path, server.url, SHOPIFY_TOKEN=TOKEN)["orders"]
    assert orders.quarantined == {}
    assert orders.figures == {"EUR": Figures(4, 6, "16", "215.3", 2, ("2025-02-28", "2025-03-03"))}
    assert orders.no_sales == ["5500000001002", "5500000001005"]
    assert orders.warnings == {"user_missing": 1, "amount_mismatch": 1, "no_sale": 2, "return_line": 2}
    assert [row["channel"] for row in orders.rows] == ["web", "web", "pos", "web", "web", "phone"]
    assert [line["sku"] for line in orders.rows[2]["items"]] == ["MUG", "(unknown)"]
    assert (len(server.seen), orders.landed.fetch["end"]) == (3, "no next link")  # type: ignore[index]


def test_orders_of_shopify_in_answers_of_graphql(tmp_path: Path) -> None:
    """Two files of seven orders. Discounts and returns are taken off each line's total.

    1: 22.50 + 22.50 = 45.00    3: 12.50 + 3.00 = 15.50    4: 2 ordered, 1 sent back: 25.00
    45.00 + 15.50 + 25.00 = 85.50 EUR, units 3 + 2 + 1. 6: JPY 2,400. 5 has more lines than its answer holds.
    """
    shutil.copytree(FIXTURES / "shopify_graphql", tmp_path / "exports" / "shopify")
    orders = run("shopify_graphql", tmp_path / "data", EXPORTS=str(tmp_path / "exports"))["orders"]
    assert orders.quarantined == {"5500000001005": ["lines_incomplete"]}
    assert orders.figures == {
        "EUR": Figures(3, 5, "6", "85.5", 2, ("2025-03-01", "2025-03-02")),
        "JPY": Figures(1, 1, "2", "2400", 1, ("2025-03-03", "2025-03-03")),
    }
    assert orders.no_sales == ["5500000001002", "5500000001007"]
    assert orders.warnings == {"user_missing": 1, "no_sale": 2, "return_line": 2}
    assert {row["channel"] for row in orders.rows} == {"web"}
    assert [str(line["unit_price"]) for line in orders.rows[0]["items"]] == ["12.5000", "25.0000"]
    assert [line["sku"] for line in orders.rows[2]["items"]] == ["MUG", "(unknown)"]
    assert str(orders.rows[3]["updated_at"]) == "2025-04-02 17:00:00+00:00"


def test_orders_of_woocommerce(tmp_path: Path) -> None:
    """Nine orders on five pages; the five without a sale are of five statuses.

    501: 3 for 13.00 after a coupon + 2 × 1.20 = 15.40    502: 1.20 + 25.00 = 26.20, a guest's    509: 4 × 5.00 = 20.00
    15.40 + 26.20 + 20.00 = 61.60 EUR, units 5 + 2 + 4; 505: 2 for USD 12.00. 509 was paid back 5.00, which is not seen.
    """
    with served(platforms.woocommerce(records("woocommerce/orders.json"))) as server:
        orders = run("woocommerce", tmp_path, server.url, **WOO)["orders"]
    assert orders.quarantined == {}
    assert orders.figures == {
        "EUR": Figures(3, 5, "11", "61.6", 2, ("2025-03-01", "2025-03-02")),
        "USD": Figures(1, 1, "2", "12", 1, ("2025-03-02", "2025-03-02")),
    }
    assert orders.no_sales == ["503", "504", "506", "507", "508"]
    assert orders.warnings == {
        "user_missing": 1,
        "no_sale": 5,
        "amount_mismatch": 1,
        "rounded": 1,
    }  # 4.90 of shipping; 13 / 3
    assert {row["channel"] for row in orders.rows} == {"checkout"}
    assert str(orders.rows[8]["created_at"]) == "2025-03-02 23:30:00+00:00"
    assert str(orders.rows[8]["updated_at"]) == "2025-03-04 07:00:00+00:00"
    assert [line["sku"] for line in orders.rows[1]["items"]] == ["PEN", "(unknown)"]
    assert (len(server.seen), orders.landed.fetch["end"]) == (5, "stated total reached")  # type: ignore[index]


def test_orders_of_magento(tmp_path: Path) -> None:
    """Five orders on three pages. Of a product and its variant, and of a bundle and its parts, the first line counts.

    1: 2 × 30.00 + 3 × 10.00 = 90.00    3: a set for 54.50 + 10.00 = 64.50
    90.00 + 64.50 = 154.50; units 2 + 3 + 1 + 1. 2 is cancelled, 4 paid back, 5 not paid. 1 was placed at 23:30 UTC.
    """
    with served(platforms.magento(records("magento/orders.json"))) as server:
        orders = run("magento", tmp_path / "all", server.url, MAGENTO_TOKEN=TOKEN)["orders"]
        assert (len(server.seen), orders.landed.fetch["end"]) == (3, "stated total reached")  # type: ignore[index]
        window = "2025-03-02T11:00:00.5Z", "2025-03-03T13:00:00Z"
        changed = run("magento", tmp_path / "changed", server.url, *window, MAGENTO_TOKEN=TOKEN)["orders"]
    assert orders.quarantined == {}
    assert orders.figures == {"GBP": Figures(2, 4, "7", "154.5", 1, ("2025-03-01", "2025-03-02"))}
    assert orders.no_sales == ["000000002", "000000004", "000000005"]
    assert orders.warnings == {"user_missing": 1, "no_sale": 3, "lines_left_out": 3}
    assert [(line["sku"], f"{line['unit_price']:f}") for line in orders.rows[2]["items"]] == [
        ("SET", "54.5000"),
        ("SOCKS", "10.0000"),
    ]
    assert {row["channel"] for row in orders.rows} == {"Main"}
    assert changed.keys == ["000000002", "000000003", "000000005"]


def test_shops_are_asked_for_what_changed_in_a_window(tmp_path: Path) -> None:
    with served(platforms.shopify_rest(records("shopify_rest/orders.json"))) as server:
        window = "2025-03-03T12:00:00Z", "2025-03-04T12:00:00Z"
        orders = run("shopify_rest", tmp_path / "shopify", server.url, *window, SHOPIFY_TOKEN=TOKEN)["orders"]
    assert [key[-4:] for key in orders.keys] == ["1004", "1006"]
    with served(platforms.woocommerce(records("woocommerce/orders.json"))) as server:
        window = "2025-03-02T09:00:00.5Z", "2025-03-03"
        assert run("woocommerce", tmp_path / "woo", server.url, *window, **WOO)["orders"].keys == ["504", "507", "508"]
