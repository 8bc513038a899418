"""Builds the Dockerfile's stages without a container engine, and runs what they come to, without a network.

    python -m tools.image_check [--target app|airflow] [--work FOLDER] [--keep]

Each stage is a folder: Debian by debootstrap, then the RUN and COPY steps as written, by chroot in namespaces of their own. What
comes out runs as the image's user, by its entrypoint and with its variables, in a network that has nothing but itself. Needs root,
debootstrap and unshare. What it is not: the base image itself (Debian's is made by debootstrap, too, and then thinned out), and
layers, the registry and the engine's own behaviour.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools import dockerfile
from tools.dockerfile import Stage

ROOT = Path(__file__).resolve().parents[1]
SUITES = {"debian:12": "bookworm", "debian:13": "trixie"}
LOCAL_CAS = Path("/usr/local/share/ca-certificates")


class Failed(Exception):
    """A step did not end as it should; the message has its last output."""


class Images:
    """Stages as folders below `work`."""

    def __init__(self, work: Path):
        self.work = work
        self.stages = dockerfile.read((ROOT / "Dockerfile").read_text(encoding="utf-8"))
        self.context = dockerfile.context(ROOT)
        self._scratch = work / "context"

    def folder(self, name: str) -> Path:
        return self.work / name.replace(":", "-")

    def build(self, name: str) -> Path:
        """The folder of a stage, built if it is not there."""
        folder = self.folder(name)
        if (done := folder.with_name(f"{folder.name}.done")).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        if name not in self.stages:
            _debootstrap(name, folder)
        else:
            stage = self.stages[name]
            base = self.build(stage.base)
            say(f"stage {name}: from {stage.base}")
            _local("cp", "--archive", "--reflink=auto", str(base), str(folder))
            self._steps(stage, folder)
        done.write_text("")
        return folder

    def _steps(self, stage: Stage, folder: Path) -> None:
        variables = dockerfile.environment(self.stages, stage.base) if stage.base in self.stages else {}
        variables = variables or dockerfile.environment({"x": Stage("", "x")}, "x")
        user, where = "0:0", "/"
        for kind, text in stage.steps:
            if kind == "ENV":
                variables |= dockerfile.assignments(text, variables)
            elif kind == "WORKDIR":
                where = text
                (folder / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif kind == "USER":
                user = text
            elif kind == "COPY":
                say(f"  COPY {text}")
                self._copy(dockerfile.copy_of(text), folder, where)
            elif kind == "RUN":
                say(f"  RUN {text[:110]}{'…' if len(text) > 110 else ''}")
                started = time.monotonic()
                enter(folder, ["/bin/sh", "-c", text], variables | _of_this_machine(), user, where, network=True)
                say(f"    {time.monotonic() - started:.0f} s")

    def _copy(self, copy: dockerfile.Copy, folder: Path, where: str) -> None:
        target = folder / os.path.normpath(os.path.join(where, copy.target)).lstrip("/")  # noqa: PTH118 - of the image
        if copy.stage:
            origin = self.build(copy.stage)
            names = [source.lstrip("/") for source in copy.sources]
        else:
            origin, names = self._from_context(copy), [os.path.normpath(source) for source in copy.sources]
        for name in names:
            if not (origin / name).exists():
                raise Failed(f"COPY: no {name} in {copy.stage or 'what .dockerignore lets into the build'}")
            into = (origin / name).is_dir()
            many = len(names) > 1 or copy.target.endswith("/")
            to = target if into or not many else target / Path(name).name
            to.parent.mkdir(parents=True, exist_ok=True)
            how = ("--recursive", "--no-dereference", "--preserve=mode,timestamps,links", "--no-target-directory")
            _local("cp", *how, str(origin / name), str(to))
        _local("chown", "--recursive", "--no-dereference", copy.owner or "0:0", str(target))

    def _from_context(self, copy: dockerfile.Copy) -> Path:
        shutil.rmtree(self._scratch, ignore_errors=True)
        for name in self.context:
            to = self._scratch / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to)
        return self._scratch

    def run(self, name: str, command: list[str], **more: str) -> str:
        """What a container of this image prints to stdout; `command` in place of CMD."""
        words = [*dockerfile.command(dockerfile.setting(self.stages, name, "ENTRYPOINT") or "[]"), *command]
        user = dockerfile.setting(self.stages, name, "USER") or "0:0"
        where = dockerfile.setting(self.stages, name, "WORKDIR") or "/"
        variables = dockerfile.environment(self.stages, name) | more
        return enter(self.build(name), words, variables, user, where, network=False)


def _debootstrap(image: str, folder: Path) -> None:
    suite = next((suite for tag, suite in SUITES.items() if image.startswith(tag)), None)
    if suite is None:
        raise Failed(f"FROM {image}: no Debian release known for it; known: {', '.join(SUITES)}")
    say(f"{image}: debootstrap {suite}")
    _local("debootstrap", "--variant=minbase", suite, str(folder))
    # As the base image has it: security updates, and the certificates of a proxy that this machine is behind.
    sources = folder / "etc" / "apt" / "sources.list"
    archive = sources.read_text(encoding="utf-8").split()[1]
    sources.write_text(
        f"deb {archive} {suite} main\ndeb {archive} {suite}-updates main\ndeb {archive}-security {suite}-security main\n"
    )
    if LOCAL_CAS.is_dir():
        shutil.copytree(LOCAL_CAS, folder / str(LOCAL_CAS).lstrip("/"), dirs_exist_ok=True)


def enter(folder: Path, command: list[str], variables: dict[str, str], user: str, where: str, *, network: bool) -> str:
    """Run in the folder as in a container, and return stdout. Raises Failed unless it exits with 0."""
    if network:
        shutil.copy("/etc/resolv.conf", folder / "etc" / "resolv.conf")
    # An engine gives every container a name that it finds itself by.
    (folder / "etc" / "hosts").write_text(f"127.0.0.1 localhost {platform.node()}\n")
    inner = f"cd {shlex.quote(where)} && exec {shlex.join(command)}"
    given = [f"{name}={value}" for name, value in variables.items()]
    home = "/root" if user.startswith("0") else "/home/saleslake"
    chroot = ["chroot", f"--userspec={user}", str(folder), "/usr/bin/env", "-i", f"HOME={home}", *given]
    script = " && ".join(
        [
            *([] if network else ["ip link set lo up"]),
            f"mount -t proc proc {folder}/proc",
            f"mount --bind /dev {folder}/dev",
            f"exec {shlex.join([*chroot, '/bin/sh', '-c', inner])}",
        ]
    )
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    done = subprocess.run([*spaces, "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr)[-3000:]
        raise Failed(f"{shlex.join(command)[:300]}: exit {done.returncode}\n{last}")
    return done.stdout


def _local(name: str, *arguments: str) -> str:
    """What a program of this machine prints. Raises Failed unless it exits with 0."""
    done = subprocess.run([shutil.which(name) or name, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{name} {shlex.join(arguments)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def _of_this_machine() -> dict[str, str]:
    """What a build here needs to reach the registries, and no image holds: proxies, certificates, wheels found locally."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "JAVA_TOOL_OPTIONS")
    found = {name: os.environ[name] for name in names if name in os.environ}
    found |= {name: os.environ[name] for name in os.environ if name in ("PIP_CERT", "PIP_DEFAULT_TIMEOUT")}
    return {"DEBIAN_FRONTEND": "noninteractive"} | found


