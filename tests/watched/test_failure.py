"""Runs that fail, watched: what Alertmanager sends, what a run sends itself, what is not forgotten."""

from __future__ import annotations

import json
from email.message import EmailMessage

from tests.watched.canaries import CANARIES
from tests.watched.scene import Watched
from tests.watched.servers import ON_CALL_TOKEN

EXHAUSTED = "SaleslakeApiRetriesExhausted"
APIS = {"orders_api", "products_api"}


def test_a_run_without_its_apis_fails_and_the_last_success_is_not_forgotten(watched: Watched) -> None:
    assert watched.codes["failing run"] == 1, watched.outputs["failing run"]
    assert "gave up after 4 tries" in watched.outputs["failing run"]
    success, at = 'saleslake_run_last_success_timestamp_seconds{command="run"}', watched.failed_at
    assert watched.value('saleslake_run_success{command="run"}', at) == 0
    assert watched.value(success, at) == watched.value(success, watched.pushed_at)
    others = ("partner_api", "users", "products_csv", "transactions", "stock")
    assert watched.by("saleslake_run_retries", at) == dict.fromkeys(APIS, 3) | dict.fromkeys(others, 0)


def test_alertmanager_tells_by_mail_and_webhook_once_for_all_sources(watched: Watched) -> None:
    assert watched.ask(f'ALERTS{{alertname="{EXHAUSTED}", alertstate="firing"}}', watched.alerted_at)
    (mail,) = [mail for mail in watched.mails_of("saleslake@example.com") if EXHAUSTED in mail["Subject"]]
    assert mail["To"] == "on-call@example.com"
    for source in APIS:
        assert f"run: the API of {source} failed at every try" in _text(mail), "one mail for both"
    posts = zip(watched.on.on_call.headers, map(json.loads, watched.on.on_call.bodies), strict=True)
    ((headers, body),) = [(h, b) for h, b in posts if b["groupLabels"]["alertname"] == EXHAUSTED]
    assert headers["authorization"] == f"Bearer {ON_CALL_TOKEN}"
    assert {alert["labels"]["source"] for alert in body["alerts"]} == APIS


def test_what_follows_from_another_alert_is_not_sent(watched: Watched) -> None:
    assert watched.ask('ALERTS{alertname="SaleslakeRunFailed", alertstate="firing"}', watched.alerted_at)
    assert watched.alert_states["SaleslakeRunFailed"] == "suppressed", "its cause speaks for it"
    assert watched.alert_states[EXHAUSTED] == "active"
    assert not [mail for mail in watched.on.mails.mails if "RunFailed" in mail["Subject"]]


def test_each_failure_is_one_mail_and_one_post_of_its_own(watched: Watched) -> None:
    """And so is the test message. Neither good runs nor a good stream send anything."""
    subjects = sorted(mail["Subject"].partition(" on ")[0] for mail in watched.mails_of("lake@example.com"))
    assert subjects == ["saleslake publish", "saleslake run", "saleslake stream", "saleslake: a test of the alerts"]
    commands = sorted(json.loads(body)["command"] for body in watched.on.hooks.bodies)
    assert commands == ["alert-test", "publish", "run", "stream"]


def test_a_run_tells_itself_why_it_failed(watched: Watched) -> None:
    (mail,) = [mail for mail in watched.mails_of("lake@example.com") if " run on " in mail["Subject"]]
    assert mail["Subject"].endswith(": a source gives no answer, run failed")
    assert mail["To"] == "ops@example.com"
    for line in ("orders_api", "products_api", "gave up after 4 tries", "HTTP 401"):
        assert line in mail.get_content()
    assert set(watched.on.hooks.paths) == {f"/services/{CANARIES['webhook']}"}


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    assert part is not None
    return str(part.get_content())
