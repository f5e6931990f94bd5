"""Hold objects of the Prometheus operator to its own models; run by `.venv/release/bin/python`.

What a model does not know it leaves out, as Kubernetes does, so an object must come back whole.
"""

import sys
from pathlib import Path

import yaml


def main(path: str) -> int:
    """Tell what is wrong in a file of objects, and give the exit code."""
    from cloudcoil.models.prometheus_operator import v1  # noqa: PLC0415  (there alone)

    found = 0
    for each in yaml.safe_load_all(Path(path).read_text()):
        if not each["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        model = getattr(v1, each["kind"]).model_validate(each)
        read = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
        found += 1
        if read != each:
            print(f"{each['kind']}: not all of it is known")
            return 1
    print(f"{found} objects")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
