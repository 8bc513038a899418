"""Rules of a project's own: what a condition can say, what becomes of records that break it, and what is refused at start."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.fingerprint import rules_fingerprint
from tests.silver_support import Given, expect_agreement, judge

Make = Callable[[str], Settings]
SOURCE = '[sources.s]\nentity = "orders"\nformat = "jsonl"\npath = "in"\n'
OTHER = '[sources.other]\nentity = "orders"\nformat = "jsonl"\npath = "in"\nrules = { r = "warn" }\n'


def order(**more: Any) -> str:
    """An order of two lines, sound unless the fields say otherwise."""
    lines = [{"sku": "A", "qty": 2, "price": 2.5}, {"sku": "B", "qty": 1, "price": "7.0001"}]
    created = "2025-03-01T23:30:00Z"
    usual = {"order_id": "O1", "user_id": "U1", "amount": "12.0001", "currency": "EUR", "created_at": created}
    return json.dumps(usual | {"items": lines, "metadata": {"source": "web", "promo": "SPRING"}} | more)


def own(condition: str, name: str = "r", **more: str) -> str:
    """A rule for orders, as TOML."""
    text = f"[[rules.orders.custom]]\nname = \"{name}\"\ncondition = '''{condition}'''\n"
    return text + "".join(f'{setting} = "{value}"\n' for setting, value in more.items())


def broken(settings: Settings, *records: Given, source: str = "s") -> list[dict[str, list[str]]]:
    """What the judge says of each record, but for what is empty."""
    names = ("reasons", "details", "warnings", "discarded_by")
    rows = judge(settings, records, source).to_pylist()
    return [{name: row[name] for name in names if row[name]} for row in rows]


HOLDS = (
    "amount = 12.0001",
    "amount + 0.0001 = 12.0002 and 0.1 + 0.2 = 0.3",
    "amount * amount * amount > 1728.04 and amount * amount * amount < 1728.05",
    "amount % 5 = 2.0001",
    "abs(amount - list_sum([x.quantity * x.unit_price for x in items])) <= 0.005",
    "list_bool_and([x.quantity > 0 for x in items])",
    "len([x for x in items if x.sku like 'B%']) = 1",
    "len(list_filter(items, lambda x: x.unit_price > 5)) = 1",
    "list_max([x.quantity for x in items]) <= 2 and items[1].sku = 'A' and items[2].line_number = 2",
    "currency in ('EUR', 'USD') and channel = 'web' and promo is not null",
    "user_id similar to 'U[0-9]+' and regexp_matches(promo, '^S.*G$') and not promo ilike '%winter%'",
    "created_at >= '2025-03-01' and created_at < date '2025-03-01' + interval '1 day'",
    "created_at = timestamptz '2025-03-02 00:30:00+01' and date = '2025-03-01'",
    "year(created_at) = 2025 and extract(month from date) = 3 and isodow(date) = 6 and hour(created_at) = 23",
    "date_diff('day', date, date '2025-03-11') = 10",
    "case when currency = 'EUR' then amount <= 100 else amount <= 90 end",
    "try_cast(user_id as integer) is null and upper(left(promo, 3)) || 'X' = 'SPRX'",
    "AMOUNT > 0 -- names are those of SQL",
    "coalesce(updated_at, created_at) >= created_at and nullif(currency, 'EUR') is null",
)


@pytest.mark.parametrize("condition", HOLDS)
def test_a_condition_that_holds_leaves_the_record_alone_and_its_opposite_breaks_it(
    condition: str, make_settings: Make
) -> None:
    assert broken(make_settings(SOURCE + own(condition)), order()) == [{}]
    opposite = f"not (\n{condition}\n)"
    (found,) = broken(make_settings(SOURCE + own(opposite, message="so it is")), order())
    assert found == {"reasons": ["r"], "details": ["so it is"]}


def test_what_is_unknown_holds_as_in_a_check_of_sql(make_settings: Make) -> None:
    nobody = order(user_id=None)
    assert broken(make_settings(SOURCE + own("user_id <> 'U2'")), order(user_id="U2"), nobody) == [
        {"reasons": ["r"], "details": ["does not hold: user_id <> 'U2'"]},
        {"warnings": ["user_missing"]},
    ]
    (found,) = broken(make_settings(SOURCE + own("user_id is not null")), nobody)
    assert found == {"reasons": ["r"], "details": ["does not hold: user_id is not null"], "warnings": ["user_missing"]}


def test_severities_say_what_becomes_of_a_record_and_a_source_has_its_own(make_settings: Make) -> None:
    bad = order(user_id=None, amount=-3)
    texts = {severity: own("amount >= 0", severity=severity, message="m") for severity in ("error", "discard", "warn")}
    usual = ["amount_mismatch", "user_missing"]
    wanted: dict[str, dict[str, list[str]]] = {
        "error": {"reasons": ["r"], "details": ["m"], "warnings": usual},
        "discard": {"reasons": ["r"], "details": ["m"], "warnings": usual, "discarded_by": ["r"]},
        "warn": {"warnings": ["amount_mismatch", "r", "user_missing"]},
    }
    for severity, text in texts.items():
        settings = make_settings(SOURCE + OTHER + text)
        assert broken(settings, order(), bad) == [{}, wanted[severity]]
        assert broken(settings, bad, source="other") == [wanted["warn"]]


def test_own_rules_stand_beside_ours_after_them_in_details_and_each_record_is_told_by_itself(
    make_settings: Make,
) -> None:
    rules = '[rules.orders]\nuser_missing = "error"\n' + own("amount < 10", "above_ten") + own("amount < 5", "above_5")
    settings = make_settings(SOURCE + rules)
    found = broken(settings, order(user_id=None, items=[]), order(), order(amount=7), order(amount=1))
    both = ["does not hold: amount < 10", "does not hold: amount < 5"]
    assert found == [
        {
            "reasons": ["above_5", "above_ten", "items_empty", "user_missing"],
            "details": ["items: missing, empty or no array", "user_id: missing", *both],
            "warnings": ["amount_mismatch"],
        },
        {"reasons": ["above_5", "above_ten"], "details": both},
        {"reasons": ["above_5"], "details": both[1:], "warnings": ["amount_mismatch"]},
        {"warnings": ["amount_mismatch"]},
    ]


def test_of_a_record_that_cannot_be_read_no_condition_is_asked(make_settings: Make) -> None:
    settings = make_settings(SOURCE + '[rules.orders]\nunreadable = "discard"\n' + own("user_id is not null"))
    assert broken(settings, "{") == [
        {"reasons": ["unreadable"], "details": ["record: json_invalid"], "discarded_by": ["unreadable"]}
    ]


def test_a_condition_that_fails_on_a_record_is_broken_by_it_says_so_and_costs_no_neighbour(make_settings: Make) -> None:
    huge = order(amount="99999999999999.9999")
    condition = "amount * amount * amount * amount < 1000000"
    for severity in ("error", "warn"):
        settings = make_settings(SOURCE + own(condition, severity=severity, message="too much"))
        first, failed, last = broken(settings, order(), huge, order(amount=100))
        assert first == {}
        if severity == "warn":
            assert failed == {"warnings": ["amount_mismatch", "r"]}
            assert last == {"warnings": ["amount_mismatch", "r"]}
            continue
        assert failed["details"] == [
            "too much (could not be evaluated on this record, as where a number becomes too large)"
        ]
        assert last["details"] == ["too much"]
        assert failed["reasons"] == last["reasons"] == ["r"]


def test_by_zero_nothing_is_divided_so_the_rest_is_unknown(make_settings: Make) -> None:
    assert broken(make_settings(SOURCE + own("amount % 0 = 1")), order()) == [{}]


def test_a_regular_expression_takes_no_longer_than_its_text(make_settings: Make) -> None:
    """Python's own would take longer than the universe is old."""
    settings = make_settings(SOURCE + own("not regexp_full_match(promo, '(a+)+b')"))
    assert broken(settings, order(metadata={"source": "web", "promo": "a" * 100_000})) == [{}]


