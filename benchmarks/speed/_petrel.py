"""`petrel`, whose threads tell the operating system their names."""

from benchmarks.speed._threads import name_threads

from stormpetrel.cli.main import main

if __name__ == "__main__":
    name_threads()
    main()
