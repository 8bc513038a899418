"""The examples of payment providers and marketplaces: served as they page, with figures computed by hand."""

from __future__ import annotations

from pathlib import Path

from tests.examples import platforms
from tests.examples.support import TOKEN, Answer, Came, Figures, records, run, served


def of_stripe() -> Answer:
    return platforms.stripe(records("stripe/charges.json"), records("stripe/refunds.json"))


def ends(came: Came) -> object:
    assert came.landed.fetch is not None
    return came.landed.fetch["end"]


def test_charges_and_refunds_of_stripe(tmp_path: Path) -> None:
    """Six charges and three refunds. ch_1 is of the last second of 28 February.

    EUR: 12.99 + 30.00 (of 40.00, what was captured) = 42.99; back 2.99 + 10.00 = 12.99
    JPY has no decimals: 5000, back 500. KWD has three: 1500 is 1.500. ch_3 failed, ch_6 is pending.
    """
    with served(of_stripe()) as server:
        came = run("stripe", tmp_path, server.url, STRIPE_KEY=TOKEN)
    charges, refunds = came["charges"], came["refunds"]
    assert (charges.quarantined, refunds.quarantined) == ({}, {})
    assert charges.figures == {
        "EUR": Figures(2, 2, "2", "42.99", 1, ("2025-02-28", "2025-03-01")),
        "JPY": Figures(1, 1, "1", "5000", 1, ("2025-03-01", "2025-03-01")),
        "KWD": Figures(1, 1, "1", "1.5", 1, ("2025-03-02", "2025-03-02")),
    }
    assert charges.no_sales == ["ch_6", "ch_3"]
    assert refunds.figures == {
        "EUR": Figures(2, 2, "0", "-12.99", 1, ("2025-03-01", "2025-03-03")),
        "JPY": Figures(1, 1, "0", "-500", 1, ("2025-03-02", "2025-03-02")),
    }
    assert [row["order_id"] for row in refunds.rows] == ["ch_4", "ch_2", "ch_1"]
    assert (ends(charges), ends(refunds), len(server.seen)) == ("has_more is false", "has_more is false", 3 + 2)


def test_payments_of_square(tmp_path: Path) -> None:
    """Five payments on three pages: 12.99 + 20.00 + 7.05 = 40.04, tips not in it; two of them are of one order."""
    with served(platforms.square(records("square/payments.json"))) as server:
        payments = run("square", tmp_path, server.url, SQUARE_TOKEN=TOKEN)["payments"]
    assert payments.quarantined == {}
    assert payments.figures == {"USD": Figures(3, 3, "3", "40.04", 2, ("2025-03-01", "2025-03-02"))}
    assert payments.no_sales == ["P2", "P5"]
    assert [row["order_id"] for row in payments.rows] == ["O1", "O2", "O3", "O3", "O5"]
    assert {row["channel"] for row in payments.rows} == {"SQUARE_POS"}
    assert str(payments.rows[0]["version_time"]) == "2025-03-01 09:00:05.123000+00:00"
    assert (ends(payments), len(server.seen)) == ("no next cursor", 3)


def test_orders_of_amazon(tmp_path: Path) -> None:
    """Six orders on three pages: 19.99 + 1,249.00 + 349.00 = 1,617.99; one cancelled and one pending have no amount, one cannot be sent."""
    with served(platforms.amazon(records("amazon/orders.json"))) as server:
        orders = run("amazon", tmp_path, server.url, AMAZON_TOKEN=TOKEN)["orders"]
    assert orders.quarantined == {}
    assert orders.figures == {"EUR": Figures(3, 3, "3", "1617.99", 0, ("2025-03-01", "2025-03-03"))}
    assert [key[:11] for key in orders.no_sales] == ["303-0000003", "303-0000004", "303-0000006"]
    assert {row["channel"] for row in orders.rows} == {"Amazon.de"}
    assert str(orders.rows[0]["version_time"]) == "2025-03-02 08:00:00+00:00"
    assert (ends(orders), len(server.seen)) == ("no next cursor", 3)


def test_payment_providers_are_asked_for_what_changed_in_a_window(tmp_path: Path) -> None:
    with served(of_stripe()) as server:
        window = "2025-03-01T00:01:00.5Z", "2025-03-02"
        came = run("stripe", tmp_path / "stripe", server.url, *window, STRIPE_KEY=TOKEN)
    assert (came["charges"].keys, came["refunds"].keys) == (["ch_5", "ch_4", "ch_3"], ["txn_1"])
    with served(of_stripe()) as server:
        came = run("stripe", tmp_path / "later", server.url, "2025-03-02", "2025-04-01", STRIPE_KEY=TOKEN)
    assert (came["charges"].keys, came["refunds"].keys) == (["ch_6"], ["txn_3", "txn_2"])
    with served(platforms.square(records("square/payments.json"))) as server:
        came = run("square", tmp_path / "square", server.url, "2025-03-02", "2025-03-03", SQUARE_TOKEN=TOKEN)
        assert came["payments"].keys == ["P3", "P4"]
        nothing = run("square", tmp_path / "none", server.url, "2025-04-01", "2025-05-01", SQUARE_TOKEN=TOKEN)
        assert nothing["payments"].rows == []
    with served(platforms.amazon(records("amazon/orders.json"))) as server:
        window = "2025-03-02T08:30:00Z", "2025-03-03T11:00:00Z"
        came = run("amazon", tmp_path / "amazon", server.url, *window, AMAZON_TOKEN=TOKEN)
    assert [key[:11] for key in came["orders"].keys] == ["303-0000002", "303-0000003", "303-0000004"]
