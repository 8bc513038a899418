"""What both ways to publish do: `saleslake publish` and `spark-submit jobs/publish_serving.py`."""

from __future__ import annotations

from datetime import UTC, datetime

from saleslake import config, logs
from saleslake.alerts.tell import tell
from saleslake.errors import EXIT_OK, Interrupted, SaleslakeError, fail
from saleslake.lake import Lake
from saleslake.serve.publish import publish


def run_publish(
    config_path: str | None, to: str, *, everything: bool, execute: bool, quiet: bool = False, verbose: bool = False
) -> int:
    """Publish and print a line for each thing done. Returns the exit code; errors are one line on stderr, and told."""
    started = datetime.now(UTC)
    try:
        lake = Lake(config.load(config_path))
    except SaleslakeError as e:
        return fail(e, verbose)
    logs.configure(lake.work("logs"), lake.run_id, quiet=quiet, verbose=verbose)
    try:
        for line in publish(lake, to, everything=everything, execute=execute):
            print(line)
    except KeyboardInterrupt:
        return fail(Interrupted("interrupted: each target holds what it held, or all of the new; run again"), verbose)
    except Exception as e:
        code = fail(e, verbose)
        tell(lake.settings, "publish", lake.run_id, started, None, e, log=lake.work("logs", f"{lake.run_id}.jsonl"))
        return code
    return EXIT_OK
