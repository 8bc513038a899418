"""Leases: one holder at a time, whatever happens to him; state in an object loses no update."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from saleslake import leases
from saleslake.errors import LockTimeout, SaleslakeError
from saleslake.leases import Lease, Record, leased, read_record
from saleslake.state import StateObject

SECONDS = 0.8


class Memory:
    """An object that is compared and swapped, as S3's conditional PUT does; `make s3-check` has the real ones."""

    def __init__(self) -> None:
        self.url = f"s3a://lake/{uuid.uuid4().hex}"
        self.found: tuple[bytes, str] | None = None
        self.away = False
        self._guard = threading.Lock()

    def read(self) -> tuple[bytes, str] | None:
        if self.away:
            raise OSError("the server is away")
        return self.found

    def put(self, content: bytes, seen: str | None) -> bool:
        with self._guard:
            if self.away or (self.found[1] if self.found else None) != seen:
                return False
            self.found = (content, uuid.uuid4().hex)
            return True

    @property
    def record(self) -> Record:
        assert self.found is not None
        return read_record(self.found[0])


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(leases, "_POLL_SECONDS", 0.02)
    yield
    assert not leases._held


def no_fence(_: int) -> None:
    raise AssertionError("nobody was dead")


def test_it_is_free_again_after_the_block_and_the_number_grows() -> None:
    cell = Memory()
    for number in (1, 2):
        with leased(cell, "gold", "run a", 0, SECONDS, no_fence):
            assert (cell.record.holder, cell.record.number) == ("run a", number)
        assert (cell.record.holder, cell.record.number) == ("", number)


def test_another_run_waits_and_is_told_who_holds_it() -> None:
    cell = Memory()
    with (
        leased(cell, "gold", "run a", 0, SECONDS, no_fence),
        pytest.raises(LockTimeout, match=rf"lease {cell.url}: held by run a; waited .*lock_timeout_seconds = 0.1"),
        leased(cell, "gold", "run b", 0.1, SECONDS, no_fence),
    ):
        pass


def test_threads_of_one_run_share_it() -> None:
    cell = Memory()
    with leased(cell, "silver", "run a", 0, SECONDS, no_fence):
        with leased(cell, "silver", "run a", 0, SECONDS, no_fence):
            pass
        assert cell.record.holder == "run a"


def test_a_living_holder_keeps_it_for_longer_than_a_lease_lasts() -> None:
    cell = Memory()
    with leased(cell, "gold", "run a", 0, SECONDS, no_fence):
        with (
            pytest.raises(LockTimeout),
            leased(cell, "gold", "run b", 2 * SECONDS, SECONDS, no_fence),
        ):
            pass
        leases.check_all("run a")


def test_a_dead_holder_is_replaced_and_his_writes_are_fenced_off() -> None:
    cell = Memory()
    cell.put(Record("run dead", 7, "x").bytes(), None)
    fenced: list[int] = []
    with leased(cell, "gold", "run b", 5, SECONDS, fenced.append):
        assert (cell.record.holder, cell.record.number, fenced) == ("run b", 8, [8])


def test_one_who_looks_in_now_and_then_finds_out_too() -> None:
    cell = Memory()
    cell.put(Record("run dead", 1, "x").bytes(), None)
    began = time.monotonic()
    while True:
        try:
            with leased(cell, "gold", "run b", 0, SECONDS, lambda _: None):
                break
        except LockTimeout:
            assert time.monotonic() - began < 10
            time.sleep(0.1)
    assert time.monotonic() - began >= SECONDS


def test_of_many_who_find_a_dead_holder_one_takes_his_place() -> None:
    cell, together, most = Memory(), [0], [0]
    cell.put(Record("run dead", 1, "x").bytes(), None)
    guard = threading.Lock()

    def work(name: str) -> None:
        with leased(cell, "gold", name, 30, SECONDS, lambda _: None):
            with guard:
                together[0] += 1
                most[0] = max(most[0], together[0])
            time.sleep(0.02)
            with guard:
                together[0] -= 1

    threads = [threading.Thread(target=work, args=(f"run {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most[0], cell.record.number, cell.record.holder) == (1, 9, "")


def test_a_holder_who_could_not_renew_writes_no_more_and_takes_nothing_back() -> None:
    cell = Memory()
    with pytest.raises(LockTimeout, match="not renewed for"), leased(cell, "gold", "run a", 0, SECONDS, no_fence):
        leases.check_all("run a")
        cell.away = True
        time.sleep(SECONDS)
        cell.away = False
        leases.check_all("run a")


def test_a_holder_whose_lease_was_taken_notices_and_leaves_it_alone() -> None:
    cell = Memory()
    lease = Lease(cell, "gold", Record("run a", 1, "x"), SECONDS)
    cell.put(Record("run b", 2, "y").bytes(), None)
    time.sleep(SECONDS / 2)
    with pytest.raises(LockTimeout):
        lease.check()
    lease.release()
    assert cell.record == Record("run b", 2, "y")


def test_a_server_that_is_away_at_the_end_costs_the_next_one_a_wait_and_nobody_an_error() -> None:
    cell = Memory()
    with leased(cell, "gold", "run a", 0, SECONDS, no_fence):
        cell.away = True
    cell.away = False
    fenced: list[int] = []
    with leased(cell, "gold", "run b", 5, SECONDS, fenced.append):
        assert fenced == [2]


def test_a_fence_that_cannot_be_set_is_an_error_and_frees_the_lease() -> None:
    cell = Memory()
    cell.put(Record("run dead", 1, "x").bytes(), None)

    def fails(_: int) -> None:
        raise OSError("denied")

    with (
        pytest.raises(SaleslakeError, match="could not be fenced off: denied"),
        leased(cell, "gold", "b", 5, SECONDS, fails),
    ):
        pass
    assert cell.record.holder == ""


def test_updates_of_the_state_from_many_writers_are_all_there() -> None:
    cell = Memory()

    def work(name: str) -> None:
        for n in range(20):
            entry = {f"{name}{n}": ("id", n)}
            StateObject(cell).update(lambda state, entry=entry: state.seen.update(entry))  # type: ignore[misc]

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(StateObject(cell).load().seen) == 80


def test_a_state_that_cannot_be_read_is_an_empty_one() -> None:
    cell = Memory()
    cell.put(b"{", None)
    assert StateObject(cell).load().seen == {}
