"""Which target the options of `simulate` and `[stream]` name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from saleslake.config import Settings
from saleslake.errors import ConfigError
from saleslake.kafka_settings import environment
from saleslake.simulator.kafka_target import KafkaTarget
from saleslake.simulator.targets import FilesTarget, SocketTarget, Stop, Target

To = Literal["files", "socket", "kafka"]


@dataclass(frozen=True)
class Where:
    """Where to send, as options say it; None: as `[stream]` says it."""

    to: To | None = None
    path: Path | None = None
    events_per_file: int = 500
    file_seconds: float = 1.0
    host: str | None = None
    port: int | None = None
    bootstrap: str | None = None
    topic: str | None = None

    def target(self, settings: Settings, seed: int, stop: Stop) -> Target:
        """The target, not open yet. Raises ConfigError that names the option or setting that is wrong."""
        stream = settings.stream
        to = self.to or stream.source
        if to == "files":
            folder = str(self.path.absolute()) if self.path else settings.resolve(stream.files.path)
            if "://" in folder:
                raise ConfigError(f"stream.files.path {folder}: events are written to a local folder; give --path")
            return FilesTarget(Path(folder), seed, self.events_per_file, self.file_seconds)
        if to == "socket":
            port = stream.socket.port if self.port is None else self.port
            return SocketTarget(self.host or stream.socket.host, port, stop)
        servers, topic = self.bootstrap or stream.kafka.bootstrap_servers, self.topic or stream.kafka.topics
        return KafkaTarget(servers, topic.split(",")[0].strip(), environment(settings))


def truth_file(settings: Settings, given: Path | None) -> Path:
    """Where the truth goes: the option, else `truth.json` in the local folder `paths.work`, which is mostly that of the data."""
    return given.absolute() if given is not None else Path(settings.work) / "truth.json"
