"""`python -m stormpetrel.cli`: the same as the command `petrel`."""

from stormpetrel.cli.main import main

main()
