"""From flags, environment and file to settings, or to every fault at once with its place."""

import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from electric_agents_exporter.settings.model import ENV_PREFIX, Settings, TargetSettings

CONFIG_VARIABLE: Final = f"{ENV_PREFIX}CONFIG"
"""The environment variable that may name the file."""

_MAX_FILE: Final = 1 << 20
_SEGMENT: Final = "__"

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where it stands, what was expected, what was likely meant."""

    place: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{self.place}: {self.message}{hint}"


class SettingsFault(Exception):  # noqa: N818  (it carries faults, and is one)
    """The settings cannot be used; `faults` are all that is wrong with them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


def load(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Load the settings; a flag beats the environment, which beats the file.

    Args:
        config: the YAML file, if any.
        flags: settings by name, as the command line gave them; `targets` replaces all others.

    Raises:
        SettingsFault: something is wrong; it names every fault.
    """
    file = _read_file(config)
    faults = _unknown_variables(os.environ)
    from_environment = _single_target(os.environ)
    if from_environment and "targets" in file.content and "targets" not in flags:
        variables = ", ".join(sorted(_target_variables(os.environ)))
        faults.append(Fault(variables, f"sets a target, and so does {config}; leave out one"))

    class Loaded(Settings):
        """The settings with the sources of this call."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del env_settings, dotenv_settings, file_secret_settings
            target = {"targets": [from_environment]} if from_environment else {}
            return (
                init_settings,
                EnvSettingsSource(settings_cls),
                InitSettingsSource(settings_cls, init_kwargs=target),
                InitSettingsSource(settings_cls, init_kwargs=dict(file.content)),
            )

    try:
        settings = Loaded(**flags)
    except ValidationError as error:
        places = _Places(file, from_flags=set(flags), from_environment=bool(from_environment))
        faults.extend(_explain(error, places))
    except SettingsError as error:
        faults.append(Fault("environment", f"{error}: expected JSON"))
    if faults:
        raise SettingsFault(faults)
    return settings


@dataclass(frozen=True, slots=True)
class _File:
    """A YAML file: what it says, and on which line."""

    name: str
    content: Mapping[str, Any]
    lines: Mapping[Place, int]


def _read_file(path: Path | None) -> _File:
    if path is None:
        return _File("", {}, {})
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise SettingsFault([Fault(str(path), f"cannot be read: {error.strerror}")]) from error
    if len(text) > _MAX_FILE:
        raise SettingsFault([Fault(str(path), f"is larger than {_MAX_FILE} bytes")])
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise SettingsFault([Fault(place, f"not YAML: {problem}")]) from error
    if content is None:
        return _File(str(path), {}, {})
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsFault([Fault(f"{path}:1", "expected settings as `name: value`")])
    lines: dict[Place, int] = {}
    faults = _note_lines(node, (), lines, str(path))
    if faults:
        raise SettingsFault(faults)
    return _File(str(path), content, lines)


def _note_lines(
    node: yaml.Node | None, place: Place, lines: dict[Place, int], name: str
) -> list[Fault]:
    """Note the line of everything in the file, and find names that stand twice."""
    faults = []
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            inner = (*place, str(key.value))
            if inner in lines:
                line = key.start_mark.line + 1
                faults.append(Fault(f"{name}:{line}: {_spell(inner)}", "stands here a second time"))
            lines[inner] = key.start_mark.line + 1
            faults += _note_lines(child, inner, lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            inner = (*place, position)
            lines[inner] = child.start_mark.line + 1
            faults += _note_lines(child, inner, lines, name)
    return faults


@dataclass(frozen=True, slots=True)
class _Places:
    """Tells people where a setting came from."""

    file: _File
    from_flags: set[str]
    from_environment: bool

    def describe(self, place: Place) -> str:
        spelled = _spell(place)
        if place and place[0] in self.from_flags:
            return f"flags: {spelled}"
        if self.from_environment and place[:2] == ("targets", 0):
            return _SEGMENT.join(
                (ENV_PREFIX + str(place[2]) if place[2:] else "environment", *map(str, place[3:]))
            ).upper()
        variable = ENV_PREFIX + _SEGMENT.join(map(str, place)).upper()
        if place and variable in os.environ:
            return variable
        for length in range(len(place), 0, -1):
            line = self.file.lines.get(place[:length])
            if line is not None:
                return f"{self.file.name}:{line}: {spelled}"
        return f"{self.file.name}: {spelled}".strip(": ") or "settings"


def _explain(error: ValidationError, places: _Places) -> list[Fault]:
    faults = []
    for detail in error.errors(include_url=False):
        place = tuple(part for part in detail["loc"] if not _is_tag(part))
        where = places.describe(place)
        context = detail.get("ctx", {})
        if detail["type"] == "extra_forbidden":
            known = _names_at(place[:-1])
            faults.append(Fault(where, "unknown setting", _nearest(str(place[-1]), known)))
        elif detail["type"] == "missing":
            faults.append(Fault(where, "is missing"))
        elif detail["type"] == "literal_error":
            words = re.findall(r"'([^']*)'", context["expected"])
            # The value itself is never shown: it may be a secret in the wrong place.
            faults.append(
                Fault(
                    where, f"expected {context['expected']}", _nearest(str(detail["input"]), words)
                )
            )
        elif detail["type"] == "value_error":
            message = str(context["error"])
            faults.extend(Fault(where, part) for part in message.split("; "))
        else:
            message = detail["msg"]
            faults.append(Fault(where, message[0].lower() + message[1:]))
    return faults


def _is_tag(part: str | int) -> bool:
    """Tell pydantic's own marks in a place from the names that people wrote."""
    return isinstance(part, str) and any(mark in part for mark in "[(")


def _names_at(place: Place) -> list[str]:
    """Give the names that may stand in a section."""
    model: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        if field is None:
            return []
        found = _model_in(field.annotation)
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _nearest(name: str, known: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6)), "")


