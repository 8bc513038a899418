"""Everything that a lakehouse reads from, tells and is watched by; real servers, all on at once, each with its secret."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from saleslake.config import DEFAULT_CONFIG, PROJECT_ROOT
from saleslake.mock_api import MockApi
from tests.api_support import Reply, scripted
from tests.processes import Processes
from tests.receivers import Mailbox, Posts, http_receiver, mail_server, self_made_certificate
from tests.watched.canaries import CANARIES
from tools.kafka_broker import KafkaBroker
from tools.postgres_server import PostgresServer
from tools.processes import HOST, free_port
from tools.prometheus_stack import Alertmanager, Prometheus, Pushgateway, Server

CONF, SAMPLE = PROJECT_ROOT / "conf", PROJECT_ROOT / "sample_data"
USER, TOPIC, ON_CALL_TOKEN = "saleslake", "saleslake-events", "webhook-token"
LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="{}" password="{}";'
SETTINGS = """
[sources.partner_api]
entity = "products"
format = "api"
records_path = "data"
api = {{ url = "{partner}/products", auth = {{ kind = "bearer", token_env = "ORDERS_API_TOKEN" }} }}
[spark.conf]
"spark.eventLog.enabled" = "true"
"spark.eventLog.compress" = "false"
"spark.eventLog.dir" = "file://{data}/event-log"
[alerts.smtp]
host = "127.0.0.1"
port = {mail}
ca_file = "{folder}/certificate.pem"
sender = "lake@example.com"
recipients = "ops@example.com"
username = "saleslake"
password_env = "MAIL_PASSWORD"
[alerts.webhook]
url_env = "HOOK"
format = "json"
[lineage]
url = "{lineage}"
api_key_env = "LINEAGE_KEY"
[monitoring]
pushgateway = "{gateway}"
stream_port = {stream_port}
spark_port = {spark_port}
"""


@dataclass
class Servers:
    """`environment`: the secrets, as every run is given them. `refused`, `gone`: what differs for runs that are to fail."""

    folder: Path
    mails: Mailbox
    hooks: Posts
    on_call: Posts
    """What Alertmanager posted, beside its mails."""
    lineage: Posts
    gateway: Server
    alertmanager: Server
    prometheus: Server
    broker: KafkaBroker
    database: PostgresServer
    shop: MockApi
    catalogue: MockApi
    partner: MockApi
    """Has nothing to sell; part of the configuration from the start, for another set of sources would be other tables of gold."""
    wary: str
    """An API that knows nobody."""
    stream_port: int
    spark_port: int
    late: list[Future[object]]
    """Servers that take their time, and are not needed at once."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        own = CANARIES
        return {
            "ORDERS_API_TOKEN": own["bearer token"],
            "SALESLAKE__SOURCES__PRODUCTS_API__API__PARAMS": json.dumps({"api_key": own["parameter of a URL"]}),
            "SALESLAKE_POSTGRES_DSN": self.database.dsn,
            "MAIL_PASSWORD": own["mail password"],
            "HOOK": f"{self.hooks.url}/services/{own['webhook']}",
            "LINEAGE_KEY": own["lineage key"],
            "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_JAAS_CONFIG": LOGIN.format(USER, own["kafka password"]),
        }

    @property
    def refused(self) -> dict[str, str]:
        """The right passwords of somebody whom neither Kafka nor PostgreSQL knows."""
        return {
            "SALESLAKE_POSTGRES_DSN": self.database.dsn.replace(f"//{USER}:", "//nobody:"),
            "KAFKA_SASL_JAAS_CONFIG": LOGIN.format("nobody", CANARIES["kafka password"]),
            "SALESLAKE__MONITORING__STREAM_PORT": "0",
        }

    @property
    def gone(self) -> dict[str, str]:
        """Two APIs are away; the partner's refuses the token, and quotes it."""
        nowhere = f"http://{HOST}:{free_port()}"
        urls = {"ORDERS": f"{nowhere}/orders", "PRODUCTS": f"{nowhere}/products", "PARTNER": f"{self.wary}/products"}
        return {f"SALESLAKE__SOURCES__{name}_API__API__URL": url for name, url in urls.items()}

    def config(self, data: str = "data") -> str:
        """The sample's configuration, over this folder of data; written if need be."""
        path = self.folder / f"{data}.toml"
        if not path.exists():
            path.write_text(self._settings(self.folder / data), encoding="utf-8")
        return str(path)

    def _settings(self, data: Path) -> str:
        products = 'products"\npagination = "next"\npage_size = {}'
        text = replaced(
            DEFAULT_CONFIG.read_text(encoding="utf-8"),
            {
                'root = ".."': f'root = "{PROJECT_ROOT}"',
                'data = "data"': f'data = "{data}"',
                "http://127.0.0.1:8088/orders": f"{self.shop.url}/orders",
                # Several pages: the link to the next one repeats the secret parameter.
                f"http://127.0.0.1:8088/{products.format(100)}": f"{self.catalogue.url}/{products.format(20)}",
                "# auth = ": "auth = ",
                "127.0.0.1:9092": self.broker.bootstrap,
                'trigger = "2 seconds"': 'trigger = "1 second"\nminute_trigger = "2 seconds"',
            },
        )
        addresses = {"mail": self.mails.port, "lineage": self.lineage.url, "gateway": self.gateway.url}
        addresses["partner"] = self.partner.url
        ports = {"stream_port": self.stream_port, "spark_port": self.spark_port}
        return text + SETTINGS.format(folder=self.folder, data=data, **addresses, **ports)


