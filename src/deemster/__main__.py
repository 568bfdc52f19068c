"""`python -m deemster` is the command line."""

from deemster.cli import main

main()
