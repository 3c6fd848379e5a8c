"""Let `python -m fercore` do what the `fercore` command does."""

from fercore.cli import main

if __name__ == "__main__":
    main()
