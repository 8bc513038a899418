"""Alerts: what is told of a run, and real mail and web servers that take it, refuse it, hang or are away."""

from __future__ import annotations

import importlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from saleslake import checks, logs
from saleslake.alerts.message import Alert, Run, alerts_of, message
from saleslake.alerts.tell import send, tell
from saleslake.alerts.tell import test_message as a_test
from saleslake.cli.app import app
from saleslake.config import Alerts, Settings
from saleslake.errors import Interrupted, SaleslakeError
from saleslake.ingest.report import Landed
from saleslake.publish import Outcome
from saleslake.summary import Summary, raise_failures
from tests.conftest import write_config
from tests.processes import Processes
from tests.receivers import http_receiver, mail_server, self_made_certificate, silent_server
from tools.processes import free_port

Make = Callable[[str], Settings]
NOW = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
USERS = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"\n'
CHECK = checks.Check("no_orphans", "every line has its order", "select 0")
RUN = Run("run", "R1", NOW, 12.3, "/etc/saleslake.toml", "/data/logs/R1.jsonl")


def smtp(port: int, more: str = "", tls: str = "none") -> str:
    return (
        f'[alerts]\ntimeout_seconds = 6\n[alerts.smtp]\nhost = "127.0.0.1"\nport = {port}\ntls = "{tls}"\n'
        f'sender = "lake@example.com"\nrecipients = ["ops@example.com", "data@example.com"]\n{more}\n'
    )


def webhook(form: str = "slack") -> str:
    return f'[alerts]\ntimeout_seconds = 6\n[alerts.webhook]\nurl_env = "TEST_HOOK"\nformat = "{form}"\n'


def told_by(settings: Settings, error: BaseException, summary: Summary | None = None) -> None:
    tell(settings, "run", "R1", NOW, summary, error, log="/data/logs/R1.jsonl")


def result(settings: Settings) -> str:
    (one,) = send(settings, a_test(settings)).values()
    return str(one)


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[dict[str, str]]]:
    """Every event logged by the test."""
    logs.configure(str(tmp_path / "logs"), "R1", quiet=True)

    def lines() -> list[dict[str, str]]:
        for handler in logging.getLogger("saleslake").handlers:
            handler.flush()
        path = tmp_path / "logs" / "R1.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    return lines


# --- what is told --------------------------------------------------------------------------------------


def failing() -> Summary:
    summary = Summary(
        landed=[
            Landed("shop", retries=3, gave_up=True, failed=["source shop: HTTP 503 (gave up after 4 tries)"]),
            Landed("tills", failed=["tills.csv: refused: required column sale_date"]),
        ],
        checks=[checks.Result(CHECK, 2)],
    )
    summary.outcomes["users"] = Outcome(records=200, quarantined=30, reasons=Counter(key_missing=30))
    return summary


def error_of(summary: Summary) -> SaleslakeError:
    with pytest.raises(SaleslakeError) as raised:
        raise_failures(summary)
    return raised.value


def test_each_failure_is_told_once_the_most_precise_first() -> None:
    found = alerts_of("run", failing(), error_of(failing()), Alerts())
    assert [(alert.kind, alert.what) for alert in found] == [
        ("check_failed", "check no_orphans: 2 found; expected: every line has its order"),
        ("retries_exhausted", "source shop: HTTP 503 (gave up after 4 tries)"),
        ("run_failed", "tills.csv: refused: required column sale_date"),
        ("quarantine", "30 of 200 records decided were quarantined (15.0%; alerts.quarantine_share = 0.1)"),
    ]


def test_what_is_left_out_of_when_is_not_told_and_a_failure_is_then_told_as_the_run_s() -> None:
    found = alerts_of("run", failing(), error_of(failing()), Alerts(when=["run_failed"]))
    assert [alert.what for alert in found] == [
        "source shop: HTTP 503 (gave up after 4 tries)",
        "tills.csv: refused: required column sale_date",
        "check no_orphans: 2 found; expected: every line has its order",
    ]
    assert not alerts_of("stream", None, ValueError("x"), Alerts(when=["run_failed"]))


@pytest.mark.parametrize(
    ("records", "quarantined", "is_told"), [(99, 99, False), (100, 10, False), (100, 11, True), (1000, 101, True)]
)
def test_quarantine_is_told_above_its_share_of_enough_records(records: int, quarantined: int, is_told: bool) -> None:
    summary = Summary(outcomes={"users": Outcome(records=records, quarantined=quarantined)})
    assert bool(alerts_of("run", summary, None, Alerts())) is is_told
    more = Outcome(records=records + 5000, quarantined=quarantined + 5000, discarded=5000)
    told = alerts_of("run", Summary(outcomes={"users": more}), None, Alerts())
    assert told == alerts_of("run", summary, None, Alerts()), "what a rule discards counts for neither"


