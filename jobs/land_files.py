"""Land the CSV and JSON files: spark-submit jobs/land_files.py [--config FILE] [--source NAME] [--refetch]"""

from __future__ import annotations

import sys

from saleslake.config import Settings
from saleslake.entry import chosen_sources, job_parser, run_job, say_missing_paths
from saleslake.ingest.window import Window
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    parser = job_parser("file sources to landing and bronze")
    parser.add_argument("--refetch", action="store_true", help="land files again even if their content has not changed")
    args = parser.parse_args(argv)

    def chosen(settings: Settings) -> list[str]:
        return chosen_sources(settings, args.source, api=False)

    def work(batch: Batch) -> None:
        batch.heal()
        batch.land(chosen(batch.lake.settings), Window(), refetch=args.refetch)

    def check(settings: Settings) -> None:
        say_missing_paths(settings, chosen(settings))

    return run_job("land_files", args.config, work, verbose=args.verbose, engine=args.engine, check=check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
