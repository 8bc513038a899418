"""Gold to what serves it: spark-submit jobs/publish_serving.py [--config FILE] [--to postgres,redshift,duckdb] [--all]"""

from __future__ import annotations

import sys

from saleslake.entry import job_parser
from saleslake.serve.publish import TARGETS
from saleslake.serve.run import run_publish


def main(argv: list[str]) -> int:
    parser = job_parser("gold to PostgreSQL, Redshift or a DuckDB file", by_source=False)
    parser.add_argument("--to", default="", help=f"of {', '.join(TARGETS)}; default: those with a connection")
    parser.add_argument("--all", action="store_true", help="compare whole tables, whatever the target says it holds")
    parser.add_argument("--execute", action="store_true", help="Redshift: run the statements, too")
    args = parser.parse_args(argv)
    return run_publish(args.config, args.to, everything=args.all, execute=args.execute, verbose=args.verbose)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
