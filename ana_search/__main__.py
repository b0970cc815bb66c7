"""`python -m ana_search` is `ana-search`."""

from ana_search.cli import main

if __name__ == "__main__":
    main()
