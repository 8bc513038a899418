"""Every secret used by real servers, by runs that succeed with them and runs that are turned away; and a search of all that is left.

A further place that is written to is one line in `PLACES`; a further secret is one line in `CANARIES`, and its use in `servers`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from email.message import EmailMessage
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from tests.watched.canaries import CANARIES, leaks
from tests.watched.scene import Watched

Found = Iterable[tuple[str, bytes]]
"""(where, content), a line a file, body or output."""


def files_below_data(watched: Watched) -> Found:
    """Landing, manifests, logs, event logs, Delta logs, state, checkpoints; of Parquet, which is packed, what is in it."""
    for path in sorted(watched.on.data.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
            if path.suffix == ".parquet":
                yield f"{path} (rows)", json.dumps(pq.read_table(path).to_pylist(), default=str).encode()


PLACES: dict[str, Callable[[Watched], Found]] = {
    "files below data/": files_below_data,
    "what commands print": lambda watched: [(name, text.encode()) for name, text in watched.outputs.items()],
    "command lines": lambda watched: [
        (line[:80].decode(errors="replace"), line) for line in watched.command_lines.seen
    ],
    "mails": lambda watched: [("mail", mail.as_bytes() + _texts(mail)) for mail in watched.on.mails.mails],
    "webhook bodies": lambda watched: [("webhook", body.encode()) for body in watched.on.hooks.bodies],
    "what Alertmanager posts": lambda watched: [("post", body.encode()) for body in watched.on.on_call.bodies],
    "metrics pushed": lambda watched: [("metrics", text.encode()) for text in watched.pushed],
    "metrics served": lambda watched: [("metrics", text.encode()) for text in watched.served],
    "lineage events": lambda watched: [("lineage", body.encode()) for body in watched.on.lineage.bodies],
}


def _texts(mail: EmailMessage) -> bytes:
    """What is in its parts, decoded."""
    parts = [part.get_payload(decode=True) for part in mail.walk()]
    return b"\n".join(part for part in parts if isinstance(part, bytes))


def test_the_commands_used_their_secrets_and_were_turned_away_where_they_should_be(watched: Watched) -> None:
    """Else nothing found would mean nothing."""
    succeeded = ("run", "stream", "publish", "alert-test", "metrics", "verify", "ops.runs")
    failed = ("failing run", "refused publish", "refused stream")
    assert watched.codes == dict.fromkeys(succeeded, 0) | dict.fromkeys(failed, 1), watched.outputs
    assert "HTTP 401: 'not you, Bearer ***'" in watched.outputs["failing run"]
    assert set(watched.on.mails.users) == {"saleslake"}
    assert {headers["authorization"] for headers in watched.on.lineage.headers} == {f"Bearer {CANARIES['lineage key']}"}
    assert any("saleslake_run_success" in text for text in watched.pushed)
    assert any(b"java" in line.partition(b"\0")[0] for line in watched.command_lines.seen)
    assert {request["auth"] for request in watched.on.shop.requests} == {"bearer"}
    assert any("canary" in request["query"] for request in watched.on.catalogue.requests)


def test_lineage_is_told_from_start_to_end_of_all_that_run(watched: Watched) -> None:
    events = [json.loads(body) for body in watched.on.lineage.bodies]
    told = {(event["job"]["name"].removeprefix("saleslake."), event["eventType"]) for event in events}
    assert told >= {(job, state) for job in ("run", "stream") for state in ("START", "COMPLETE", "FAIL")}
    assert ("stream", "RUNNING") in told


def test_spark_wrote_event_logs_of_the_batch_and_the_stream(watched: Watched) -> None:
    logs = [path for path in (watched.on.data / "event-log").rglob("*") if path.is_file()]
    text = b"".join(path.read_bytes() for path in logs)
    assert b"SparkListenerEnvironmentUpdate" in text
    assert b"KafkaSourceProvider$KafkaScan" in text


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in(place: str, watched: Watched) -> None:
    looked_at = list(PLACES[place](watched))
    assert looked_at, f"nothing found to look at: {place}"
    assert {where: found for where, content in looked_at if (found := leaks(content))} == {}


@pytest.mark.parametrize("name", CANARIES)
def test_the_search_finds_a_secret_however_it_is_written(name: str) -> None:
    secret = CANARIES[name]
    pair = base64.b64encode(f"user:{secret}".encode())
    for content in (secret.encode(), quote(secret, safe="").encode(), pair, json.dumps({"a": secret}).encode()):
        assert leaks(b"before " + content + b" after") == [name]
