"""Where the shared corpora lie, for tests that try real and hostile input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[1]


def shared_folder(part: str = "") -> Path:
    """The shared folder, or a part of it (`data/corpora/json_test_suite`).

    `SALESLAKE_SHARED` names it; else it is `../shared` beside the repository. The calling test skips, with
    a reason, where it is absent; in CI (`CI=true`) that is a failure, or the test would never run unnoticed.
    """
    folder = Path(os.environ.get("SALESLAKE_SHARED") or _REPOSITORY.parent / "shared") / part
    if not folder.exists():
        problem = f"{folder} is absent: set SALESLAKE_SHARED to the folder with the shared corpora"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(problem)
        pytest.skip(problem)
    return folder