def say(what: str) -> None:
    print(what, flush=True)


# --- what the images must do -------------------------------------------------------------------------

_MOCK = """
saleslake mock-api --host 0.0.0.0 --port 8088 & api=$!
for n in $(seq 50); do python3 -m saleslake.alive --url http://127.0.0.1:8088/health 2>/dev/null && break; sleep 0.2; done
saleslake run
kill $api; wait $api
"""
_STREAM = """
saleslake stream & stream=$!
saleslake simulate --to files --events 300 --rate 0 --seed 7
for n in $(seq 300); do grep -q '"records": 300' data/stream.json 2>/dev/null && break; sleep 0.5; done
python3 -m saleslake.alive
kill -TERM $stream; wait $stream; echo "ended with $?"
"""


def check_app(images: Images) -> None:
    """As the compose file uses it: mock API and batch, then again, spark-submit, the stream and its end by SIGTERM."""
    for left in (images.folder("app") / "app" / "data").iterdir():  # by an earlier check: the volume begins empty
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    health = dockerfile.command(dockerfile.setting(images.stages, "app", "HEALTHCHECK") or "")
    steps = [
        (health, ""),
        (["sh", "-c", "id -u; touch /app/conf/x 2>/dev/null || echo read-only"], "10001\nread-only"),
        (["sh", "-euc", _MOCK], "checks: "),
        (["saleslake", "run", "--demo"], "nothing new"),
        (["spark-submit", "jobs/gold.py"], "gold: nothing new"),
        (["sh", "-euc", _STREAM], "ended with 0"),
        (["saleslake", "check"], "ok"),
    ]
    for command, wanted in steps:
        _expect(images, "app", command, wanted)


def check_airflow(images: Images) -> None:
    """Both environments side by side, the DAGs readable, the project's spark-submit first."""
    _expect(images, "airflow", ["airflow", "version"], "3.")
    _expect(images, "airflow", ["sh", "-c", "command -v spark-submit python3"], "/opt/saleslake/bin/spark-submit")
    _expect(
        images,
        "airflow",
        ["sh", "-euc", "airflow db migrate >/dev/null; airflow dags list-import-errors"],
        "No data found",
    )


def _expect(images: Images, name: str, command: list[str], wanted: str) -> None:
    started = time.monotonic()
    said = images.run(name, command)
    shown = command[-1].strip().splitlines()[0] if command[:1] == ["sh"] else shlex.join(command)
    if wanted not in said:
        raise Failed(f"{shown}: no {wanted!r} in what it said:\n{said[-2000:]}")
    say(
        f"  {shown}: {next((line for line in said.splitlines() if wanted in line), '')} ({time.monotonic() - started:.0f} s)"
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=["app", "airflow"], default="app")
    parser.add_argument("--work", type=Path, help="folder for the stages; those that are there are not built again")
    parser.add_argument("--keep", action="store_true", help="leave a folder that --work did not name")
    args = parser.parse_args(argv)
    missing = [name for name in ("debootstrap", "unshare", "chroot", "ip") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        print(
            f"error: needs root and {', '.join(missing or ['nothing else'])} (Debian: apt-get install debootstrap iproute2)",
            file=sys.stderr,
        )
        return 2
    work = args.work or Path(tempfile.mkdtemp(prefix="saleslake-image-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        images = Images(work.resolve())
        folder = images.build(args.target)
        size = _local("du", "-sm", str(folder)).split()[0]
        say(f"{args.target}: {int(size):,} MB; running it without a network")
        {"app": check_app, "airflow": check_airflow}[args.target](images)
    except Failed as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    finally:
        if not (args.work or args.keep):
            shutil.rmtree(work, ignore_errors=True)
    say(f"{args.target}: as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
