"""The sanity checks alone: spark-submit jobs/check.py [--config FILE]. DuckDB answers them; no Spark session is made."""

from __future__ import annotations

import sys

from saleslake.checks import run_checks
from saleslake.config import load
from saleslake.entry import fail, job_parser
from saleslake.errors import EXIT_OK, TableError
from saleslake.lake import Lake


def main(argv: list[str]) -> int:
    args = job_parser("sanity checks in SQL", by_source=False).parse_args(argv)
    try:
        results = run_checks(Lake(load(args.config)))
        for result in results:
            print(f"{result.check.name}: {result.found} {'FAILED' if result.failed else 'ok'}")
        failed = [result.check.name for result in results if result.failed]
        if failed:
            raise TableError(
                f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}; saleslake check tells more"
            )
    except Exception as e:
        return fail(e, args.verbose)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
