"""`python -m visioncraft`, where the installed command is not on the path."""

import sys

from .nodes.headless.cli import main

if __name__ == "__main__":
    sys.exit(main())
