"""Holds the writer lock of silver, as a process of its own: `python -m tests.holding CONFIG embedded|spark`.

It tells its pids in `held.json` beside the configuration once it has the lock, and lets go when there is a file `go`. With Spark
it appends to a Delta table all the while. It ends with 0 if it let go, 1 if it did not get the lock, which it does not wait for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from saleslake import config
from saleslake.errors import LockTimeout
from saleslake.lake import Lake
from saleslake.session import build_session


def main(path: str, engine: str) -> int:
    settings = config.load(path)
    lake = Lake(settings, build_session(settings) if engine == "spark" else None, f"of-{engine}")
    try:
        with lake.lock("silver", 0):
            children = [_forked()]
            if lake.session is None:
                children.append(subprocess.Popen(["sleep", "60"], close_fds=False).pid)
                children.append(os.fork() or _sleeping())
            _hold(lake, children)
    except LockTimeout as e:
        print(e, file=sys.stderr)
        return 1
    return 0


def _hold(lake: Lake, children: list[int]) -> None:
    root, pids = lake.settings.root, {"python": os.getpid(), "children": children}
    if lake.session is not None:
        pids["jvm"] = int(lake.session._jvm.java.lang.ProcessHandle.current().pid())
    (root / "held.part").write_text(json.dumps(pids))
    (root / "held.part").rename(root / "held.json")
    writes = lake.session is not None
    while not (root / "go").exists():
        try:
            if writes:
                rows = lake.spark.range(0, 200_000, numPartitions=2)
                rows.write.format("delta").mode("append").save(lake.folder("tables", "appended"))
        except Exception:  # its JVM was killed
            writes = False
            (root / "alone").touch()
        time.sleep(0.01)


class _Out(BaseException):
    pass


def _forked() -> int:
    """A child that goes out of the block, as its copy of the parent's stack has it, and ends."""
    child = os.fork()
    if child == 0:
        raise _Out
    assert os.waitpid(child, 0)[1] == 0
    return child


def _sleeping() -> int:
    time.sleep(60)
    os._exit(0)


if __name__ == "__main__":
    try:
        code = main(*sys.argv[1:])
    except _Out:
        os._exit(0)
    sys.exit(code)