def _spell(place: Place) -> str:
    """Write a place as people do: `targets[0].interval`."""
    spelled = ""
    for part in place:
        spelled += f"[{part}]" if isinstance(part, int) else f".{part}"
    return spelled.removeprefix(".")


def _target_names() -> dict[str, str]:
    """Give the settings of one target by their variable, and `PRINCIPAL` for a single one."""
    names = {ENV_PREFIX + name.upper(): name for name in TargetSettings.model_fields}
    return {**names, f"{ENV_PREFIX}PRINCIPAL": "principals"}


def _target_variables(environ: Mapping[str, str]) -> list[str]:
    heads = _target_names()
    return [
        variable
        for variable in environ
        if ENV_PREFIX + variable.removeprefix(ENV_PREFIX).split(_SEGMENT)[0] in heads
    ]


def _single_target(environ: Mapping[str, str]) -> dict[str, Any]:
    """Make the one target that the environment describes, if it does."""
    heads = _target_names()
    target: dict[str, Any] = {}
    for variable in _target_variables(environ):
        head, *path = variable.removeprefix(ENV_PREFIX).split(_SEGMENT)
        keys = [heads[ENV_PREFIX + head], *(part.lower() for part in path)]
        section = target
        for key in keys[:-1]:
            section = section.setdefault(key, {})
        section[keys[-1]] = _parse_variable(environ[variable])
    return target


def _parse_variable(text: str) -> object:
    """Read a list or a map, which environment variables hold as JSON; anything else is text."""
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _unknown_variables(environ: Mapping[str, str]) -> list[Fault]:
    known = [
        CONFIG_VARIABLE,
        *_target_names(),
        *(ENV_PREFIX + name.upper() for name in Settings.model_fields),
    ]
    return [
        Fault(variable, "unknown setting", _nearest(variable, known))
        for variable in sorted(environ)
        if variable.startswith(ENV_PREFIX)
        and ENV_PREFIX + variable.removeprefix(ENV_PREFIX).split(_SEGMENT)[0] not in known
    ]
