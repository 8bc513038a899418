"""silver → gold: spark-submit jobs/gold.py [--config FILE] [--no-check]"""

from __future__ import annotations

import sys

from saleslake.entry import job_parser, run_job
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    parser = job_parser("silver to gold, then the sanity checks", by_source=False)
    parser.add_argument("--no-check", action="store_true", help="leave the checks to `saleslake check`")
    args = parser.parse_args(argv)

    def work(batch: Batch) -> None:
        batch.gold()
        if not args.no_check:
            batch.check()

    return run_job("gold", args.config, work, verbose=args.verbose, engine=args.engine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