NO_FUNCTION = r"is none of the functions that a condition can use \(no clock, no chance, no floating point\): abs, "
REFUSED = {
    "amont > 1": r"'amont' is no column; there are: amount, channel, created_at, currency, date, first_refund_date, is_sale, items, last_refund_date, order_id, .*user_id$",
    "x.quantity > 1": "'x' is no column",
    "records.amount > 1": "'records' is no column",
    "current_date > date": "'current_date' is no column",
    "now() > created_at": f"'now' {NO_FUNCTION}",
    "random() > 0.5": f"'random' {NO_FUNCTION}",
    "uuid() is null": f"'uuid' {NO_FUNCTION}",
    "getenv('HOME') is null": f"'getenv' {NO_FUNCTION}",
    "read_text('/etc/passwd') is null": f"'read_text' {NO_FUNCTION}",
    "len(range(1000000000)) > 1": f"'range' {NO_FUNCTION}",
    "sum(amount) > 1": f"'sum' {NO_FUNCTION}",
    "exists(from read_csv('/etc/passwd'))": "subquery: a condition cannot use it",
    "amount > (select 1)": "subquery: a condition cannot use it",
    "row_number() over () > 1": "window: a condition cannot use it",
    "amount > ?": "parameter: a condition cannot use it",
    "true from range(3)": "give one expression, such as amount >= 0$",
    "true, true": "give one expression",
    "true limit 1": "give one expression",
    "true; drop table x": "no condition of SQL",
    "amount >": "no condition of SQL: syntax error at end of input$",
    "amount) > (1": "no condition of SQL: syntax error",
    "amount": r"the condition gives DECIMAL\(38,4\), and must give true or false$",
    "amount > 1e3": "1000.0 is a floating-point number: write it without an exponent$",
    "amount / 2 > 1": "/ gives a floating-point number: multiply the other side instead$",
    "amount // 2 > 1": "// gives a floating-point number",
    "amount::double > 1": "a cast to DOUBLE: allowed are BIGINT, ",
    "date_part('epoch', created_at) > 1": "date_part takes one of these in quotes: day, ",
    "created_at < date + interval 1 day": "write an interval with its unit in quotes: interval '1 day'$",
    "user_id = 5": "Could not convert string 'x' to INT32 .*; compare a text with a text in quotes, or read it by try_cast$",
    "amount > 'abc'": 'Could not convert string "abc" to DECIMAL.*; compare a text with a text in quotes',
    "created_at > '2025-13-01'": 'timestamp field value out of range: "2025-13-01"',
    "list_bool_and([x.sku > 1 for x in items])": "Cannot compare values of type VARCHAR and type INTEGER_LITERAL",
    "list_bool_and([x.nope > 1 for x in items])": 'Could not find key "nope" in struct$',
    "regexp_matches(promo, '(')": r"missing \): \($",
    "len([x for x in items if len([y for y in items]) > 0]) > 0": "a loop within a loop",
}