def test_a_sound_run_and_an_interrupted_one_are_not_told() -> None:
    assert alerts_of("run", Summary(), None, Alerts()) == []
    assert alerts_of("run", Summary(ended_early=True), Interrupted("interrupted"), Alerts()) == []


def test_an_error_that_is_not_ours_is_told_with_its_type_in_one_line() -> None:
    (found,) = alerts_of("stream", Summary(), ValueError("first\nsecond"), Alerts())
    assert found == Alert("stream_failed", "ValueError: first")


def test_a_message_says_what_where_and_how_to_look_further() -> None:
    summary = failing()
    text = message(RUN, alerts_of("run", summary, error_of(summary), Alerts()), summary)
    assert text.subject.startswith("saleslake run on ")
    assert text.subject.endswith(": check failed, a source gives no answer, run failed, many records quarantined")
    for line in (
        "  check no_orphans: 2 found; expected: every line has its order",
        "landed 0, decided 200, quarantined 30, discarded 0, retries 3, gold tables written 0",
        "users: 30 of 200 quarantined (key_missing 30)",
        "Run      R1: run, 12.3 s from 2026-03-01 06:00:00 UTC",
        "Log      /data/logs/R1.jsonl",
        "  saleslake check --config /etc/saleslake.toml",
        "from ops.runs where run_id = 'R1'",
    ):
        assert line in text.body
    assert text.facts["alerts"][0] == {  # type: ignore[index]
        "kind": "check_failed",
        "what": "check no_orphans: 2 found; expected: every line has its order",
    }


# --- settings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (smtp(25, 'username = "me"\npassword_env = "P"'), "tls 'none' would send the password in plain text"),
        (smtp(25, 'username = "me"', "tls"), "username and password_env .* go together"),
        (smtp(25).replace("ops@example.com", "ops, x@example.com"), "no e-mail address"),
        ('[alerts]\nwhen = ["sunday"]\n', "alerts.when.0: Input should be 'stream_failed'"),
        ("[alerts.webhook]\n", "alerts.webhook.url_env: Field required"),
    ],
)
def test_settings_that_cannot_work_are_refused(text: str, said: str, make_settings: Make) -> None:
    with pytest.raises(SaleslakeError, match=said):
        make_settings(text + USERS)


def test_the_port_follows_from_tls(make_settings: Make) -> None:
    for tls, port in (("starttls", 587), ("tls", 465), ("none", 25)):
        own = make_settings(smtp(1, tls=tls).replace("port = 1\n", "") + USERS).alerts.smtp
        assert own is not None
        assert own.address == ("127.0.0.1", port)


# --- mail ----------------------------------------------------------------------------------------------


def test_a_failed_run_is_one_mail_to_all_recipients(make_settings: Make) -> None:
    with mail_server() as box:
        told_by(make_settings(smtp(box.port) + USERS), SaleslakeError("lock silver: held by run Ä\nfor long"))
    (mail,), (envelope,) = box.mails, box.envelopes
    assert envelope.rcpt_tos == ["ops@example.com", "data@example.com"]
    assert (mail["From"], mail["To"]) == ("lake@example.com", "ops@example.com, data@example.com")
    assert mail["Subject"].endswith(": run failed")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@example.com>")
    assert abs((mail["Date"].datetime - datetime.now(UTC)).total_seconds()) < 60
    assert "  lock silver: held by run Ä for long\r\n" in mail.get_content()


def test_nothing_is_sent_where_nothing_is_to_be_told_or_nobody_is_to_be_told(make_settings: Make) -> None:
    with mail_server() as box:
        tell(make_settings(smtp(box.port) + USERS), "run", "R1", NOW, Summary(), None)
        told_by(make_settings(USERS), SaleslakeError("away"))
    assert box.mails == []


