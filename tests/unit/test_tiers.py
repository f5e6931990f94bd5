"""The tiers that the Makefile makes of the folders of tests."""

import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
MAKEFILE = (TESTS.parent / "Makefile").read_text()
TIERS = {
    name.lower(): folders.split()
    for name, folders in re.findall(r"^([A-Z0-9]+) := ((?:tests/\w+ ?)+)$", MAKEFILE, re.MULTILINE)
}


def test_every_folder_of_tests_belongs_to_exactly_one_tier() -> None:
    # A test that stands beside the folders would be run by nobody.
    of_tests = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    listed = Counter(folder for folders in TIERS.values() for folder in folders)
    assert listed == Counter(f"tests/{name}" for name in of_tests), "see the tiers in the Makefile"


def test_the_quick_tier_is_the_unit_tests_and_the_contract_and_all_tiers_are_run() -> None:
    assert set(TIERS["unit"]) == {"tests/unit", "tests/contract"}
    assert re.search(rf"^test: tools {' '.join(TIERS)} ##", MAKEFILE, re.MULTILINE)
    for tier in TIERS:
        assert re.search(
            rf"^{tier}: .*\n\tpython -m pytest \$\({tier.upper()}\) ", MAKEFILE, re.MULTILINE
        )