@pytest.mark.parametrize("condition", REFUSED)
def test_what_is_no_condition_over_one_record_is_refused_at_start_in_one_line(
    condition: str, make_settings: Make
) -> None:
    with pytest.raises(ConfigError) as refused:
        make_settings(SOURCE + own(condition))
    with pytest.raises(ConfigError, match=rf"\.toml: rules\.orders\.custom: condition of r: .*{REFUSED[condition]}"):
        raise refused.value
    assert "\n" not in str(refused.value)


SETTINGS = {
    own("true", "user_missing"): r"rules\.orders\.custom: 'user_missing' is the name of a rule of saleslake",
    own("true", "custom"): r"rules\.orders\.custom: 'custom' is the name of this setting",
    own("true")
    + own("false"): r"rules\.orders\.custom: 'r' is the name of another rule here already; give it another$",
    own("true", "A b"): r"rules\.orders\.custom\.0\.name: .*'A b' must be lower-case letters, digits and _",
    own("true", severity="ignore"): r"rules\.orders\.custom\.0\.severity: .*'error', 'discard' or 'warn'",
    own("true", when="now"): r"rules\.orders\.custom\.0\.when: Extra inputs are not permitted",
    own("true or " * 200 + "true"): r"rules\.orders\.custom\.0\.condition: .*at most 1000 characters",
    own(""): r"rules\.orders\.custom\.0\.condition: .*at least 1 character",
    '[rules.orders]\nr = "warn"\n' + own("true"): r"rules\.orders\.r: 'r' is not a rule; rules there are: amount_mism",
    'rules = { q = "warn" }\n' + own("true"): r"sources\.s\.rules\.q: 'q' is not a rule",
    '[[rules.users.custom]]\nname = "r"\ncondition = "amount > 1"\n': r"rules\.users\.custom: condition of r: 'amount' is no",
}


