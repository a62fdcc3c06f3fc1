"""`python -m raynas`: the command line, where the `raynas` script is not on the path."""

import sys

from raynas.cli import main

if __name__ == "__main__":
    sys.exit(main())
