"""Writer locks within one process, without a JVM. Processes of both kinds, and their end: test_lock_processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from saleslake import locks
from saleslake.config import Settings
from saleslake.errors import LockTimeout
from saleslake.lake import Lake
from saleslake.locks import holder_of, no_writer, writer_lock

CONFIG = '[sources.users]\nentity = "users"\nformat = "csv"\npath = "u.csv"'


def _in_thread(work: Callable[[], None]) -> None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as e:
            raised.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_two_runs_in_one_process_keep_each_other_out(make_settings: Callable[[str], Settings]) -> None:
    one, other = (Lake(make_settings(CONFIG)) for _ in range(2))
    with one.lock("silver"):
        assert one.holder("silver").startswith(f"run {one.run_id} since 2")
        path = one.folder("locks", "silver.lock")
        with (
            pytest.raises(
                LockTimeout, match=rf"lock {path}: held by run {one.run_id} since .*run.lock_timeout_seconds = 0"
            ),
            other.lock("silver", 0),
        ):
            pass
        with other.lock("gold", 0):
            assert other.holder("gold").startswith(f"run {other.run_id} since ")
    assert one.holder("silver") == ""
    with other.lock("silver", 0):
        assert other.holder("silver").startswith(f"run {other.run_id} since ")


def test_another_way_to_write_the_path_is_the_same_lock(tmp_path: Path) -> None:
    """The system would let the process take its own lock again, and then drop it."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "locks")
    with writer_lock(None, str(tmp_path / "locks"), "silver", "a", 0):
        for path in (tmp_path / "link", tmp_path / "locks" / ".." / "locks"):
            with pytest.raises(LockTimeout, match="held by a since"), writer_lock(None, str(path), "silver", "b", 0):
                pass


def test_threads_of_a_run_share_it_until_the_last_one_leaves(tmp_path: Path) -> None:
    folder = str(tmp_path)
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with writer_lock(None, folder, "silver", "a", 0):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=stay)
    with writer_lock(None, folder, "silver", "a", 0):
        thread.start()
        assert inside.wait(60)
    with pytest.raises(LockTimeout), writer_lock(None, folder, "silver", "b", 0):
        pass
    assert holder_of(folder, "silver").startswith("a since")
    leave.set()
    thread.join()
    with writer_lock(None, folder, "silver", "b", 0):
        pass


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path) -> None:
    entered: list[str] = []

    def wait() -> None:
        with writer_lock(None, str(tmp_path), "silver", "b", 60):
            entered.append(holder_of(str(tmp_path), "silver"))

    thread = threading.Thread(target=wait)
    with writer_lock(None, str(tmp_path), "silver", "a", 0):
        thread.start()
        thread.join(0.5)
        assert not entered
    thread.join()
    assert entered[0].startswith("b since")


def test_what_a_dead_run_left_keeps_nobody_out(tmp_path: Path) -> None:
    for name in ("silver.lock", "silver.jvm.lock", "silver.holder"):
        (tmp_path / name).write_text("run long-gone since 2024-01-01T00:00:00Z\n")
    with writer_lock(None, str(tmp_path), "silver", "a", 0):
        assert holder_of(str(tmp_path), "silver").startswith("a since")


def test_it_is_free_after_an_error_and_an_error_of_taking_it_leaves_nothing_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="mine"), writer_lock(None, str(tmp_path), "silver", "a", 0):
        raise ValueError("mine")
    opened = os.open

    def fails(path: Path, *rest: int) -> int:
        if path.name == "silver.jvm.lock":
            raise OSError("no space left")
        return opened(path, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(locks.os, "open", fails)
        with pytest.raises(OSError, match="no space"), writer_lock(None, str(tmp_path), "silver", "a", 0):
            pass
    with writer_lock(None, str(tmp_path), "silver", "b", 0):
        pass


def test_a_name_that_cannot_be_written_keeps_nobody_from_working(tmp_path: Path) -> None:
    (tmp_path / "silver.holder").mkdir()
    with writer_lock(None, str(tmp_path), "silver", "a", 0):
        with pytest.raises(LockTimeout, match="held by a process that did not name itself"):
            _in_thread(lambda: writer_lock(None, str(tmp_path), "silver", "b", 0).__enter__())
        assert holder_of(str(tmp_path), "silver") == ""


def test_readers_share_keep_writers_out_and_cost_nobody_his_lock(tmp_path: Path) -> None:
    folder = str(tmp_path / "locks")
    with no_writer(folder, "gold", 0):
        assert not Path(folder).exists(), "who looks makes nothing"
    with writer_lock(None, folder, "gold", "a", 0):
        with pytest.raises(LockTimeout, match=r"gold\.lock: held by a since"), no_writer(folder, "gold", 0):
            pass
        with pytest.raises(LockTimeout), writer_lock(None, folder, "gold", "b", 0):
            pass
    with no_writer(folder, "gold", 0):
        with no_writer(folder, "gold", 0):
            pass
        with pytest.raises(LockTimeout), writer_lock(None, folder, "gold", "b", 0):
            pass
    (tmp_path / "locks" / "gold.jvm.lock").unlink()  # an older version had none
    with no_writer(folder, "gold", 0):
        pass
    with writer_lock(None, folder, "gold", "b", 0):
        pass
