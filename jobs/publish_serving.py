"""Gold to what serves it: spark-submit jobs/publish_serving.py [--config FILE] [--to postgres,redshift,duckdb] [--all]"""

from __future__ import annotations

import sys

from saleslake import logs
from saleslake.entry import fail, job_parser, open_settings
from saleslake.lake import Lake
from saleslake.serve.publish import TARGETS, publish


def main(argv: list[str]) -> int:
    parser = job_parser("gold to PostgreSQL, Redshift or a DuckDB file", by_source=False)
    parser.add_argument("--to", default="", help=f"of {', '.join(TARGETS)}; default: those with a connection")
    parser.add_argument("--all", action="store_true", help="compare whole tables, whatever the target says it holds")
    parser.add_argument("--execute", action="store_true", help="Redshift: run the statements, too")
    args = parser.parse_args(argv)
    try:
        lake = Lake(open_settings(args.config))
        logs.configure(lake.folder("logs"), lake.run_id, verbose=args.verbose)
        for line in publish(lake, args.to, everything=args.all, execute=args.execute):
            print(line)
    except Exception as e:
        return fail(e, args.verbose)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
