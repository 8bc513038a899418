"""The streaming job: spark-submit streaming/stream.py [--config FILE] [--source files|socket|kafka] [--once] [--trigger "5 seconds"] [--accept-lost-offsets]"""

from __future__ import annotations

import sys

from saleslake.entry import job_parser
from saleslake.stream.run import run_stream


def main(argv: list[str]) -> int:
    parser = job_parser("events to bronze, silver and gold, until stopped", by_source=False)
    parser.add_argument("--source", choices=["files", "socket", "kafka"], help="default: stream.source")
    parser.add_argument("--once", action="store_true", help="take what is there, then end")
    parser.add_argument("--trigger", help='how often to look, e.g. "5 seconds" (default: stream.trigger)')
    parser.add_argument("--accept-lost-offsets", action="store_true", help="Kafka: go on after offsets that are gone")
    args = parser.parse_args(argv)
    return run_stream(
        args.config,
        source=args.source,
        once=args.once,
        trigger=args.trigger,
        accept_lost_offsets=args.accept_lost_offsets,
        verbose=args.verbose,
        engine=args.engine,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
