"""One watched lakehouse: a good batch, a stream, a run and a stream that fail, a proof; and what was seen of each of them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import requests
from kafka import KafkaProducer
from typer.testing import CliRunner

from saleslake.cli.app import app
from saleslake.entry import open_settings
from saleslake.lake import Lake
from tests.monitor.dashboards import queries
from tests.processes import PATIENCE_SECONDS, ROOT, Processes, kill
from tests.stream_support import order
from tests.watched.canaries import CommandLines
from tests.watched.servers import TOPIC, Servers, open_to_others
from tools.processes import HOST

Sample = tuple[dict[str, str], float]
"""Labels, and a value."""


@dataclass
class Running:
    """A program that runs, and what it will have printed: read all the time, so that it never waits for its reader."""

    process: subprocess.Popen[str]
    said: Future[tuple[str, str]]

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


@dataclass
class Watched:
    """What happened, in seconds of Unix time (`…_at`), and what it left behind; the servers are still there to be asked."""

    on: Servers
    processes: Processes
    readers: ThreadPoolExecutor
    running: list[Running] = field(default_factory=list)
    command_lines: CommandLines = field(default_factory=CommandLines)
    codes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    """What each command printed, by the name that the story gives it."""
    pushed: list[str] = field(default_factory=list)
    """What the Pushgateway held, time and again."""
    served: list[str] = field(default_factory=list)
    """What the stream and its Spark served while it ran."""
    pushed_at: float = 0.0
    streamed_at: float = 0.0
    stopped_at: float = 0.0
    failed_at: float = 0.0
    alerted_at: float = 0.0
    proven_at: float = 0.0
    open_to_others: list[str] = field(default_factory=list)
    """Addresses other than its own by which the stream answered."""
    alert_states: dict[str, str] = field(default_factory=dict)
    """Alerts as Alertmanager had them at `alerted_at`: active or suppressed."""

    # --- to be asked by tests ----------------------------------------------------------------------

    def lake(self) -> Lake:
        """As everything left it, to be read."""
        return Lake(open_settings(self.on.config()))

    def lake_after_batch(self) -> Lake:
        """As it was at `pushed_at`: a copy."""
        return Lake(open_settings(self.on.config("after-batch")))

    def ask(self, query: str, at: float | None = None) -> list[Sample]:
        """PromQL at a time, now by default: labels and value of each sample."""
        parameters = {"query": query} | ({} if at is None else {"time": str(at)})
        answer = requests.get(f"{self.on.prometheus.url}/api/v1/query", params=parameters, timeout=20).json()
        assert answer["status"] == "success", (query, answer)
        assert answer["data"]["resultType"] == "vector", query
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]

    def value(self, query: str, at: float) -> float:
        found = self.ask(query, at)
        assert len(found) == 1, (query, found)
        return found[0][1]

    def by(self, query: str, at: float, label: str = "source") -> dict[str, float]:
        return {labels[label]: value for labels, value in self.ask(query, at)}

    def mails_of(self, sender: str) -> list[EmailMessage]:
        return [mail for mail in self.on.mails.mails if mail["From"] == sender]

    # --- what the story is told with ---------------------------------------------------------------

    def start(self, *arguments: str, **env: str) -> Running:
        """`saleslake …` as a process of its own, with its log on the terminal."""
        command = ("saleslake", *arguments, "--verbose", "--config", self.on.config())
        process = self.processes.start(*command, cwd=ROOT, **(self.on.environment | env))
        self.command_lines.sessions.add(process.pid)
        self.running.append(Running(process, self.readers.submit(process.communicate, timeout=PATIENCE_SECONDS)))
        return self.running[-1]

    def end(self, name: str, running: Running) -> None:
        """Wait for its end."""
        self.outputs[name] = "".join(running.said.result())
        self.codes[name] = running.process.returncode

    def leave_none_running(self) -> None:
        """Whatever became of the story."""
        for running in self.running:
            if not running.has_ended:
                kill(running.process)

    def command(self, name: str, *arguments: str, data: str = "data", **env: str) -> None:
        """`saleslake …` in this process: what starts no JVM, or takes the session that is there."""
        given = [*arguments, "--verbose", "--config", self.on.config(data)]
        done = CliRunner().invoke(app, given, env=self.on.environment | env)
        self.outputs[name], self.codes[name] = done.stdout + done.stderr, done.exit_code

    def send(self, *events: str) -> None:
        producer = KafkaProducer(**self.on.broker.client_settings(), acks="all")
        for event in events:
            producer.send(TOPIC, event.encode())
        producer.close()

    def holds(self, query: str, unless: Running | None = None) -> bool:
        """Whether Prometheus had an answer in time; not waited for after a program that should give it has ended."""
        seconds = float(PATIENCE_SECONDS) if unless else 120.0
        return bool(until(lambda: self.ask(query) or (unless and unless.has_ended), seconds)) and bool(self.ask(query))

    def keep_metrics(self) -> None:
        self.pushed.append(requests.get(f"{self.on.gateway.url}/metrics", timeout=20).text)

    def empty_panels(self, dashboard: str, at: float) -> set[tuple[str, str]]:
        return {(query.panel, query.ref) for query in queries(dashboard) if not self.ask(query.text, at)}

    def states(self) -> dict[str, str]:
        found = requests.get(f"{self.on.alertmanager.url}/api/v2/alerts", params={"inhibited": "true"}, timeout=20)
        return {alert["labels"]["alertname"]: alert["status"]["state"] for alert in found.json()}


def until(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first value of `what` that is true; the last one, if none was in this time: what it means, a test says."""
    deadline = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def story(it: Watched) -> None:
    """All that happens. Four drivers of Spark, each a process: run, stream, failing run, refused stream."""
    with it.command_lines.watched():
        _batch_succeeds(it)
        _stream_runs(it, meanwhile=lambda: _what_needs_no_spark(it))
        _two_fail(it)
        _everything_is_proven(it)