def replaced(text: str, words: dict[str, str]) -> str:
    """A file of conf/ with what differs here; each word must be in it."""
    for old, new in words.items():
        assert old in text, f"{old!r} is gone from the file"
        text = text.replace(old, new)
    return text


@contextmanager
def all_on(folder: Path, processes: Processes) -> Iterator[Servers]:
    """The servers with the configuration of conf/, but for addresses, passwords and pace. Nothing has run yet."""
    own = CANARIES
    (folder / "data" / "event-log").mkdir(parents=True)
    certificate = self_made_certificate(folder, processes)
    stream_port, spark_port = free_port(), free_port()
    broker = KafkaBroker(folder / "broker", port=free_port(), sasl=(USER, own["kafka password"]))
    database, gateway = PostgresServer(), Pushgateway()
    database.password = own["database password"]
    # The pool ends first: a server that is about to start is ended after it has.
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        mails = stack.enter_context(mail_server(certificate, (USER, own["mail password"])))
        hooks, on_call, lineage = (stack.enter_context(http_receiver()) for _ in range(3))
        alertmanager = Alertmanager(_alerting(folder, mails, on_call))
        targets = {"stream:9464": stream_port, "stream:4040": spark_port}
        targets |= {"pushgateway:9091": gateway.port, "alertmanager:9093": alertmanager.port}
        prometheus = Prometheus(_watching(folder, targets))
        soon = [pool.submit(stack.enter_context, one) for one in (gateway, alertmanager, prometheus)]
        late: list[Future[object]] = [pool.submit(stack.enter_context, one) for one in (database, broker)]
        shop = stack.enter_context(MockApi(SAMPLE / "api_orders.json", token=own["bearer token"]))
        catalogue = stack.enter_context(MockApi(products=SAMPLE / "api_products.json"))
        partner = stack.enter_context(MockApi(token=own["bearer token"]))
        # Servers are known to quote what they refuse.
        wary = stack.enter_context(scripted(Reply(f"not you, Bearer {own['bearer token']}".encode(), 401)))
        for started in soon:
            started.result()
        yield Servers(
            folder, mails, hooks, on_call, lineage, gateway, alertmanager, prometheus, broker, database,
            shop, catalogue, partner, wary.url, stream_port, spark_port, late,
        )  # fmt: skip


def _alerting(folder: Path, mails: Mailbox, on_call: Posts) -> Path:
    """Alertmanager's configuration."""
    secrets = {"smtp_password": CANARIES["mail password"], "webhook_token": ON_CALL_TOKEN}
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    addresses = ("- to: data-team@example.com", "- to: on-call@example.com")
    trusting = f"\n        tls_config: {{ca_file: {folder / 'certificate.pem'}}}"
    words = {
        "mail.example.com:587": f"{HOST}:{mails.port}",
        "http://webhook.example.com/saleslake": f"{on_call.url}/saleslake",
        "group_wait: 10s": "group_wait: 3s",
    }
    words |= {f"/run/secrets/{name}": str(folder / name) for name in secrets}
    words |= {address: address + trusting for address in addresses}
    path = folder / "alertmanager.yml"
    path.write_text(replaced((CONF / "alertmanager" / "alertmanager.yml").read_text(), words))
    return path


def _watching(folder: Path, targets: dict[str, int]) -> Path:
    """Prometheus's configuration, beside the rules that it names."""
    shutil.copytree(CONF / "prometheus" / "rules", folder / "rules")
    words = {"15s": "1s"} | {name: f"{HOST}:{port}" for name, port in targets.items()}
    path = folder / "prometheus.yml"
    path.write_text(replaced((CONF / "prometheus" / "prometheus.yml").read_text(), words))
    return path


def open_to_others(*ports: int) -> list[str]:
    """Addresses of this machine, other than the one that servers here listen on, by which somebody answers."""
    hosts = {"127.0.0.2"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):  # a machine without a network
        probe.connect(("192.0.2.1", 9))  # sends nothing; says by which address it would
        hosts.add(probe.getsockname()[0])
    return [f"{host}:{port}" for host in hosts - {HOST} for port in ports if _answers(host, port)]


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError:
        return False
    return True
