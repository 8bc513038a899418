"""bronze → silver and quarantine: spark-submit jobs/silver.py [--config FILE] [--source NAME] [--full-refresh]"""

from __future__ import annotations

import sys

from saleslake.entry import chosen_sources, job_parser, run_job
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    parser = job_parser("bronze to silver and quarantine")
    parser.add_argument("--full-refresh", action="store_true", help="re-decide everything from bronze under the present rules")
    args = parser.parse_args(argv)

    def work(batch: Batch) -> None:
        if args.full_refresh:
            batch.full_refresh()
        else:
            batch.heal()
            batch.silver(chosen_sources(batch.lake.settings, args.source))

    return run_job("silver", args.config, work, verbose=args.verbose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
