"""Canaries for secrets: real runs that use them everywhere, and a search of everything that the runs leave behind.

A further place that is written to is one line in `PLACES`; a further secret is one line in `CANARIES`, and its use in `scene`.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq
import pytest
from kafka import KafkaProducer

from saleslake.mock_api import MockApi
from tests.api_support import Reply, scripted
from tests.conftest import write_config
from tests.receivers import Mailbox, Posts, http_receiver, mail_server, self_made_certificate
from tests.stream_support import order
from tools.kafka_broker import KafkaBroker
from tools.postgres_server import PostgresServer

pytestmark = pytest.mark.timeout(3000)  # eight processes, half of them with Spark, on a machine that may be busy
ROOT = Path(__file__).parents[1]
CANARIES = {
    "bearer token": "canary+bearer/3f9a~1",
    "parameter of a URL": "canary+param/77c1",
    "database password": "canary-database-51aa",
    "mail password": "canary-mail-9d02",
    "webhook": "T0/B0/canary-webhook-4410",
    "lineage key": "canary-lineage-c0de",
    "kafka password": "canarykafka62b8",
}
CONFIG = """
[run]
lock_timeout_seconds = 60
[spark.conf]
"spark.eventLog.enabled" = "true"
"spark.eventLog.compress" = "false"
"spark.eventLog.dir" = "file://{root}/data/event-log"
[sources.shop]
entity = "orders"
format = "api"
records_path = "data"
[sources.shop.api]
url = "{shop}/orders"
auth = {{ kind = "bearer", token_env = "SHOP_TOKEN" }}
page_size = 2
[sources.catalogue]
entity = "products"
format = "api"
records_path = "data"
api = {{ url = "{catalogue}/products", page_size = 1 }}
[sources.events_orders]
entity = "orders"
format = "events"
[stream.kafka]
bootstrap_servers = "{kafka}"
topics = "events"
[alerts.smtp]
host = "127.0.0.1"
port = {smtp}
ca_file = "certificate.pem"
sender = "lake@example.com"
recipients = "ops@example.com"
username = "lake"
password_env = "MAIL_PASSWORD"
[alerts.webhook]
url_env = "HOOK"
format = "json"
[lineage]
url = "{lineage}"
api_key_env = "LINEAGE_KEY"
[monitoring]
pushgateway = "{metrics}"
"""
PRODUCTS = [{"sku": f"s{n}", "name": f"thing {n}", "price": n} for n in range(1, 4)]


@dataclass
class Scene:
    """What the runs left behind and sent out. `outputs`: what each process printed, by its name."""

    root: Path
    mails: Mailbox
    hooks: Posts
    lineage: Posts
    metrics: Posts
    outputs: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    command_lines: set[bytes] = field(default_factory=set)

    def run(self, name: str, *arguments: str, env: dict[str, str]) -> None:
        """A process of its own, with its log on the terminal."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=output,
                stderr=output,
                env=os.environ | env,
                cwd=ROOT,
                start_new_session=True,
            )
            try:
                while process.poll() is None:
                    self.command_lines |= command_lines(process.pid)
                    time.sleep(0.2)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            output.seek(0)
            self.outputs[name], self.codes[name] = output.read().decode(), process.returncode


