"""Sources of which nearly every record is quarantined: from how many on, and what a stream does about it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from saleslake import entry, misread, session
from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.lake import Lake
from saleslake.publish import Outcome
from saleslake.summary import Summary
from tests.conftest import write_config
from tests.receivers import http_receiver

Make = Callable[[str], Settings]
USERS = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'


def bad(records: int, quarantined: int) -> Outcome:
    reasons = Counter({"created_at_unreadable": quarantined}) if quarantined else Counter()
    return Outcome(records=records, quarantined=quarantined, reasons=reasons)


@pytest.mark.parametrize(
    ("setting", "records", "quarantined", "too_many"),
    [
        ("", 20, 20, True),
        ("", 19, 19, False),
        ("", 1000, 999, False),
        ("quarantine_share = 0.5", 1000, 500, True),
        ("quarantine_share = 0.5", 1000, 499, False),
        ("quarantine_from_records = 3", 3, 3, True),
    ],
)
def test_it_is_all_of_twenty_records_or_what_the_settings_say(
    setting: str, records: int, quarantined: int, too_many: bool, make_settings: Make
) -> None:
    lake = Lake(make_settings(f"[run]\n{setting}\n{USERS}"))
    assert misread.holds(lake, records, quarantined) is too_many


def test_what_a_rule_discards_is_no_sign_of_a_source_misread(make_settings: Make) -> None:
    lake = Lake(make_settings(USERS))
    nineteen = Outcome(records=499, quarantined=499, discarded=480, reasons=Counter({"key_missing": 19}))
    assert misread.Watch(lake).look({"events: users": nineteen}) == []
    on_purpose = Outcome(records=500, quarantined=480, discarded=480)
    assert misread.Watch(lake).look({"events: users": on_purpose}) == []
    nineteen.add(bad(1, 1))
    (line,) = misread.Watch(lake).look({"events: users": nineteen})
    assert "20 of 20 records in a row" in line


@pytest.mark.parametrize("setting", ["quarantine_share = 0", "quarantine_share = 1.1", "quarantine_from_records = 0"])
def test_a_share_that_is_none_is_refused_at_start(setting: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError, match=setting.split(" ")[0]):
        make_settings(f"[run]\n{setting}\n{USERS}")


def test_a_stream_is_told_once_a_time_that_nothing_of_it_is_good(make_settings: Make) -> None:
    watch = misread.Watch(Lake(make_settings(USERS)))
    name = "events: orders"
    assert watch.look({name: bad(1000, 10)}) == []
    assert watch.look({name: bad(1010, 20)}) == [], "ten in a row"
    (line,) = watch.look({name: bad(1030, 40)})
    assert "events: orders: 30 of 30 records in a row" in line and "created_at_unreadable" in line
    assert watch.look({name: bad(1500, 510)}) == [], "told already"
    assert watch.look({name: bad(1600, 600)}) == [], "good ones came"
    assert len(watch.look({name: bad(1650, 650)})) == 1, "and then none again"


def test_a_stream_sends_its_alert_and_goes_on(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as posts:
        monkeypatch.setenv("TEST_HOOK", posts.url)
        lake = Lake(make_settings(f'[alerts.webhook]\nurl_env = "TEST_HOOK"\n{USERS}'))
        told = entry.while_running(lake, "stream", datetime.now(UTC), entry.Emitter(lake, "stream"))
        told(Summary(outcomes={"events: orders": bad(25, 25)}, stream_input="kafka"))
        deadline = time.monotonic() + 20
        while not posts.bodies and time.monotonic() < deadline:
            time.sleep(0.02)
    assert "25 of 25 records in a row" in str(posts.bodies[0])


def test_a_path_that_names_nothing_is_said_before_spark_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def start(*_: object) -> None:
        said.append(capsys.readouterr().err)
        raise ConfigError("no Spark in this test")

    monkeypatch.setattr(session, "build_session", start)
    config = write_config(tmp_path, USERS)
    try:
        check = lambda settings: entry.say_missing_paths(settings, ["users"])  # noqa: E731
        entry.run_job("run", str(config), lambda _: None, check=check, engine="spark")
    finally:
        logging.getLogger("saleslake").handlers.clear()  # they write to what pytest takes away
    assert "sources.users.path: nothing at" in said[0]


@pytest.mark.parametrize(
    ("digits", "sha256", "given_up"), [("0" * 12, "0" * 64, True), ("0" * 12, "0" * 11 + "1" * 53, False)]
)
def test_a_file_is_given_up_by_the_beginning_of_its_hash(
    digits: str, sha256: str, given_up: bool, make_settings: Make
) -> None:
    source = make_settings(f'{USERS}dismiss = ["{digits}"]').sources["users"]
    assert source.dismisses(sha256) is given_up


@pytest.mark.parametrize("digits", ["", "u.csv", "0" * 11, "G" * 12, "0" * 65])
def test_what_is_no_hash_is_refused_at_start(digits: str, make_settings: Make) -> None:
    with pytest.raises(ConfigError, match="hex digits"):
        make_settings(f'{USERS}dismiss = ["{digits}"]')
