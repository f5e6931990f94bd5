"""Settings from environment variables."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo

from electric_agents_exporter.settings import setting_names
from electric_agents_exporter.settings.faults import Fault, Place, nearest
from electric_agents_exporter.settings.layers import Layer
from electric_agents_exporter.settings.model import ENV_PREFIX, Settings
from electric_agents_exporter.settings.values import LabelName

CONFIG_VARIABLE: Final = f"{ENV_PREFIX}CONFIG"
"""The variable that may name the file."""

TARGET: Final[Place] = ("targets", 0)
"""The one target that variables, or flags, can describe."""

_NO_CREATED_SERIES: Final = "PROMETHEUS_DISABLE_CREATED_SERIES"
_OF_A_FILE: Final = "_FILE"
_HEADERS: Final = "headers"
_HEADER_FILES: Final = "header_files"
_TRUE: Final = ("true", "1", "t")
_SEPARATOR: Final = "__"
_ONE_PRINCIPAL: Final = "PRINCIPAL"
_OF_KUBERNETES: Final = re.compile(
    r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*"
    r"|(\w+_)?PORT=(tcp|udp|sctp)://.*",
    re.DOTALL,
)
"""What Kubernetes sets in every pod beside a Service whose name begins like this exporter's."""


def variable_of(names: setting_names.Names) -> str:
    """Give the variable of a setting; those of a target need no `TARGETS` before them."""
    own = names[1:] if names[0] == "targets" and names[1:] else names
    return ENV_PREFIX + _SEPARATOR.join(own).upper()


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Read every variable of ours."""
    content: dict[str, Any] = {}
    target: dict[str, Any] = {}
    origins: dict[Place, str] = {}
    faults: list[Fault] = []
    for variable in sorted(environ):
        place = _place_of(variable, environ[variable])
        if place is None:
            continue
        field = setting_names.field_at(_names(place))
        around = _map_around(place)
        if field is None and variable.endswith(_OF_A_FILE) and not _holds_files(place):
            faults.append(_no_file(variable, place))
            continue
        if field is None and around is None:
            faults.append(_unknown(variable))
            continue
        structured = field is not None and setting_names.is_structured(field)
        try:
            value = _parse(environ[variable], structured=structured)
        except (ValueError, RecursionError):
            faults.append(Fault(variable, "expected JSON"))
            continue
        of_target = place[:2] == TARGET
        if not _put(target if of_target else content, place[2:] if of_target else place, value):
            faults.append(Fault(variable, "another variable sets this too"))
            continue
        origins[place] = variable
    _read_created_series(environ, content, origins)
    if target:
        if "targets" in content:
            faults.append(Fault(origins["targets",], "sets targets, and so do other variables"))
        content["targets"] = [target]
        # Who forgot the principals is told of `..._PRINCIPAL`: most people have one.
        origins.setdefault((*TARGET, "principals"), ENV_PREFIX + _ONE_PRINCIPAL)
        for name in setting_names.names_in(("targets",)):
            origins.setdefault((*TARGET, name), variable_of(("targets", name)))
        origins.setdefault(TARGET, "environment")
    return Layer(content, origins, faults=faults)


def _read_created_series(
    environ: Mapping[str, str], content: dict[str, Any], origins: dict[Place, str]
) -> None:
    """Honour the variable that prometheus_client has for this, where ours does not say."""
    place = ("metrics", "created_series")
    if environ.get(_NO_CREATED_SERIES, "").lower() in _TRUE and _put(content, place, "false"):
        origins[place] = _NO_CREATED_SERIES


def _place_of(variable: str, text: str) -> Place | None:
    """Tell what a variable sets; None if it is none of ours, or empty: that is as good as unset."""
    rest = variable.removeprefix(ENV_PREFIX)
    if (
        not text
        or variable in {rest, CONFIG_VARIABLE}
        or _OF_KUBERNETES.fullmatch(f"{rest}={text}")
    ):
        return None
    # Only capitals are ours: the small ones stay as they are, and are unknown.
    head, *path = (part.swapcase() for part in rest.split(_SEPARATOR))
    if head == _ONE_PRINCIPAL.lower():
        head = "principals"
    place: Place = (head, *path)
    if head not in Settings.model_fields:
        place = (*TARGET, *place)
    around = _map_around(place)
    if around is not None and not setting_names.has_names(around, LabelName):
        # Headers and kinds are written with dashes, which no variable can hold.
        place = (*place[:-1], str(place[-1]).replace("_", "-"))
    return place


def _names(place: Place) -> setting_names.Names:
    return tuple(part for part in place if isinstance(part, str))


def _map_around(place: Place) -> FieldInfo | None:
    """Give the setting that a place is a name in which the operator chooses, if it is one."""
    field = setting_names.field_at(_names(place[:-1]))
    return field if field is not None and setting_names.is_map(field) else None


def _holds_files(place: Place) -> bool:
    return place[-2:-1] == (_HEADER_FILES,)


def _no_file(variable: str, place: Place) -> Fault:
    """Refuse what other programs read from a file by its variable's name: here it is sent as it is.

    Who means something else by the name is told of that.
    """
    setting = variable.removesuffix(_OF_A_FILE)
    above = _place_of(setting, "set")
    if above is None or setting_names.field_at(_names(above)) is None:
        if _map_around(place) is None:
            return _unknown(variable)
        text = "no file is read for a single name of a map"
        if place[-2] == _HEADERS:
            text += f"; use {variable_of((*_names(place[:-2]), _HEADER_FILES))}"
        return Fault(variable, text)
    return Fault(variable, f"no file is read for this setting; set {setting} itself")


def _unknown(variable: str) -> Fault:
    # The prefix is the same in all, and would make all of them alike.
    known = [variable_of(names).removeprefix(ENV_PREFIX) for names, _ in setting_names.fields()]
    near = nearest(variable.removeprefix(ENV_PREFIX).upper(), [*known, _ONE_PRINCIPAL])
    return Fault(variable, "unknown setting", ENV_PREFIX + near if near else "")


def _parse(text: str, *, structured: bool) -> object:
    """Read a list or a map, which a variable holds as JSON; all else is text.

    Raises:
        ValueError: it begins as JSON and is none.
        RecursionError: it is JSON, nested too deep.
    """
    return json.loads(text) if structured and text[:1] in {"[", "{"} else text


def _put(section: dict[str, Any], place: Place, value: object) -> bool:
    """Set a value in nested maps; False if something else stands there."""
    *above, last = map(str, place)
    for name in above:
        inner = section.setdefault(name, {})
        if not isinstance(inner, dict):
            return False
        section = inner
    if last in section:
        return False
    section[last] = value
    return True
