"""Builds what a cluster is given: the wheel, the sdist, and the package as a zip for `spark-submit --py-files`.

    python -m tools.pyfiles [--out dist] [--only zip]

The zip is the wheel's own content, sql/ and conf/ included. It has saleslake alone: what saleslake needs (pydantic, duckdb,
deltalake …) is compiled, so it cannot come in a zip; it has to be on the driver's and executors' Python (docs/cloud.md).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from saleslake import __version__
from saleslake.project import FOLDERS

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = ("lib", *FOLDERS, "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
_TO_LEAVE = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", "build")


def build(out: Path, *, only: str = "") -> list[Path]:
    """The files made in `out`: sdist, wheel and zip, or the one of them named. Raises RuntimeError with what setuptools said."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        copy, made = Path(folder) / "source", Path(folder) / "made"
        _copy(copy)  # setuptools leaves its work beside the sources
        kinds = {"wheel": ["wheel"], "sdist": ["sdist"], "zip": ["wheel"]}.get(only, ["sdist", "wheel"])
        for kind in kinds:
            _setuptools(kind, copy, made)
        if "wheel" in kinds:
            _zip(next(made.glob("*.whl")), made / f"saleslake-{__version__}-pyfiles.zip")
        suffixes = {"wheel": (".whl",), "sdist": (".tar.gz",), "zip": (".zip",)}.get(only, (".whl", ".tar.gz", ".zip"))
        wanted = sorted(path for path in made.iterdir() if path.name.endswith(suffixes))
        return [Path(shutil.copy(path, out / path.name)) for path in wanted]


def _copy(to: Path) -> None:
    to.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=_TO_LEAVE)
        else:
            shutil.copy(ROOT / name, to / name)


def _setuptools(kind: str, source: Path, out: Path) -> None:
    """By the pinned setuptools of this environment, through the interface that pip uses."""
    program = f"import setuptools.build_meta as b; b.build_{kind}({str(out)!r})"
    out.mkdir(exist_ok=True)
    done = subprocess.run([sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"building the {kind} failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _zip(wheel: Path, to: Path) -> None:
    """The wheel without its metadata."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            if item.filename.startswith("saleslake/"):
                target.writestr(item, source.read(item))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder (default: dist)")
    parser.add_argument("--only", choices=["zip", "wheel", "sdist"], default="", help="only this one")
    args = parser.parse_args(argv)
    try:
        for path in build(args.out, only=args.only):
            print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    except RuntimeError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