def command_lines(session: int) -> set[bytes]:
    """What everybody on the machine can read of the processes of a session now: Python's, and the JVM's that it started."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            if os.getsid(int(path.parent.name)) == session:
                found.add(path.read_bytes())
    return found


Found = Iterable[tuple[str, bytes]]
"""(where, content), a line a file, body or output."""


def files_below_data(scene: Scene) -> Found:
    """Landing, manifests, logs, event logs, Delta logs, state, checkpoints; of Parquet, which is packed, what is in it."""
    for path in sorted((scene.root / "data").rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet":
                yield f"{path} (rows)", json.dumps(pq.read_table(path).to_pylist(), default=str).encode()


PLACES: dict[str, Callable[[Scene], Found]] = {
    "files below data/": files_below_data,
    "what processes print": lambda scene: [(name, text.encode()) for name, text in scene.outputs.items()],
    "command lines": lambda scene: [(line[:80].decode(errors="replace"), line) for line in scene.command_lines],
    "mails": lambda scene: [("mail", mail.as_bytes() + mail.get_content().encode()) for mail in scene.mails.mails],
    "webhook bodies": lambda scene: [("webhook", body.encode()) for body in scene.hooks.bodies],
    "metrics pushed": lambda scene: [("metrics", body.encode()) for body in scene.metrics.bodies],
    "lineage events": lambda scene: [("lineage", body.encode()) for body in scene.lineage.bodies],
}


def forms(secret: str) -> set[bytes]:
    """As it may be written: plain, percent-encoded, in JSON, in base64 at any of its three offsets."""
    found = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    for offset in range(3):
        coded = base64.b64encode(b"x" * offset + secret.encode()).decode().rstrip("=")[4:-2]
        found |= {coded, coded.replace("+", "-").replace("/", "_")}
    return {form.encode() for form in found}


def leaks(content: bytes) -> list[str]:
    return [name for name, secret in CANARIES.items() if any(form in content for form in forms(secret))]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Every secret used by real servers: runs that succeed with them, and runs that are turned away."""
    root = tmp_path_factory.mktemp("canary")
    (root / "data" / "event-log").mkdir(parents=True)
    orders = [json.loads(order(f"O{n}")) for n in range(3)]
    certificate, own = self_made_certificate(root), CANARIES
    database = PostgresServer()
    database.password = own["database password"]
    with (
        MockApi(orders, token=own["bearer token"]) as shop,
        MockApi(products=PRODUCTS) as catalogue,
        mail_server(certificate, ("lake", own["mail password"])) as mails,
        http_receiver() as hooks,
        http_receiver() as lineage,
        http_receiver() as metrics,
        KafkaBroker(root / "broker", sasl=("saleslake", own["kafka password"])) as broker,
        database,
        # Servers are known to quote what they refuse.
        scripted(Reply(f"not you, Bearer {own['bearer token']}".encode(), 401)) as wary,
    ):
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        env = {
            "SHOP_TOKEN": own["bearer token"],
            "SALESLAKE__SOURCES__CATALOGUE__API__PARAMS": json.dumps({"api_key": own["parameter of a URL"]}),
            "SALESLAKE_POSTGRES_DSN": database.dsn,
            "MAIL_PASSWORD": own["mail password"],
            "HOOK": f"{hooks.url}/services/{own['webhook']}",
            "LINEAGE_KEY": own["lineage key"],
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_JAAS_CONFIG": f'{login} username="saleslake" password="{own["kafka password"]}";',
            "NO_PROXY": "127.0.0.1",
        }
        addresses = {"catalogue": catalogue.url, "kafka": broker.bootstrap, "smtp": mails.port, "lineage": lineage.url}
        addresses["metrics"] = metrics.url
        config = str(write_config(root, CONFIG.format(root=root, shop=shop.url, **addresses)))
        broker.create_topic("events")
        producer = KafkaProducer(**broker.client_settings(), acks="all")
        producer.send("events", order("K1").encode())
        producer.close()
        found = Scene(root, mails, hooks, lineage, metrics)
        cli, verbose = ("-m", "saleslake"), ("--verbose", "--config", config)
        found.run("run", *cli, "run", *verbose, env=env)
        found.run("stream", *cli, "stream", "--source", "kafka", "--once", *verbose, env=env)
        found.run("publish", *cli, "publish", *verbose, env=env)
        refused = env | {
            "SALESLAKE__SOURCES__SHOP__API__URL": wary.url + "/orders",
            "SALESLAKE_POSTGRES_DSN": database.dsn.replace("//saleslake:", "//nobody:"),
            "KAFKA_SASL_JAAS_CONFIG": env["KAFKA_SASL_JAAS_CONFIG"].replace("saleslake", "nobody"),
        }
        found.run("refused run", "jobs/land_api.py", *verbose, env=refused)
        found.run("refused publish", *cli, "publish", *verbose, env=refused)
        found.run("refused stream", *cli, "stream", "--source", "kafka", "--once", *verbose, env=refused)
        found.run("alert-test", *cli, "alert-test", *verbose, env=env)
        found.run("ops.runs", *cli, "sql", "--format", "json", "select * from ops.runs", "--config", config, env=env)
        yield found


def test_the_runs_used_their_secrets_and_were_turned_away_where_they_should_be(scene: Scene) -> None:
    """Else nothing found would mean nothing."""
    succeeded = ("run", "stream", "publish", "alert-test", "ops.runs")
    assert scene.codes == dict.fromkeys(succeeded, 0) | dict.fromkeys(
        ("refused run", "refused publish", "refused stream"), 1
    ), scene.outputs
    assert "HTTP 401" in scene.outputs["refused run"]
    assert scene.mails.users
    assert set(scene.hooks.paths) == {f"/services/{CANARIES['webhook']}"}
    assert {headers["authorization"] for headers in scene.lineage.headers} == {f"Bearer {CANARIES['lineage key']}"}
    assert {json.loads(body)["eventType"] for body in scene.lineage.bodies} == {
        "START",
        "RUNNING",
        "COMPLETE",
        "FAIL",
    }
    assert any("saleslake_run_success" in body for body in scene.metrics.bodies)
    assert any(b"java" in line.partition(b"\0")[0] for line in scene.command_lines)
    # A mail and a post for each of the three failures, and of the test.
    assert (len(scene.mails.mails), len(scene.hooks.bodies)) == (4, 4)


def test_spark_wrote_event_logs_of_the_batch_and_the_stream(scene: Scene) -> None:
    logs = [path for path in (scene.root / "data" / "event-log").rglob("*") if path.is_file()]
    text = b"".join(path.read_bytes() for path in logs)
    assert b"SparkListenerEnvironmentUpdate" in text
    assert b"KafkaSourceProvider$KafkaScan" in text


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in(place: str, scene: Scene) -> None:
    looked_at = list(PLACES[place](scene))
    assert looked_at, f"nothing found to look at: {place}"
    assert {where: found for where, content in looked_at if (found := leaks(content))} == {}


@pytest.mark.parametrize("name", CANARIES)
def test_the_search_finds_a_secret_however_it_is_written(name: str) -> None:
    secret = CANARIES[name]
    pair = base64.b64encode(f"user:{secret}".encode())
    for content in (secret.encode(), quote(secret, safe="").encode(), pair, json.dumps({"a": secret}).encode()):
        assert leaks(b"before " + content + b" after") == [name]
