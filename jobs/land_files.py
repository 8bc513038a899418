"""Land the CSV and JSON files: spark-submit jobs/land_files.py [--config FILE] [--source NAME] [--refetch]"""

from __future__ import annotations

import sys

from saleslake.entry import chosen_sources, job_parser, run_job
from saleslake.ingest.window import Window


def main(argv: list[str]) -> int:
    parser = job_parser("file sources to landing and bronze")
    parser.add_argument("--refetch", action="store_true", help="land files again even if their content has not changed")
    args = parser.parse_args(argv)
    return run_job(
        "land_files",
        args.config,
        lambda batch: batch.land(chosen_sources(batch.lake.settings, args.source, api=False), Window(), refetch=args.refetch),
        verbose=args.verbose,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