def _batch_succeeds(it: Watched) -> None:
    """As soon as Prometheus holds what the run pushed, the lakehouse is copied for those who compare it with that."""
    it.end("run", it.start("run"))
    assert it.codes["run"] == 0, it.outputs["run"]
    assert it.holds("saleslake_table_rows")
    it.pushed_at = time.time()
    it.keep_metrics()
    shutil.copytree(it.on.data, it.on.folder / "after-batch")


def _what_needs_no_spark(it: Watched) -> None:
    it.command("metrics", "metrics", data="after-batch")
    it.command("publish", "publish")
    it.command("refused publish", "publish", **it.on.refused)
    it.command("alert-test", "alert-test")


def _stream_runs(it: Watched, meanwhile: Callable[[], None]) -> None:
    """A fifth of the first events is bad. It is stopped when every panel shows something: rates need two scrapes."""
    for server in it.on.late:
        server.result()
    it.on.broker.create_topic(TOPIC)
    stream = it.start("stream", "--source", "kafka")
    meanwhile()
    it.holds('saleslake_stream_state{state="running"} == 1', unless=stream)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    it.send(*[order(f"S{n}", now) for n in range(40)], *[order(f"B{n}", now, currency="?") for n in range(10)])
    it.holds("saleslake_stream_landed_records_total == 50", unless=stream)
    it.send(*[order(f"T{n}", now) for n in range(20)])
    it.holds("saleslake_stream_landed_records_total == 70", unless=stream)
    it.holds("saleslake_stream_watermark_timestamp_seconds", unless=stream)
    until(lambda: stream.has_ended or not it.empty_panels("stream", time.time()), 30)
    it.streamed_at = time.time()
    if not stream.has_ended:
        _look_at_its_endpoints(it)
        stream.process.send_signal(signal.SIGTERM)
    it.end("stream", stream)
    it.holds('up{job="stream"} == 0')
    it.stopped_at = time.time()


def _look_at_its_endpoints(it: Watched) -> None:
    own, sparks = f"http://{HOST}:{it.on.stream_port}", f"http://{HOST}:{it.on.spark_port}"
    for url in (f"{own}/metrics", f"{sparks}/metrics/prometheus/", f"{sparks}/metrics/executors/prometheus"):
        it.served.append(requests.get(url, timeout=20).text)
    it.open_to_others = open_to_others(it.on.stream_port, it.on.spark_port)


def _two_fail(it: Watched) -> None:
    """A run whose APIs are gone, and a stream whom Kafka does not know, side by side; until everybody has been told."""
    run = it.start("run", **it.on.gone)
    stream = it.start("stream", "--source", "kafka", "--once", **it.on.refused)
    it.end("failing run", run)
    it.end("refused stream", stream)
    it.holds('saleslake_run_success{command="run"} == 0')
    it.failed_at = time.time()
    it.keep_metrics()
    it.holds('ALERTS{alertname="SaleslakeApiRetriesExhausted", alertstate="firing"}')
    it.holds('ALERTS{alertname="SaleslakeRunFailed", alertstate="firing"}')
    until(lambda: any("RetriesExhausted" in mail["Subject"] for mail in it.on.mails.mails))
    until(lambda: any("RetriesExhausted" in body for body in it.on.on_call.bodies))
    until(lambda: it.states().get("SaleslakeRunFailed") == "suppressed")
    it.alert_states, it.alerted_at = it.states(), time.time()


def _everything_is_proven(it: Watched) -> None:
    """On the session that the tests share."""
    it.command("verify", "verify")
    it.holds("saleslake_verify_success == 1")
    it.proven_at = time.time()
    it.keep_metrics()
    it.command("ops.runs", "sql", "--format", "json", "select * from ops.runs")
