"""What the paths of a source name: files, with a word for everything that is not read."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from saleslake.charsets import printable
from saleslake.config_storage import Storage, is_object
from saleslake.errors import first_line
from saleslake.store import ObjectPath, Place, fixed_part, matching, place

_TEMPORARY = (".tmp", ".part")


@dataclass
class Found:
    """What one path names. A path that is there and holds nothing has no files; `missing`: nothing is there."""

    path: str
    files: list[Place] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    """Hidden and temporary names, which producers write first, pipes and sockets; a folder stands for all that is in it."""
    failed: list[str] = field(default_factory=list)
    """What should be read and cannot be, a line each."""
    missing: bool = False


def find(path: str, storage: Storage) -> Found:
    """The files that a resolved path names: a file, a folder with all that is below it, or a pattern of either.

    What a path names itself is read whatever its name; below it, hidden and temporary names are left alone.
    """
    found = Found(path)
    if is_object(path):
        _find_objects(found, storage)
    else:
        _Disk(found).find()
    found.left_alone = list(dict.fromkeys(found.left_alone))
    return found


def is_left_alone(name: str, asked: Iterable[str] = ()) -> bool:
    """Whether a name is hidden or temporary, and no part of the pattern asks for names of that kind."""
    if name.startswith((".", "_")) and not any(part.startswith(name[0]) for part in asked):
        return True
    ending = next((end for end in _TEMPORARY if name.endswith(end)), "")
    return bool(ending) and not any(part.endswith(ending) for part in asked)


class _Disk:
    """The local files that one path names."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._entered: set[tuple[int, int]] = set()
        """Folders by device and inode: links may lead to one twice, or in a circle."""

    def find(self) -> None:
        path = Path(self._found.path)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as e:
            hits = self._matches(path) if _is_gone(e) and glob.has_magic(self._found.path) else []
            for hit, hit_mode in hits:
                self._take(hit, hit_mode)
            if not hits and not self._found.failed:
                if _is_gone(e) and not path.is_symlink():
                    self._found.missing = not self._found.left_alone
                else:
                    self._fail(path, e)
        else:
            self._take(path, mode)

    def _take(self, path: Path, mode: int) -> None:
        if stat.S_ISDIR(mode):
            self._below(path)
        elif stat.S_ISREG(mode):
            self._found.files.append(path)
        else:
            self._fail(path, "neither a file nor a folder")

    def _below(self, top: Path) -> None:
        folders = [top]
        while folders:
            folder = folders.pop()
            if not self._is_new(folder, self._entered):
                continue
            inner = []
            for path, mode in self._inside(folder):
                if is_left_alone(path.name) or not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
                    self._found.left_alone.append(str(path))
                elif stat.S_ISDIR(mode):
                    inner.append(path)
                else:
                    self._found.files.append(path)
            folders += reversed(inner)

    def _inside(self, folder: Path) -> list[tuple[Path, int]]:
        """What is directly in a folder, with its mode; links are followed."""
        inside = []
        try:
            for path in (folder / name for name in sorted(os.listdir(folder))):  # noqa: PTH208 - names as the system has them
                try:
                    inside.append((path, path.stat().st_mode))
                except OSError as e:
                    if isinstance(e, PermissionError) and not path.is_symlink():
                        raise  # the folder's own: it would be told of each name in it
                    if is_left_alone(path.name):  # such as the lock of an editor, a link to nothing
                        self._found.left_alone.append(str(path))
                    elif path.is_symlink() or not _is_gone(e):
                        self._fail(path, e)
        except OSError as e:
            self._fail(folder, e, "this folder cannot be entered")
        return inside

    def _matches(self, pattern: Path) -> list[tuple[Path, int]]:
        """Files and folders that match; unlike the library's glob, with a word for what is in its way."""
        parts = pattern.parts
        fixed = next(at for at, part in enumerate(parts) if glob.has_magic(part))
        top, asked = Path(*parts[:fixed]), parts[fixed:]
        hits = [(top, stat.S_IFDIR)] if top.is_dir() else []
        for part in asked:
            folders = [path for path, mode in hits if stat.S_ISDIR(mode)]
            hits = [hit for folder in folders for hit in self._step(folder, part, asked)]
        return list(dict.fromkeys(hits))

    def _step(self, folder: Path, part: str, asked: tuple[str, ...]) -> list[tuple[Path, int]]:
        if part == "**":
            return [(inner, stat.S_IFDIR) for inner in self._folders(folder, asked)]
        if not glob.has_magic(part):
            return [(path, mode) for path, mode in self._inside(folder) if path.name == part]
        hits = []
        for path, mode in self._inside(folder):
            if fnmatchcase(path.name, part) and (path.name[0] != "." or part[0] == "."):
                if is_left_alone(path.name, asked):
                    self._found.left_alone.append(str(path))
                else:
                    hits.append((path, mode))
        return hits

    def _folders(self, top: Path, asked: tuple[str, ...]) -> list[Path]:
        """The folder and all below it, but for hidden ones."""
        found, left, seen = list[Path](), [top], set[tuple[int, int]]()
        while left:
            folder = left.pop()
            if self._is_new(folder, seen):
                found.append(folder)
                inner = [path for path, mode in self._inside(folder) if stat.S_ISDIR(mode)]
                self._found.left_alone += [str(path) for path in inner if is_left_alone(path.name, asked)]
                left += [path for path in reversed(inner) if not is_left_alone(path.name, asked)]
        return found

    def _is_new(self, folder: Path, seen: set[tuple[int, int]]) -> bool:
        try:
            itself = folder.stat()
        except OSError as e:
            self._fail(folder, e)
            return False
        if (itself.st_dev, itself.st_ino) in seen:
            return False
        seen.add((itself.st_dev, itself.st_ino))
        return True

    def _fail(self, path: Path, error: Exception | str, what: str = "cannot be read") -> None:
        if isinstance(error, Exception):
            reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
            error = "a link to nothing" if _is_gone(error) and path.is_symlink() else reason
        line = f"{printable(str(path))}: {what}: {error}"
        if line not in self._found.failed:
            self._found.failed.append(line)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _find_objects(found: Found, storage: Storage) -> None:
    """The same on an object store, where a folder is there as long as something is in it."""
    try:
        path = place(found.path, storage)
        assert isinstance(path, ObjectPath)
        fixed, asked = found.path, list[str]()
        if any(wildcard in found.path for wildcard in "*?["):
            fixed, pattern = fixed_part(found.path)
            asked = pattern.split("/")
            files = matching(found.path, storage)
        elif path.is_file():
            found.files.append(path)
            return
        else:
            files = path.files()
    except OSError as e:
        found.failed.append(f"{printable(found.path)}: the object store does not answer as it should: {first_line(e)}")
        return
    for file in files:
        if any(is_left_alone(name, asked) for name in file.url.removeprefix(f"{fixed}/").split("/")):
            found.left_alone.append(file.url)
        else:
            found.files.append(file)
    found.missing = not files