@pytest.mark.parametrize("text", SETTINGS)
def test_settings_of_own_rules_that_cannot_be_are_refused_by_name(text: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=SETTINGS[text]):
        make_settings(SOURCE + text)


@pytest.mark.parametrize(
    ("entity", "condition", "good", "bad"),
    [
        ("users", "email like '%@%'", {"user_id": "U", "email": "a@b"}, {"user_id": "U", "email": "a"}),
        ("products", "price >= 1", {"sku": "P", "price": 1}, {"sku": "P", "price": "0.9999"}),
        (
            "stock",
            "on_hand < 1000",
            {"product_id": "P", "on_hand": 1, "counted_at": "2025-01-01"},
            {"product_id": "P", "on_hand": 1000, "counted_at": "2025-01-01"},
        ),
        (
            "transactions",
            "total_price = quantity * unit_price",
            {"transaction_id": "T", "sale_date": "2025-01-01", "quantity": 2, "unit_price": 3, "total_price": 6},
            {"transaction_id": "T", "sale_date": "2025-01-01", "quantity": 2, "unit_price": 3, "total_price": 7},
        ),
    ],
)
def test_every_entity_can_have_them(
    entity: str, condition: str, good: dict[str, Any], bad: dict[str, Any], make_settings: Make
) -> None:
    source = f'[sources.s]\nentity = "{entity}"\nformat = "jsonl"\npath = "in"\ndefaults = {{ currency = "EUR" }}\n'
    if entity in ("users", "stock"):
        source = source.replace('defaults = { currency = "EUR" }\n', "")
    settings = make_settings(source + own(condition).replace("rules.orders", f"rules.{entity}"))
    first, second = broken(settings, json.dumps(good), json.dumps(bad))
    assert "reasons" not in first
    assert second["reasons"] == ["r"]


def test_a_changed_rule_is_another_fingerprint_and_none_leaves_it_as_it_was(make_settings: Make) -> None:
    texts = [
        "",
        own("amount > 0"),
        own("amount > 1"),
        own("amount > 0", severity="warn"),
        own("amount > 0", message="m"),
    ]
    found = [rules_fingerprint(make_settings(SOURCE + text)) for text in texts]
    assert len(set(found)) == len(texts)
    assert found[0] == rules_fingerprint(make_settings(SOURCE))


def test_a_severity_from_the_environment_leaves_own_rules_where_they_are(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALESLAKE__RULES__ORDERS__USER_MISSING", "discard")
    rules = make_settings(SOURCE + own("amount > 0")).rules_of("orders")
    assert rules.severities == {"user_missing": "discard"}
    assert [rule.name for rule in rules.custom] == ["r"]


def test_own_rules_on_spark_find_what_they_find_in_memory(spark: SparkSession, make_settings: Make) -> None:
    rules = own("list_sum([x.quantity for x in items]) <= 3", "units") + own("amount < 5", "low", severity="discard")
    settings = make_settings(SOURCE + rules)
    records: list[Given] = [order(), order(amount=3), order(items=[{"sku": "A", "qty": 4, "price": 3}]), "{"]
    assert [sorted(row) for row in broken(settings, *records)] == [
        ["details", "discarded_by", "reasons"],
        ["warnings"],
        ["details", "discarded_by", "reasons"],
        ["details", "reasons"],
    ]
    expect_agreement(spark, settings, {"s": records})
