"""Where partitions go on, what is gone, who has acknowledged it: plain Python over what bronze and the broker say."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from typer.testing import CliRunner

from saleslake import bronze
from saleslake.accounting import Proof
from saleslake.cli.app import app
from saleslake.config import Settings
from saleslake.config_stream import CONSUMER_OPTIONS, KafkaInput
from saleslake.errors import ConfigError, SaleslakeError
from saleslake.fingerprint import rules_fingerprint
from saleslake.gold.sync import Written
from saleslake.lake import Lake
from saleslake.monitor import tables
from saleslake.not_landed import NOTICED, PASSED, acknowledge, lost_offsets
from saleslake.status import status
from saleslake.stream.health import Health
from saleslake.stream.offsets import Gone, Held, Topic, plan
from saleslake.stream.positions import Positions
from saleslake.summary import Summary
from tests.stream_support import CONFIG

OLD, NEW = "oldidoldidoldidoldidol", "newidnewidnewidnewidne"


def topic(*held: tuple[int, int], id_: str = NEW, readable: int | None = None) -> Topic:
    """The topic `t` whose partitions hold [earliest, end)."""
    return Topic(
        "t", id_, {p: Held(first, end if readable is None else readable, end) for p, (first, end) in enumerate(held)}
    )


def place(partition: int, id_: str = NEW) -> str:
    return f"kafka/t@{id_}/{partition}" if id_ else f"kafka/t/{partition}"


# --- where partitions go on ------------------------------------------------------------------------


def test_a_topic_that_is_new_begins_where_the_setting_says_and_bronze_is_to_note_it() -> None:
    found = plan({}, [topic((3, 9), (0, 0), readable=7)], "earliest")
    assert found.starts == {"t": {0: 3, 1: 0}}
    assert found.begun == {place(0): 3, place(1): 0}
    found = plan({}, [topic((3, 9), readable=7)], "latest")
    assert found.starts == {"t": {0: 7}}, "a transaction that is still open is to be read when it ends"
    assert (found.gone, found.made_anew) == ([], [])


def test_a_topic_that_is_known_goes_on_after_what_bronze_has_whatever_the_setting_says() -> None:
    for begin in ("earliest", "latest"):
        found = plan({place(0): 4}, [topic((0, 9), (0, 2))], begin)
        assert found.starts == {"t": {0: 5, 1: 0}}, "a partition added since is read from its beginning"
        assert (found.begun, found.gone, found.made_anew) == ({}, [], [])


def test_offsets_that_bronze_lacks_and_the_broker_has_no_more_are_gone() -> None:
    found = plan({place(0): 119, place(1): 4}, [topic((130, 140), (5, 9), (2, 3))], "earliest")
    assert [one.text for one in found.gone] == ["t/0 [120, 130)", "t/2 [0, 2)"]
    assert found.starts == {"t": {0: 130, 1: 5, 2: 2}}


def test_a_topic_made_anew_is_another_topic_and_begins_at_its_beginning() -> None:
    for begin in ("earliest", "latest"):
        found = plan({place(0, OLD): 119}, [topic((0, 200))], begin)
        assert found.made_anew == ["t"]
        assert found.starts == {"t": {0: 0}}, "though the former one's offset would fit"
    assert [one.text for one in plan({place(0, OLD): 5}, [topic((2, 9))], "latest").gone] == ["t/0 [0, 2)"]


def test_what_landed_before_ids_were_kept_goes_on_under_the_id() -> None:
    found = plan({place(0, ""): 4}, [topic((0, 9), (1, 2))], "latest")
    assert found.starts == {"t": {0: 5, 1: 1}}
    assert found.begun == {place(0): 5, place(1): 1}
    assert found.made_anew == []
    again = plan({place(0, ""): 4, place(0): 4, place(1): 0}, [topic((0, 9), (1, 2))], "latest")
    assert (again.starts, again.begun) == (found.starts, {})


def test_what_landed_before_ids_were_kept_was_another_topic_if_this_one_does_not_reach_it() -> None:
    for held in ([(0, 3)], [(0, 9)]):
        known = {place(0, ""): 4, place(1, ""): 0}
        found = plan(known, [topic(*held)], "earliest")
        assert found.made_anew == ["t"], held
        assert found.starts == {"t": {0: 0}}


def test_a_topic_that_ends_before_what_bronze_has_is_refused_for_its_new_messages_would_count_as_landed() -> None:
    with pytest.raises(
        SaleslakeError, match=r"t/0 ends at offset 3, but bronze has it up to 5: the broker lost messages"
    ):
        plan({place(0): 4}, [topic((0, 3))], "earliest")
    with pytest.raises(SaleslakeError, match="the topic was made anew, or the broker lost messages"):
        plan({place(0, ""): 4}, [topic((0, 3), id_="")], "earliest")


def test_a_name_that_another_name_begins_with_is_not_taken_for_it() -> None:
    found = plan({"kafka/t2@x/0": 7, "kafka/t.t/0": 7}, [topic((1, 9))], "earliest")
    assert (found.starts, found.made_anew) == ({"t": {0: 1}}, [])


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.none() | st.integers(0, 12)), min_size=1, max_size=4)
)
def test_every_offset_of_a_known_topic_is_read_or_gone(partitions: list[tuple[int, int, int | None]]) -> None:
    """Of [next, end) of each partition: what is read and what is gone lie side by side and leave nothing out."""
    held = [(first, first + count) for first, count, _ in partitions]
    offsets = {place(p): upto for p, (_, _, upto) in enumerate(partitions) if upto is not None} or {place(99): 0}
    if any(upto + 1 > held[p][1] for p, (_, _, upto) in enumerate(partitions) if upto is not None):
        with pytest.raises(SaleslakeError):
            plan(offsets, [topic(*held)], "earliest")
        return
    found = plan(offsets, [topic(*held)], "earliest")
    for p, (first, _) in enumerate(held):
        next_ = offsets.get(place(p), -1) + 1
        gone = [(one.first, one.end) for one in found.gone if one.file == place(p)]
        assert gone == ([(next_, first)] if next_ < first else [])
        assert found.starts["t"][p] == max(next_, first)


# --- what control rows say -------------------------------------------------------------------------


def test_an_entry_says_which_offsets_were_read_and_how_many_messages_there_were() -> None:
    positions = Positions()
    positions.remember({"file": place(0), "until": 4})  # as a former version wrote it
    entries = positions.landing({place(0): (5, 9, 3)}, {place(0): 11, place(1): 2, place(2): 0})
    told = [(e["file"], e["from"], e["until"], e["records"]) for e in entries]
    assert told == [(place(0), 5, 10, 3), (place(1), 0, 1, 0)], "gaps are content, and so is an end without a message"
    for entry in entries:
        positions.remember(entry)
    assert positions.landing({}, {place(0): 11, place(1): 2}) == []


def test_what_is_noticed_moves_nothing_until_the_stream_goes_on() -> None:
    positions, gone = Positions(), [Gone(place(0), 5, 9)]
    positions.remember({"file": place(0), "until": 4})
    for how, upto in ((NOTICED, 4), (PASSED, 8)):
        (entry,) = positions.losing(gone, how)
        positions.remember(entry)
        assert positions.offsets[place(0)] == upto
        assert positions.losing(gone, how) == [], "once is enough"


def _note(lake: Lake, *entries: dict[str, object], at: datetime = datetime(2024, 5, 1, 10, tzinfo=UTC)) -> None:
    """A control row as the intake writes it."""
    stage = bronze.Staging(lake.work("staging", "notes"))
    rows = stage.control_row(bronze.Control(landed_at=at, units=list(entries)), bronze.EVENTS, "r")
    lake.engine.append(bronze.table_of(bronze.EVENTS), lake.engine.rows(rows.append_column("stream_time", [[None]])))


@pytest.fixture
def lake(make_settings: Callable[[str], Settings]) -> Lake:
    """A lakehouse that went on after offsets 5 to 9 of t/0, and stopped at those of t/1."""
    made = Lake(make_settings(CONFIG))
    positions = Positions()
    _note(made, {"unit": "u", "file": 'f "lost".jsonl', "records": 1, "landed_at": "2024-05-01T10:00:00.000000Z"})
    _note(made, *positions.losing([Gone(place(0), 5, 7)], NOTICED))
    _note(made, *positions.losing([Gone(place(0), 5, 10)], PASSED), at=datetime(2024, 5, 1, 11, tzinfo=UTC))
    _note(made, *positions.losing([Gone(place(1), 0, 2)], NOTICED), at=datetime(2024, 5, 1, 12, tzinfo=UTC))
    return made


def test_what_is_lost_is_told_once_by_its_latest_range_and_since_it_was_first_noticed(lake: Lake) -> None:
    told = [(one.text, one.noticed_at.hour, one.passed, one.acknowledged) for one in lost_offsets(lake)]
    assert told == [("t/0 [5, 10)", 10, True, False), ("t/1 [0, 2)", 12, False, False)]


def test_an_acknowledgement_names_what_it_is_about_and_holds_for_nothing_else(lake: Lake) -> None:
    with pytest.raises(ConfigError, match=r'"t/0 \[5, 7\)" is not among .*: that is "t/0 \[5, 10\)"; "t/1 \[0, 2\)"'):
        acknowledge(lake, ["t/1 [0, 2)", "t/0 [5, 7)"], "")
    assert not any(one.acknowledged for one in lost_offsets(lake)), "all or nothing"
    acknowledge(lake, ["t/0 [5, 10)"], "retention was a day")
    assert [(one.acknowledged, one.because) for one in lost_offsets(lake)] == [
        (True, "retention was a day"),
        (False, ""),
    ]
    with pytest.raises(ConfigError, match=r'that is "t/1 \[0, 2\)"$'):
        acknowledge(lake, ["t/0 [5, 10)"], "")
    # Of a topic made anew under the same name, the same offsets; and of t/1 more than was noticed.
    _note(lake, *Positions().losing([Gone(place(0, OLD), 5, 10)], PASSED), at=datetime(2024, 5, 2, tzinfo=UTC))
    acknowledge(lake, ["t/1 [0, 2)"], "")
    _note(lake, *Positions().losing([Gone(place(1), 0, 3)], PASSED), at=datetime(2024, 5, 3, tzinfo=UTC))
    still = [one.id for one in lost_offsets(lake) if not one.acknowledged]
    assert still == [f"{place(1)} [0, 3)", f"{place(0, OLD)} [5, 10)"]


def test_status_and_metrics_tell_it_before_and_after_and_the_command_acknowledges(lake: Lake) -> None:
    def measured() -> list[str]:
        lines = generate_latest(tables.registry(lake)).decode().split("\n")
        return [
            line.removeprefix("saleslake_not_landed_offsets") for line in lines if line.startswith("saleslake_not_l")
        ]

    assert measured() == ['{acknowledged="false",partition="t/0"} 5.0', '{acknowledged="false",partition="t/1"} 2.0']
    config = ["--config", str(lake.settings.config_file)]
    refused = CliRunner().invoke(app, ["acknowledge", "t/0 [5, 11)", *config])
    assert (refused.exit_code, refused.stdout) == (2, "")
    done = CliRunner().invoke(app, ["acknowledge", "t/0 [5, 10)", "--because", "seen", *config])
    assert (done.exit_code, done.stdout) == (0, "acknowledged: t/0 [5, 10)\n")
    assert measured() == ['{acknowledged="true",partition="t/0"} 5.0', '{acknowledged="false",partition="t/1"} 2.0']
    found = [(one["what"], one["acknowledged"], one["because"]) for one in status(lake)["not_landed"]]
    assert found == [("t/0 [5, 10)", True, "seen"), ("t/1 [0, 2)", False, "")]
    shown = CliRunner().invoke(app, ["status", *config]).stdout.replace("\n", " ")
    assert "not landed: t/0 [5, 10), noticed 2024-05-01 10:00 UTC, acknowledged" in shown
    assert "not landed: t/1 [0, 2), noticed 2024-05-01 12:00 UTC, not acknowledged: saleslake verify fails" in shown


def test_a_proof_does_not_hold_while_something_never_landed() -> None:
    assert Proof().holds
    assert not Proof(not_landed=["t/0 [5, 10)"]).holds


# --- settings --------------------------------------------------------------------------------------


def test_transactions_that_were_aborted_are_left_unread_unless_told_otherwise() -> None:
    assert KafkaInput().isolation_level == "read_committed"
    with pytest.raises(ValueError, match="'read_committed' or 'read_uncommitted'"):
        KafkaInput(isolation_level="committed")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'none' or 'schema_registry_json'"):
        KafkaInput(framing="avro")  # type: ignore[arg-type]


def test_only_options_that_change_no_meaning_and_hold_no_secret_are_taken() -> None:
    assert KafkaInput(consumer=dict.fromkeys(CONSUMER_OPTIONS, 1))
    for name, said in {
        "isolation.level": "'isolation.level' cannot be set here; there are: client.dns.lookup, ",
        "group.id": "'group.id' cannot be set here",
        "check.crcs": "'check.crcs' cannot be set here",
        "sasl.jaas.config": "comes from the environment: set KAFKA_SASL_JAAS_CONFIG",
        "ssl.keystore.password": "comes from the environment: set KAFKA_SSL_KEYSTORE_PASSWORD",
    }.items():
        with pytest.raises(ValueError, match=said) as refused:
            KafkaInput(consumer={name: "canary"})
        assert said in str(refused.value)


def test_another_framing_is_another_rule_and_none_is_what_it_always_was(
    make_settings: Callable[[str], Settings],
) -> None:
    plain, none, framed = (
        rules_fingerprint(make_settings(CONFIG + text))
        for text in ("", '[stream.kafka]\nframing = "none"\n', '[stream.kafka]\nframing = "schema_registry_json"\n')
    )
    assert plain == none != framed


# --- what a run says -------------------------------------------------------------------------------


def test_a_run_adds_up_what_every_refresh_of_gold_wrote() -> None:
    summary = Summary()
    summary.add_written([Written("gold.fact_sales", 3, {date(2024, 5, 1)}), Written("gold.dim_order", 2)])
    summary.add_written([Written("gold.fact_sales", 4, {date(2024, 5, 1), date(2024, 5, 2)}, 1)])
    assert [(w.table, w.rows, len(w.dates), w.deleted) for w in summary.written] == [
        ("gold.fact_sales", 7, 2, 1), ("gold.dim_order", 2, 0, 0),
    ]  # fmt: skip


def test_rates_of_the_stream_count_events(make_settings: Callable[[str], Settings]) -> None:
    lake = Lake(make_settings(CONFIG))
    health = Health(lake, "files")
    for _ in itertools.repeat(None, 2):
        began = time.monotonic()
        time.sleep(0.05)
        figures = health.micro_batch(40, 10, began)
    assert (figures["records"], figures["input_rows"]) == (40, 50)
    assert 0 < figures["processed_rows_per_second"] <= 50 / 0.05
    assert 0 < figures["input_rows_per_second"] <= 50 / 0.05
    stored = json.loads(Path(lake.work("stream.json")).read_text())
    assert stored["queries"]["events"]["input_rows"] == 50
