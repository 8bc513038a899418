"""`python -m saleslake`, where the console script is not on PATH."""

from saleslake.cli.app import main

main()
