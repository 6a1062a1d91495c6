"""``python -m longctx``: the command line of the Python that runs, wherever its scripts are."""

from longctx.cli import main

main()
