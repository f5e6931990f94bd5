"""Whatever stands in a file or a variable: settings, or faults, and no other exception."""

import contextlib
import itertools
import json
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from electric_agents_exporter.settings import setting_names
from electric_agents_exporter.settings.environment import variable_of
from electric_agents_exporter.settings.faults import SettingsFault
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import ENV_PREFIX

NAMES = sorted({part for names, _ in setting_names.fields() for part in names})
VARIABLES = [variable_of(names) for names, _ in setting_names.fields()]

words = st.sampled_from(
    [*NAMES, "http://a", "service:monitor", "15s", "a.yaml", "server", "core", "info", "[::]:1"]
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), words, st.dates()
)
names = st.one_of(st.sampled_from(NAMES), st.text(max_size=8))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


def placed(names: setting_names.Names, value: object) -> object:
    """Put a value where the setting of these names stands."""
    for name in reversed(names):
        value = {name: [value] if name == "targets" and len(names) > 1 else value}
    return value


sections = st.dictionaries(st.sampled_from(NAMES), trees, max_size=6)
documents = st.one_of(
    trees,
    st.builds(placed, st.sampled_from([names for names, _ in setting_names.fields()]), trees),
    sections,
    st.fixed_dictionaries({"targets": st.lists(sections, min_size=1, max_size=2)}),
)

anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(path: Path | None, environ: dict[str, str]) -> None:
    with contextlib.suppress(SettingsFault):
        load(path, {}, environ)


@anything
@given(tree=documents)
def test_any_tree_written_as_yaml(tree: object, tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), errors="surrogatepass")
    attempt(path, {})


@anything
@given(tree=documents)
def test_any_tree_written_as_json(tree: object, tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_text(json.dumps(tree, default=str))
    attempt(path, {})


@anything
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any.bytes"
    path.write_bytes(content)
    attempt(path, {})


@anything
@given(
    environ=st.dictionaries(
        st.one_of(
            st.sampled_from(VARIABLES),
            st.text("ABU_RLS", max_size=12).map(ENV_PREFIX.__add__),
        ),
        st.one_of(
            words, st.text(max_size=20), trees.map(lambda tree: json.dumps(tree, default=str))
        ),
        max_size=5,
    )
)
def test_any_variables(environ: dict[str, str]) -> None:
    attempt(None, environ)


def told_of(tree: object, path: Path) -> str:
    # Many file systems write at once what takes the place of something else.
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(tree))
    try:
        load(path, {}, {})
    except SettingsFault as fault:
        return str(fault)
    return "no fault"


def test_every_kind_of_fault_has_words(tmp_path: Path) -> None:
    values: list[object] = [None, True, 5, 1.5, "", "x y", [], {}, [[]], {"a": {}}, [5]]
    wordless = []
    for (names, _), value in itertools.product(setting_names.fields(), values):
        told = told_of(placed(names, value), tmp_path / "config.yaml")
        if told == "no fault" or "is not as expected" in told:
            wordless.append(f"{'.'.join(names)}: {value!r}: {told}")
    assert wordless == []
