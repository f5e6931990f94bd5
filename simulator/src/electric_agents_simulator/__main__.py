"""`python -m electric_agents_simulator`."""

import sys

from electric_agents_simulator.cli import main

sys.exit(main())
