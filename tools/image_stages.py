"""A Dockerfile's stages as folders: Debian by debootstrap, RUN and COPY steps by chroot in namespaces of their own. Needs root."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
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
            local("cp", "--archive", "--reflink=auto", str(base), str(folder))
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
            local("cp", *how, str(origin / name), str(to))
        local("chown", "--recursive", "--no-dereference", copy.owner or "0:0", str(target))

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
    local("debootstrap", "--variant=minbase", suite, str(folder))
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
            f"mount -t tmpfs -o mode=1777,size=64m tmpfs {folder}/dev/shm",  # noqa: S108 - as engines do
            f"exec {shlex.join([*chroot, '/bin/sh', '-c', inner])}",
        ]
    )
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if network else ["--net"])]
    done = subprocess.run([*spaces, "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr)[-3000:]
        raise Failed(f"{shlex.join(command)[:300]}: exit {done.returncode}\n{last}")
    return done.stdout


def local(name: str, *arguments: str) -> str:
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
