"""Land the API sources.

spark-submit jobs/land_api.py [--config FILE] [--source NAME] [--since T] [--until T] [--refetch]
"""

from __future__ import annotations

import sys

from saleslake.config import Settings
from saleslake.entry import check_secrets, chosen_sources, fail, job_parser, run_job
from saleslake.errors import SaleslakeError
from saleslake.ingest.window import parse_window
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    parser = job_parser("API sources to landing and bronze")
    parser.add_argument("--since", help="only versions after this date or ISO timestamp")
    parser.add_argument("--until", help="only versions up to this date or ISO timestamp")
    parser.add_argument("--refetch", action="store_true", help="extract everything anew")
    args = parser.parse_args(argv)
    try:
        window = parse_window(args.since, args.until)
    except SaleslakeError as e:
        return fail(e, args.verbose)

    def chosen(settings: Settings) -> list[str]:
        return chosen_sources(settings, args.source, api=True)

    def work(batch: Batch) -> None:
        batch.heal()
        batch.land(chosen(batch.lake.settings), window, refetch=args.refetch)

    def check(settings: Settings) -> None:
        check_secrets(settings, chosen(settings))

    return run_job("land_api", args.config, work, verbose=args.verbose, engine=args.engine, check=check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
