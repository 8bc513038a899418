"""Prove where every record went, and that gold is what silver says: spark-submit jobs/verify.py [--config FILE]"""

from __future__ import annotations

import sys

from saleslake.accounting import verify
from saleslake.cli import render
from saleslake.entry import job_parser, run_job
from saleslake.errors import TableError
from saleslake.monitor.push import after_verify
from saleslake.pipeline import Batch


def main(argv: list[str]) -> int:
    args = job_parser("where every record went, from the stored tables", by_source=False).parse_args(argv)

    def work(batch: Batch) -> None:
        proof = verify(batch.lake)
        after_verify(batch.lake, proof)
        render.proof(proof)
        if not proof.holds:
            raise TableError("the proof does not hold; what is missing is said above")

    return run_job("verify", args.config, work, verbose=args.verbose, engine=args.engine, show=lambda *_: None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
