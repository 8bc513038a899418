"""bronze → silver and quarantine: spark-submit jobs/silver.py [--config FILE] [--source NAME] [--full-refresh]"""

from __future__ import annotations

import sys

from saleslake.config import Settings
from saleslake.entry import chosen_sources, fail, job_parser, run_job
from saleslake.errors import ConfigError
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    parser = job_parser("bronze to silver and quarantine")
    parser.add_argument(
        "--full-refresh", action="store_true", help="re-decide everything from bronze under the present rules"
    )
    args = parser.parse_args(argv)
    if args.full_refresh and args.source:
        problem = ConfigError("--full-refresh decides every source anew and takes no --source: leave one of them out")
        return fail(problem, args.verbose)

    def chosen(settings: Settings) -> list[str]:
        return chosen_sources(settings, args.source)

    def work(batch: Batch) -> None:
        if args.full_refresh:
            batch.full_refresh()
        else:
            batch.heal()
            batch.silver(chosen(batch.lake.settings))

    return run_job("silver", args.config, work, verbose=args.verbose, engine=args.engine, check=chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
