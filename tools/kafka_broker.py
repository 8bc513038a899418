"""A Kafka broker of one node on this machine, without containers: for tests, and in the foreground for `make kafka`.

    with KafkaBroker(folder) as broker:
        broker.create_topic("events", partitions=3)
        KafkaProducer(**broker.client_settings())

The JARs come from Maven at the first start (`conf/kafka.lock`) and stay in the virtual environment.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import logging
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from saleslake.jars import install_jars, installed, read_lock
from saleslake.machine import java_executable, java_problem
from tools.processes import HOST, end

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "conf" / "kafka.lock"
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]+")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENT://{host}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
listener.security.protocol.map=CLIENT:{protocol},CONTROLLER:PLAINTEXT
log.dirs=log
auto.create.topics.enable=false
# Kafka goes by the time a producer gives a message, so events of last year would be gone within minutes.
log.retention.ms=-1
# A killed broker is forgotten after this long, and only then let in again (9 s by default).
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
# Of the topics that Kafka keeps for itself, one copy on one node, and quick to make.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# 128 MiB of the heap otherwise.
log.cleaner.dedupe.buffer.size=4194304
"""

_SASL_PROPERTIES = """\
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="{user}" password="{secret}" user_{user}="{secret}";
"""

_LOG_PROPERTIES = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
# Who gave a wrong password: clients are not always told before the connection is closed.
logger.selector.name=org.apache.kafka.common.network.Selector
logger.selector.level=info
"""


class KafkaBrokerError(RuntimeError):
    """The broker cannot be had, or does not start; says why."""


class KafkaBroker:
    """A broker and its controller in one JVM, on the loopback address only.

    What was produced stays in `folder`: a second broker there, or the same one started again, has it. `sasl` is the one
    user and password (SASL/PLAIN) that clients must give; without it anyone may connect. No port means any free one, the
    same at each start of this object.
    """

    def __init__(self, folder: Path, *, port: int | None = None, sasl: tuple[str, str] | None = None) -> None:
        if sasl and not all(_PLAIN_WORD.fullmatch(word) for word in sasl):
            raise ValueError("user and password of a test broker: letters, digits, '_', '.', '-'")
        self.folder = folder
        self.sasl = sasl
        self.port = port or 0
        self._controller_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for `bootstrap.servers`."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self.folder / "broker.log"

    def client_settings(self) -> dict[str, Any]:
        """Keyword arguments of kafka-python's clients."""
        settings: dict[str, Any] = {"bootstrap_servers": self.bootstrap}
        if self.sasl:
            settings |= {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
            settings |= {"sasl_plain_username": self.sasl[0], "sasl_plain_password": self.sasl[1]}
        return settings

    def __enter__(self) -> KafkaBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers. KafkaBrokerError if it does not."""
        if self._process is not None:
            raise KafkaBrokerError(f"the broker at {self.bootstrap} runs already")
        java = [_java(), "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", _class_path()]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "broker.lock").open("ab") as lock, self.log.open("ab") as log:
            self._lock(lock)
            self._choose_ports()
            self._write_configuration()
            if not (self.folder / "log" / "meta.properties").exists():
                self._format(java)
            self._process = subprocess.Popen(
                [*java, "-Dlog4j2.configurationFile=log4j2.properties", "kafka.Kafka", "server.properties"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[lock.fileno()],  # the folder is locked for as long as the JVM lives
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order (SIGTERM), or else by force."""
        end(self._process, _STOP_SECONDS)
        self._process = None

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> None:
        """For as long as it runs. KafkaBrokerError when it ends by itself."""
        if self._process is not None:
            code = self._process.wait()
            raise KafkaBrokerError(f"Kafka stopped (exit {code}): {self._last_words()}")

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Make a topic and wait until it can be used; one that exists stays as it is."""
        with self.admin() as admin, contextlib.suppress(TopicAlreadyExistsError):
            admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)

    @contextlib.contextmanager
    def admin(self, **settings: Any) -> Iterator[Any]:
        """kafka-python's admin client; `settings` go beside, or before, the broker's own."""
        client = KafkaAdminClient(**(self.client_settings() | settings))
        try:
            yield client
        finally:
            client.close()

    def _lock(self, lock: IO[bytes]) -> None:
        """Kafka's own lock comes after it has touched the metadata of the broker that runs already."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            raise KafkaBrokerError(f"another broker runs in {self.folder}; stop it or give another folder") from e

    def _choose_ports(self) -> None:
        with socket.socket() as client, socket.socket() as controller:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                client.bind((HOST, self.port))
            except OSError as e:
                raise KafkaBrokerError(f"port {self.port} on {HOST} cannot be had ({e.strerror}); give another") from e
            controller.bind((HOST, 0))
            self.port = client.getsockname()[1]
            self._controller_port = controller.getsockname()[1]

    def _write_configuration(self) -> None:
        # Names in the files are relative to this folder, so that it may be called anything.
        text = _PROPERTIES.format(
            host=HOST,
            port=self.port,
            controller_port=self._controller_port,
            protocol="SASL_PLAINTEXT" if self.sasl else "PLAINTEXT",
        )
        if self.sasl:
            text += _SASL_PROPERTIES.format(user=self.sasl[0], secret=self.sasl[1])
        properties = self.folder / "server.properties"
        properties.touch(mode=0o600)
        properties.write_text(text, encoding="ascii")
        (self.folder / "log4j2.properties").write_text(_LOG_PROPERTIES, encoding="ascii")

    def _format(self, java: list[str]) -> None:
        command = ["kafka.tools.StorageTool", "format", "--config", "server.properties", "--cluster-id", _cluster_id()]
        done = subprocess.run([*java, *command], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KafkaBrokerError(
                f"Kafka could not format {self.folder}:\n{(done.stdout + done.stderr).strip()[-1500:]}"
            )

    def _wait(self) -> None:
        """Until the broker lists itself: its socket alone may be open earlier."""
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise KafkaBrokerError(f"Kafka stopped (exit {self._process.returncode}): {self._last_words()}")
            if self._listens() and self._answers():
                return
            time.sleep(0.1)
        raise KafkaBrokerError(f"Kafka does not answer at {self.bootstrap} after {_START_SECONDS:.0f} s: {self.log}")

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _answers(self) -> bool:
        try:
            with self.admin(bootstrap_timeout_ms=5000, request_timeout_ms=5000) as admin:
                return bool(admin.describe_cluster()["brokers"])
        except KafkaError:
            return False

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if " ERROR " in line or "Exception" in line]
        return "\n".join((errors or lines)[-5:])


def _java() -> str:
    java = java_executable()
    if java is None:
        raise KafkaBrokerError(java_problem() or "Java not found")
    return java


def _class_path() -> str:
    """The broker's JARs, brought once; Scala's library from Spark."""
    import pyspark  # here, for the few milliseconds it costs those who only import this module

    folder = Path(sys.prefix) / "kafka"
    lock = read_lock(LOCK)
    try:
        install_jars(lock, folder)
    except RuntimeError as e:
        raise KafkaBrokerError(f"the Kafka broker cannot be installed: {e}") from e
    (scala,) = (Path(pyspark.__file__).parent / "jars").glob("scala-library-*.jar")
    return ":".join([*(str(folder / name) for name in lock.pinned), str(scala)])


def _cluster_id() -> str:
    """As Kafka writes a random UUID; it takes a leading `-` for an option."""
    return "S" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def main(argv: list[str] | None = None) -> int:
    """Run a broker in the foreground until Ctrl-C."""
    arguments = argparse.ArgumentParser(prog="python -m tools.kafka_broker", description=main.__doc__)
    arguments.add_argument("--port", type=int, default=9092)
    arguments.add_argument("--topic", default="saleslake-events", help="made if it is not there")
    arguments.add_argument("--partitions", type=int, default=3)
    arguments.add_argument("--data", type=Path, default=ROOT / "data" / "kafka", help="folder; what is in it stays")
    given = arguments.parse_args(argv)
    logging.getLogger("kafka").addHandler(logging.NullHandler())
    if not installed(read_lock(LOCK), Path(sys.prefix) / "kafka"):
        print("bringing Kafka's JARs, once …", file=sys.stderr, flush=True)
    try:
        with KafkaBroker(given.data, port=given.port) as broker:
            broker.create_topic(given.topic, given.partitions)
            print(
                f"Kafka answers at {broker.bootstrap}, topic {given.topic}, data in {given.data}: set source = "
                '"kafka" in [stream] and start `saleslake stream`. Ctrl-C stops it.',
                flush=True,
            )
            broker.wait()
    except KafkaBrokerError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    sys.exit(main())
