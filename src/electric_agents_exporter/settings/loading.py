"""From flags, environment and file to settings, or to every fault at once with its place."""

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from typing_extensions import override

from electric_agents_exporter.settings import setting_names
from electric_agents_exporter.settings.environment import TARGET, read_environment
from electric_agents_exporter.settings.faults import (
    Fault,
    Place,
    SettingsFault,
    explain,
    nearest,
    spell,
)
from electric_agents_exporter.settings.layers import Layer, describe, is_excused, placeholders
from electric_agents_exporter.settings.model import Settings
from electric_agents_exporter.settings.ordinal import POD_NAME, with_ordinal
from electric_agents_exporter.settings.targets import TARGET_MODELS, meaningless
from electric_agents_exporter.settings.web_config import read_web_config
from electric_agents_exporter.settings.yaml_file import read_file

_TOLD: Final = 200
"""Of how many faults each is told: nobody reads more, and to guess what was meant takes time."""

_FLAGS = {
    ("listen",): "--listen",
    ("watch_config",): "--watch-config",
    ("web", "config_file"): "--web.config.file",
    (*TARGET, "url"): "--url",
    (*TARGET, "principals"): "--principal",
}


def load(
    config: Path | None, flags: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Settings:
    """Load the settings; a flag beats the environment, which beats the file.

    Args:
        config: the YAML file, if any.
        flags: settings by name, as the command line gave them. The first of its `targets`
            completes the target of the environment; all of them replace those of the file.
        environ: the environment, by default this process's.

    Raises:
        SettingsFault: something is wrong; it names every fault.
    """
    environ = os.environ if environ is None else environ
    pod = environ.get(POD_NAME) or socket.gethostname()
    environment = with_ordinal(read_environment(environ), pod)
    file = with_ordinal(read_file(config) if config else Layer(), pod)
    given = _complete(flags, environment)
    layers = (given, environment, file)
    faults = [fault for layer in layers for fault in _first(layer.faults)]
    if {"targets"} <= environment.content.keys() & file.content.keys() - flags.keys():
        sets = ", ".join(
            name for place, name in environment.origins.items() if _is_set(place, environment)
        )
        faults.append(Fault(sets, f"sets targets, and so does {config}; leave out one"))
    settings, found = _validate(layers)
    faults += _faults_of_web_config(layers)
    left = placeholders(layers)
    # What else is wrong with a placeholder is only that it is one.
    places = {each.place for each in left}
    faults += [fault for fault in found if places.isdisjoint(_places_around(fault))]
    faults += _first(left)
    if settings is None or faults:
        raise SettingsFault(sorted(faults, key=_in_order))
    return settings


def _faults_of_web_config(layers: Sequence[Layer]) -> Sequence[Fault]:
    """Find what is wrong with the file that the first layer names which names one."""
    for layer in layers:
        web = layer.content.get("web")
        file = web.get("config_file") if isinstance(web, Mapping) else None
        if isinstance(file, str) and _is_file(Path(file)):
            try:
                read_web_config(Path(file))
            except SettingsFault as fault:
                return fault.faults
            break
    return ()


def _is_file(path: Path) -> bool:
    """Tell whether a file is called so; none is where the system takes no such name."""
    with suppress(OSError):
        return path.is_file()
    return False


def _places_around(fault: Fault) -> Iterator[str]:
    """Give the place of a fault, and those that it is within."""
    return (fault.place[: end.start()] for end in re.finditer(r"[.\[:]|$", fault.place))


def _first(faults: Sequence[Fault]) -> list[Fault]:
    return [*faults[:_TOLD], *_untold(len(faults) - _TOLD)]


def _untold(count: int) -> list[Fault]:
    text = f"have {count} more faults, which are not told here"
    return [Fault("settings", text)] if count > 0 else []


def _complete(flags: Mapping[str, Any], environment: Layer) -> Layer:
    """Make a layer of the flags; what they leave open of a target the environment says."""
    if "targets" not in flags:
        return Layer(flags, {place: _FLAGS[place] for place in _FLAGS if place[0] in flags})
    first, *others = flags["targets"]
    inherited = environment.content["targets"][0] if TARGET in environment.origins else {}
    # What neither gives is asked for by its flag, since flags are what this person uses.
    origins = {
        place: flag
        for place, flag in _FLAGS.items()
        if place[0] in flags and (place[-1] in first or place[-1] not in inherited)
    }
    return Layer({**flags, "targets": [{**inherited, **first}, *others]}, origins)


def _is_set(place: Place, layer: Layer) -> bool:
    """Tell whether a place holds a target, or a part of one, that the layer really gives."""
    if place == ("targets",):
        return TARGET not in layer.origins
    return len(place) > len(TARGET) and place[2] in layer.content["targets"][0]


def _validate(layers: Sequence[Layer]) -> tuple[Settings | None, list[Fault]]:
    sources = tuple(_LayerSource(Settings, layer) for layer in layers)
    try:
        return Settings(_build_sources=(sources, {})), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        return None, [
            *(fault for detail in details[:_TOLD] for fault in _explain(detail, layers)),
            *_untold(len(details) - _TOLD),
        ]


class _LayerSource(PydanticBaseSettingsSource):
    """Gives pydantic-settings what a layer says, as it stands there."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    @override
    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._layer.content.get(field_name), field_name, False

    @override
    def __call__(self) -> dict[str, Any]:
        return dict(self._layer.content)


def _explain(detail: ErrorDetails, layers: Sequence[Layer]) -> list[Fault]:
    place: Place = tuple(part for part in detail["loc"] if part != "[key]")
    tag = ""
    if len(place) > len(TARGET) and place[0] == "targets" and place[2] in TARGET_MODELS:
        tag = str(place[2])
        place = (*place[:2], *place[3:])
    if is_excused(place, layers):
        return []
    where = describe(place, layers)
    if detail["type"] == "extra_forbidden":
        return [_unknown(where, place, tag)]
    message, suggestion = explain(detail["type"], detail.get("ctx", {}), detail["input"])
    return [Fault(where, message, suggestion)]


def _unknown(where: str, place: Place, tag: str) -> Fault:
    """Say what is wrong with a name that its section does not know; `tag` is that of a target."""
    names = tuple(part for part in place if isinstance(part, str))
    if tag and len(names) == len(TARGET):
        why = meaningless(tag, names[-1])
        if why:
            return Fault(where, why)
    return Fault(where, "unknown setting", _meant(names))


def _meant(names: setting_names.Names) -> str:
    """Guess which setting was meant: that of this name nearby, or one of a like name here."""

    def shared(home: setting_names.Names) -> int:
        pairs = zip(home[:-1], names[:-1], strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    # The right name in the wrong section is as common a slip as a wrong name.
    homes = [home for home, _ in setting_names.fields() if home[-1] == names[-1]]
    most = max(map(shared, homes), default=0)
    nearby = [home for home in homes if shared(home) == most]
    like = nearest(names[-1], setting_names.names_in(names[:-1]))
    is_elsewhere = most == 0 and len(names) > 1
    if len(nearby) != 1 or (is_elsewhere and like):
        return like
    return spell(nearby[0][most:])


def _in_order(fault: Fault) -> list[str | int]:
    """Sort by place, line 9 before line 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", fault.place)]
