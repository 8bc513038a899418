"""As somebody else installs it: another user without root, umask 077, a time zone east of UTC, a folder `a b ü`.

The libraries are those of this environment, linked one by one, for to install them anew takes minutes; all else of
`make install` is real: the package, Spark's configuration, every script's path. Not covered: pip's part.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.processes import PATIENCE_SECONDS, Done, Processes

ROOT = Path(__file__).parents[1]
SITE = Path(next(path for path in site.getsitepackages() if path.endswith("site-packages")))
LEFT_OUT = (".git", ".venv*", "data", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "build", "dist", "tests")
SPARK_OWN = ("conf", "saleslake")
"""What `make install` writes in Spark's folder."""
CONFIG = """
[paths]
root = "."
[spark]
driver_memory = "1g"
[sources.orders]
entity = "orders"
format = "jsonl"
path = "ein gang/*.jsonl"
[sources.events]
entity = "orders"
format = "events"
event_type = "order"
[stream.files]
path = "er eignisse"
"""


def order(key: str, created_at: str, **more: object) -> str:
    line = {"sku": "ä b", "qty": 2, "price": 10}
    content = {
        "order_id": key,
        "user_id": "ü",
        "amount": 20,
        "currency": "EUR",
        "created_at": created_at,
        "items": [line],
    }
    return json.dumps(content | more, ensure_ascii=False) + "\n"


@dataclass
class Somebody:
    """A user in a folder, who starts programs as a person does who has activated the environment."""

    home: Path
    python: str
    user: int | None
    group: int | None

    @property
    def clone(self) -> Path:
        return self.home / "a b ü" / "saleslake"

    def run(self, *command: str, **env: str) -> Done:
        environment = {
            "HOME": str(self.home),
            "PATH": f"{self.clone / '.venv' / 'bin'}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": "Asia/Kolkata",
            **{name: os.environ[name] for name in ("JAVA_HOME", "PIP_CERT") if name in os.environ},
            **env,
        }
        return subprocess.run(
            command,
            cwd=self.clone if self.clone.exists() else self.home,
            env=environment,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
            umask=0o077,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )


def _somebody(home: Path) -> Somebody:
    """Nobody, where root asks; else whoever asks."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        one = Somebody(home, "", nobody.pw_uid, nobody.pw_gid)
    else:
        one = Somebody(home, "", None, None)
    wanted = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (getattr(sys, "_base_executable", sys.executable), "/usr/local/bin/python3", "/usr/bin/python3"):
        try:
            said = one.run(
                python,
                "-c",
                "import sys, venv, pathlib; pathlib.Path(sys.argv[1]).stat(); print(sys.version)",
                str(SITE),
            )
        except (PermissionError, FileNotFoundError):
            continue
        if said.returncode == 0 and said.stdout.startswith(f"{wanted}."):
            one.python = python
            return one
    pytest.skip(f"no Python {wanted} that user {one.user} may start and that may read {SITE}")


@pytest.fixture
def somebody(processes: Processes) -> Iterator[Somebody]:
    """With a clone, and an environment that lacks what `make install` does after pip."""
    # Not below pytest's own folder, which nobody else may enter.
    home = Path(tempfile.mkdtemp(prefix="saleslake-"))
    home.chmod(0o755)
    try:
        one = _somebody(home)
        shutil.copytree(ROOT, one.clone, ignore=shutil.ignore_patterns(*LEFT_OUT))
        (one.clone / "data").mkdir()
        _own(one)
        assert one.run(one.python, "-m", "venv", "--without-pip", str(one.clone / ".venv")).returncode == 0
        _link_libraries(one)
        _own(one)
        yield one
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _own(one: Somebody) -> None:
    if one.user is not None and one.group is not None:
        for path in [one.home / "a b ü", *(one.home / "a b ü").rglob("*")]:
            os.chown(path, one.user, one.group, follow_symlinks=False)


def _link_libraries(one: Somebody) -> None:
    venv = one.clone / ".venv"
    (target,) = venv.glob("lib/python3*/site-packages")
    for entry in SITE.iterdir():
        if "saleslake" not in entry.name and entry.name not in ("pyspark", "__pycache__"):
            (target / entry.name).symlink_to(entry)
    # Spark's own folder is one, so that its path is like a real one, and what is written in it stays here.
    (target / "pyspark").mkdir()
    for entry in (SITE / "pyspark").iterdir():
        if entry.name not in SPARK_OWN:
            (target / "pyspark" / entry.name).symlink_to(entry)
    for script in ("spark-submit", "spark-class", "find-spark-home", "find_spark_home.py", "load-spark-env.sh"):
        shutil.copy(SITE.parents[2] / "bin" / script, venv / "bin" / script)
    shutil.copy(one.clone / "requirements.lock", venv / ".requirements.lock")


@pytest.mark.timeout(900)
def test_it_installs_and_runs_as_another_user_in_a_folder_with_a_blank_and_an_umlaut(somebody: Somebody) -> None:
    clone = somebody.clone
    make = ("make", f"PYTHON={somebody.python}")
    done = somebody.run(*make, "install")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / ".venv" / ".ready").exists()
    assert list(clone.glob(".venv/lib/python3*/site-packages/pyspark/conf/spark-defaults.conf")), done.stdout

    (clone / "saleslake.toml").write_text(CONFIG, encoding="utf-8")
    (clone / "ein gang").mkdir()
    (clone / "ein gang" / "ä.jsonl").write_text(order("Ö 1", "2024-03-01 23:30:00"), encoding="utf-8")
    (clone / "er eignisse").mkdir()
    (clone / "er eignisse" / "1.jsonl").write_text(order("E 1", "2024-03-02 23:30:00", type="order"), encoding="utf-8")
    _own(somebody)
    config = ("--config", "saleslake.toml")
    saleslake = str(clone / ".venv" / "bin" / "saleslake")

    def ends_well(*command: str) -> str:
        done = somebody.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert "error" not in done.stderr.lower(), f"{command}: {done.stderr}"
        return done.stdout

    submit = str(clone / ".venv" / "bin" / "spark-submit")
    assert "land_files: 1 records landed" in ends_well(submit, "jobs/land_files.py", *config)
    ends_well(saleslake, "run", *config)
    ends_well(saleslake, "stream", "--once", *config)
    assert "every landed record is accounted for" in ends_well(saleslake, "verify", *config)
    found = ends_well(
        saleslake,
        "sql",
        *config,
        "--format",
        "csv",
        "select order_id, date, sku, line_amount from gold.fact_sales order by 1",
    )
    assert found.splitlines()[1:] == ["E 1,2024-03-02,ä b,20.0000", "Ö 1,2024-03-01,ä b,20.0000"]
    assert (clone / "data" / "tables").stat().st_mode & 0o077 == 0
