"""Compact small files and remove unneeded ones: spark-submit jobs/maintain.py [--config FILE]"""

from __future__ import annotations

import sys

from saleslake.entry import job_parser, run_job
from saleslake.maintenance import maintain
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    args = job_parser("OPTIMIZE and VACUUM of every table", by_source=False).parse_args(argv)

    def work(batch: Batch) -> None:
        for table in maintain(batch.lake):
            print(f"{table.table}: {table.skipped or f'{table.files_removed} files became {table.files_added}'}")

    return run_job("maintain", args.config, work, verbose=args.verbose, engine=args.engine, show=lambda *_: None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