def test_starttls_with_a_login_and_a_certificate_of_ones_own(
    processes: Processes, make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = 'username = "lake"\npassword_env = "TEST_MAIL_PASSWORD"\n'
    monkeypatch.setenv("TEST_MAIL_PASSWORD", "right-horse")
    with mail_server(self_made_certificate(tmp_path, processes), ("lake", "right-horse")) as box:
        trusting = make_settings(smtp(box.port, login + 'ca_file = "certificate.pem"', "starttls") + USERS)
        assert result(trusting) == f"sent to ops@example.com, data@example.com by 127.0.0.1:{box.port}"
        assert box.users == ["lake"]
        monkeypatch.setenv("TEST_MAIL_PASSWORD", "wrong-horse")
        refused = result(trusting)
        assert "does not accept user lake with the password in TEST_MAIL_PASSWORD (answer 535)" in refused
        assert "horse" not in refused
        wary = make_settings(smtp(box.port, login, "starttls") + USERS)
        assert "TLS verification failed: self-signed certificate" in result(wary)
    assert len(box.mails) == 1


def test_a_server_without_starttls_gets_neither_password_nor_mail(make_settings: Make) -> None:
    with mail_server() as box:
        said = result(make_settings(smtp(box.port, tls="starttls") + USERS))
    assert "STARTTLS extension not supported by server. See alerts.smtp.tls" in said
    assert box.mails == []


def test_a_refused_recipient_is_named_and_the_others_get_the_mail(make_settings: Make) -> None:
    with mail_server() as box:
        settings = make_settings(smtp(box.port) + USERS)
        box.refused = {"ops@example.com"}
        said = result(settings)
        assert said == f"alerts.smtp: 127.0.0.1:{box.port} refuses ops@example.com: 550 no such user here"
        assert [envelope.rcpt_tos for envelope in box.envelopes] == [["data@example.com"]]
        box.refused = {"ops@example.com", "data@example.com"}
        assert "refuses ops@example.com: 550 no such user here; data@example.com: 550" in result(settings)


def test_a_busy_server_is_asked_twice_and_one_that_says_no_once(make_settings: Make) -> None:
    with mail_server() as box:
        settings = make_settings(smtp(box.port) + USERS)
        box.answers = ["451 try later"]
        assert result(settings).startswith("sent to")
        box.answers = ["554 no", "550 never asked"]
        assert "answers 554 no" in result(settings)
        assert box.answers == ["550 never asked"]
    assert len(box.mails) == 1


def test_a_server_that_hangs_holds_a_run_up_for_its_time_only(
    make_settings: Make, log: Callable[[], list[dict[str, str]]]
) -> None:
    with silent_server() as port:
        settings = make_settings(smtp(port).replace("timeout_seconds = 6", "timeout_seconds = 2") + USERS)
        started = time.monotonic()
        told_by(settings, SaleslakeError("away"))
        assert time.monotonic() - started < 3
    (line,) = log()
    assert (line["event"], line["level"]) == ("alert_not_sent", "error")
    assert f"127.0.0.1:{port}" in line["reason"] or "no end within" in line["reason"]


# --- webhook -------------------------------------------------------------------------------------------


def test_slack_gets_a_text_that_cannot_call_everybody(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as posts:
        monkeypatch.setenv("TEST_HOOK", posts.url + "/services/T0/B0/secret0")
        told_by(make_settings(webhook() + USERS), SaleslakeError("<!channel> & more"))
    (body,) = posts.bodies
    text = json.loads(body)["text"]
    assert "run failed*\n" in text
    assert "&lt;!channel&gt; &amp; more" in text
    assert posts.paths == ["/services/T0/B0/secret0"]


def test_json_has_the_facts_as_fields(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as posts:
        monkeypatch.setenv("TEST_HOOK", posts.url)
        told_by(make_settings(webhook("json") + USERS), error_of(failing()), failing())
    facts = json.loads(posts.bodies[0])
    assert (facts["command"], facts["run_id"], facts["log"]) == ("run", "R1", "/data/logs/R1.jsonl")
    assert [alert["kind"] for alert in facts["alerts"]][:2] == ["check_failed", "retries_exhausted"]


def test_a_web_server_is_asked_twice_when_busy_never_followed_elsewhere_and_quoted_when_it_refuses(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as posts:
        monkeypatch.setenv("TEST_HOOK", posts.url + "/services/secret0")
        settings = make_settings(webhook() + USERS)
        posts.statuses = [503]
        assert result(settings) == "sent to 127.0.0.1 (HTTP 200)"
        posts.statuses, posts.answer = [404, 500], "no_service for secret0"
        assert result(settings) == "alerts.webhook: 127.0.0.1 answers HTTP 404 no_service for ***"
        posts.statuses = [302]
        assert "answers HTTP 302" in result(settings)
    assert "/elsewhere" not in posts.paths


def test_the_address_of_a_webhook_that_is_away_is_not_told(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[dict[str, str]]]
) -> None:
    monkeypatch.setenv("TEST_HOOK", f"http://127.0.0.1:{free_port()}/services/secret0")
    told_by(make_settings(webhook() + USERS), SaleslakeError("away"))
    (line,) = log()
    assert line["reason"] == "alerts.webhook: 127.0.0.1: ConnectionError (tried twice)"


def test_one_channel_that_fails_does_not_keep_the_other_from_telling(
    make_settings: Make, monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[dict[str, str]]]
) -> None:
    monkeypatch.delenv("TEST_HOOK", raising=False)
    with mail_server() as box:
        told_by(make_settings(smtp(box.port) + webhook().split("\n", 2)[2] + USERS), SaleslakeError("away"))
    assert len(box.mails) == 1
    assert {line["event"] for line in log()} == {"alert_sent", "alert_not_sent"}


def test_secrets_in_an_error_are_hidden(make_settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOOK", "x")
    monkeypatch.setenv("SALESLAKE_POSTGRES_DSN", "postgresql://me:p%40ss-word@db/x")
    with http_receiver() as posts:
        monkeypatch.setenv("TEST_HOOK", posts.url)
        told_by(make_settings(webhook() + USERS), ValueError("cannot connect as me:p@ss-word, p%40ss-word"))
    assert "cannot connect as me:***, ***" in posts.bodies[0]
    assert "ss-word" not in posts.bodies[0]


# --- commands ------------------------------------------------------------------------------------------


def command(*arguments: str) -> Result:
    """`saleslake …` in this process."""
    return CliRunner().invoke(app, list(arguments))


def test_alert_test_says_what_became_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(text: str) -> tuple[int, str, str]:
        done = command("alert-test", "--config", str(write_config(tmp_path, text + USERS)))
        return done.exit_code, done.stdout.strip(), done.stderr.strip()

    with mail_server() as box:
        sent = run(smtp(box.port))
        assert sent == (0, f"alerts.smtp: sent to ops@example.com, data@example.com by 127.0.0.1:{box.port}", "")
        assert "Nothing is wrong" in box.mails[0].get_content()
    code, out, err = run(smtp(box.port))
    assert (code, out) == (1, "")
    assert err.startswith(f"error: alerts.smtp: 127.0.0.1:{box.port}: ConnectionRefusedError")
    monkeypatch.delenv("TEST_HOOK", raising=False)
    code, _, err = run(webhook())
    assert code == 1
    assert "alerts.webhook.url_env names the environment variable TEST_HOOK, which is not set" in err
    code, _, err = run("")
    assert code == 2
    assert "neither [alerts.smtp] nor [alerts.webhook] is there" in err


def test_a_job_with_a_wrong_api_address_sends_one_mail_and_fails_alike_without_a_mail_server(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "jobs"))
    land_api = importlib.import_module("land_api")
    nobody = free_port()
    api = (
        f'[sources.shop]\nentity = "orders"\nformat = "api"\n[sources.shop.api]\nurl = "http://127.0.0.1:{nobody}/orders"\n'
        "retries = 1\nbackoff_seconds = 0.01\n"
    )
    with mail_server() as box:
        config = str(write_config(tmp_path, smtp(box.port) + api))
        told = (land_api.main(["--config", config]), capsys.readouterr().err)
    untold = (land_api.main(["--config", config]), capsys.readouterr().err)
    (mail,) = box.mails
    assert mail["Subject"].endswith(": a source gives no answer")
    (error,) = [line for line in told[1].splitlines() if line.startswith("error:")]
    assert "gave up after 2 tries" in error
    assert error.removeprefix("error: ") in mail.get_content()
    assert (told[0], untold[0]) == (1, 1)
    assert error in untold[1].splitlines()
    assert "alert_not_sent" in untold[1]
    assert "alert_not_sent" not in told[1]
    assert "Traceback" not in untold[1]


def test_a_job_that_cannot_begin_tells_so_too(tmp_path: Path) -> None:
    shop = (
        '[sources.shop]\nentity = "orders"\nformat = "api"\n'
        '[sources.shop.api]\nurl = "https://shop.example/orders"\nauth = { kind = "bearer", token_env = "NO_SUCH_TOKEN" }\n'
    )
    with mail_server() as box:
        done = command("run", "--config", str(write_config(tmp_path, smtp(box.port) + shop)))
    assert done.exit_code == 2
    (mail,) = box.mails
    assert "NO_SUCH_TOKEN, which is not set" in mail.get_content()
    assert not (tmp_path / "data").exists()


def test_publishing_that_fails_is_told(tmp_path: Path) -> None:
    with mail_server() as box:
        config = str(write_config(tmp_path, smtp(box.port) + USERS))
        done = command("publish", "--to", "duckdb", "--config", config)
    assert done.exit_code == 1
    (mail,) = box.mails
    assert "no gold tables at" in mail.get_content()
    assert mail["Subject"].startswith("saleslake publish on ")
