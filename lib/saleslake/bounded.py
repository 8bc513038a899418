"""Does something that may hang, and waits for it so long and no longer."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


class Aside:
    """Work on a thread that a process does not wait for when it ends: what hangs in it holds nobody up."""

    def __init__(self, work: Callable[[], None]):
        """`work` starts at once, and handles its own errors."""
        context = contextvars.copy_context()  # log lines keep their run_id
        self._thread = threading.Thread(target=context.run, args=(work,), daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it ended within these seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()
