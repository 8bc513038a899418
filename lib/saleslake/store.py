"""Files and folders, on the local disk or on an object store: what code reads and writes them by.

`place` gives a `pathlib.Path` for a local path, so that nothing changes there, and an `ObjectPath` for `s3a://…`, which
has the same methods as far as they are used here. An object is there whole or not at all, as S3 has it.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import pyarrow.fs as pafs

from saleslake.config_storage import Storage, is_object

_BLOCK = 8 * 1024 * 1024


class Readable(Protocol):
    """What a reader of one file needs of it; every `Path` and `ObjectPath` has it."""

    @property
    def name(self) -> str: ...

    def open(self, mode: Any = "rb") -> Any: ...


@dataclass(frozen=True)
class Stat:
    """Size in bytes and time of the last change, as `os.stat` names them."""

    st_size: int
    st_mtime: float


@dataclass(frozen=True, order=True)
class ObjectPath:
    """A file or folder of an object store, `s3a://bucket/key`. Folders are prefixes: there as long as something is in them."""

    url: str
    system: pafs.FileSystem = field(compare=False, repr=False)
    listed: Stat | None = field(default=None, compare=False, repr=False)
    """As the listing said that it comes from, so that a folder's files need not be asked for one by one."""

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, part: str) -> ObjectPath:
        return ObjectPath(f"{self.url}/{part}", self.system)

    @property
    def key(self) -> str:
        """`bucket/key`, as Arrow names it."""
        return self.url.removeprefix("s3a://")

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> ObjectPath:
        return ObjectPath(self.url.rpartition("/")[0], self.system)

    def open(self, mode: Any = "rb") -> BinaryIO:
        """Its bytes, from the start; reading only, for what is written is put whole. Raises FileNotFoundError."""
        if mode != "rb":
            raise ValueError(f"{self.url}: an object is read as bytes or put whole, not opened as {mode!r}")
        return io.BufferedReader(self.system.open_input_file(self.key), _BLOCK)

    def read_bytes(self) -> bytes:
        with self.open() as stream:
            return stream.read()

    def read_text(self) -> str:
        return self.read_bytes().decode("utf-8")

    def write_bytes(self, content: bytes) -> None:
        """Put it, in place of what is there."""
        with self.system.open_output_stream(self.key) as stream:
            stream.write(content)

    def upload(self, local: Path) -> None:
        """Put a local file's bytes."""
        with local.open("rb") as source, self.system.open_output_stream(self.key) as target:
            while block := source.read(_BLOCK):
                target.write(block)

    def exists(self) -> bool:
        return bool(self._info().type != pafs.FileType.NotFound)

    def is_file(self) -> bool:
        return bool(self._info().type == pafs.FileType.File)

    def is_dir(self) -> bool:
        return bool(self._info().type == pafs.FileType.Directory)

    def stat(self) -> Stat:
        if self.listed is not None:
            return self.listed
        info = self._info()
        if info.type == pafs.FileType.NotFound:
            raise FileNotFoundError(f"{self.url}: no such object")
        return _stat(info)

    def iterdir(self) -> Iterator[ObjectPath]:
        """What is directly in it, files and folders. Raises FileNotFoundError."""
        for info in self.system.get_file_info(pafs.FileSelector(self.key)):
            yield self._of(info)

    def files(self) -> list[ObjectPath]:
        """Every file below it; none where there is nothing."""
        below = pafs.FileSelector(self.key, recursive=True, allow_not_found=True)
        return [self._of(info) for info in self.system.get_file_info(below) if info.type == pafs.FileType.File]

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Files below it whose path matches; `*` and `?` stay within a folder, `**/` crosses folders."""
        wanted = _pattern(pattern)
        for file in self.files():
            if wanted.fullmatch(file.url.removeprefix(f"{self.url}/")):
                yield file

    def mkdir(self, **_: bool) -> None:
        """Nothing: a folder comes with the first file in it."""

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self.system.delete_file(self.key)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def remove_tree(self) -> None:
        """Remove all that is below it."""
        for file in self.files():
            file.unlink(missing_ok=True)

    def _info(self) -> pafs.FileInfo:
        return self.system.get_file_info(self.key)

    def _of(self, info: pafs.FileInfo) -> ObjectPath:
        return ObjectPath(f"s3a://{info.path}", self.system, _stat(info))


def _stat(info: pafs.FileInfo) -> Stat:
    return Stat(info.size or 0, info.mtime_ns / 1e9 if info.mtime_ns else 0.0)


Place: TypeAlias = Path | ObjectPath


def place(path: str, storage: Storage) -> Place:
    """A resolved path of the configuration as what it is read and written by."""
    return ObjectPath(path, file_system(storage)) if is_object(path) else Path(path)


def matching(pattern: str, storage: Storage) -> list[ObjectPath]:
    """Objects that a URL with wildcards names, and those below a folder that it names."""
    fixed, below = fixed_part(pattern)
    wanted = _pattern(below)
    found = []
    for file in ObjectPath(fixed, file_system(storage)).files():
        names = file.url.removeprefix(f"{fixed}/").split("/")
        if any(wanted.fullmatch("/".join(names[:n])) for n in range(len(names), 0, -1)):
            found.append(file)
    return found


def fixed_part(pattern: str) -> tuple[str, str]:
    """The folder of a URL with wildcards that has none yet, and the pattern of what is below it."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    return fixed, pattern.removeprefix(f"{fixed}/")


def file_system(storage: Storage) -> pafs.FileSystem:
    """Arrow's client of the S3 server; one a server."""
    return _client(storage.server, storage.region_in_force, storage.bucket_in_path)


@lru_cache
def _client(endpoint: str, region: str, path_style: bool) -> pafs.FileSystem:
    # Credentials are found by the chain of Amazon's SDK: environment, profile, role of the machine.
    return pafs.S3FileSystem(
        endpoint_override=endpoint or None,
        region=region,
        force_virtual_addressing=not path_style,
        allow_delayed_open=True,  # a small object is one PUT
    )


@contextmanager
def whole_file(target: Place, scratch: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes are at `target` once the block ends, whole, and nowhere if it fails.

    On a local disk: a temporary name, fsync, rename. On an object store: a file in `scratch`, then one upload.
    """
    if isinstance(target, ObjectPath):
        scratch.mkdir(parents=True, exist_ok=True)
        partial = scratch / f".{target.key.replace('/', '-')[-150:]}.{os.getpid()}.tmp"
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with partial.open("wb") as stream:
            yield stream
            if isinstance(target, Path):
                stream.flush()
                os.fsync(stream.fileno())
        if isinstance(target, Path):
            partial.replace(target)
        else:
            target.upload(partial)
    finally:
        partial.unlink(missing_ok=True)


def _pattern(glob: str) -> re.Pattern[str]:
    parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(part) or _literal(part) for part in re.split(r"(\*\*/|\*|\?)", glob)))


def _literal(part: str) -> str:
    """Text, in which `[abc]` is one of these characters, as a regular expression."""
    pieces = re.split(r"(\[!?[^\]]+\])", part)
    return "".join(p.replace("[!", "[^", 1) if p.startswith("[") and p.endswith("]") else re.escape(p) for p in pieces)
