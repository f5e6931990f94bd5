"""`python -m electric_agents_exporter`."""

import sys

from electric_agents_exporter.cli import main

if __name__ == "__main__":
    sys.exit(main())
