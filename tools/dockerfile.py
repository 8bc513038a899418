"""Reads a Dockerfile and a .dockerignore: as much of both as this project's own use."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

KNOWN = ("RUN", "COPY", "ENV", "WORKDIR", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")


@dataclass
class Stage:
    """One FROM and what follows it: (instruction, its text) in order."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str | None:
        """The text of the last such instruction."""
        found = [text for kind, text in self.steps if kind == instruction]
        return found[-1] if found else None


def read(text: str) -> dict[str, Stage]:
    """Name → stage, in order. Raises ValueError for an instruction that is not known here."""
    stages: dict[str, Stage] = {}
    for line in _joined(text):
        kind, _, rest = line.partition(" ")
        if kind == "FROM":
            words = rest.split()
            stage = Stage(words[0], words[2] if len(words) == 3 else str(len(stages)))
            stages[stage.name] = stage
        elif kind in KNOWN:
            stage.steps.append((kind, rest.strip()))
        else:
            raise ValueError(f"instruction {kind!r}: this project uses FROM, {', '.join(KNOWN)}")
    return stages


def _joined(text: str) -> Iterator[str]:
    """Instructions, a line each, without comments."""
    part = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not (line.strip() or part):
            continue
        part += line.strip()
        if part.endswith("\\"):
            part = part[:-1]
            continue
        yield part
        part = ""


def lineage(stages: dict[str, Stage], name: str) -> list[Stage]:
    """A stage and those it is built upon, the first one first."""
    stage = stages[name]
    return [*(lineage(stages, stage.base) if stage.base in stages else []), stage]


def assignments(text: str, before: dict[str, str]) -> dict[str, str]:
    """What an ENV sets, `$NAME` replaced by what was set before."""
    found = {}
    for word in shlex.split(text):
        name, _, value = word.partition("=")
        found[name] = re.sub(r"\$\{?(\w+)\}?", lambda match: before.get(match[1], ""), value)
    return found


def environment(stages: dict[str, Stage], name: str) -> dict[str, str]:
    """All that ENV sets in an image."""
    known = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    for stage in lineage(stages, name):
        for kind, text in stage.steps:
            if kind == "ENV":
                known |= assignments(text, known)
    return known


def setting(stages: dict[str, Stage], name: str, instruction: str) -> str | None:
    """The last such instruction of an image, its bases included."""
    found = [text for stage in lineage(stages, name) if (text := stage.last(instruction)) is not None]
    return found[-1] if found else None


def command(text: str) -> list[str]:
    """The words of an exec form: of CMD, ENTRYPOINT, or a HEALTHCHECK. Raises ValueError for the shell form."""
    words = json.loads(text[text.index("[") :]) if "[" in text else None
    if not isinstance(words, list):
        raise ValueError(f"{text!r} is no exec form: signals would end at a shell")
    return [str(word) for word in words]


@dataclass(frozen=True)
class Copy:
    """A COPY: sources and where to; `stage` None: from the build context."""

    stage: str | None
    owner: str | None
    sources: tuple[str, ...]
    target: str


def copy_of(text: str) -> Copy:
    words = shlex.split(text)
    options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    paths = [word for word in words if not word.startswith("--")]
    return Copy(options.get("from"), options.get("chown"), tuple(paths[:-1]), paths[-1])


def context(root: Path) -> list[str]:
    """The files below `root` that .dockerignore lets into a build, as paths relative to it."""
    patterns = [
        line.strip()
        for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in (".git", ".venv", "data")]
        found += [str((Path(folder) / name).relative_to(root)) for name in files]
    return sorted(path for path in found if _let_in(path, patterns))


def _let_in(path: str, patterns: list[str]) -> bool:
    """The last pattern that matches the path, or a folder it is in, decides."""
    parts = PurePosixPath(path).parts
    prefixes = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    let_in = True
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        anywhere = wanted.removeprefix("**/")
        heads = parts if anywhere != wanted else prefixes
        if any(fnmatchcase(head, anywhere) and (wanted != "*" or "/" not in head) for head in heads):
            let_in = pattern.startswith("!")
    return let_in
