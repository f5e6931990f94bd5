"""A target's settings for people to see, without a secret."""

from typing import Any

import yaml

from electric_agents_exporter.settings.targets import TargetSettings

_HIDDEN = "(hidden)"


def shown(target: TargetSettings) -> str:
    """Write what was set of a target, as YAML.

    Parameters of a URL and the words of a command after the first may hold secrets too.
    """
    content: dict[str, Any] = target.model_dump(mode="json", exclude_unset=True)
    for name in ("url", "postgres"):
        address, has_parameters, _ = content.get(name, "").partition("?")
        if has_parameters:
            content[name] = f"{address}?{_HIDDEN}"
    for words in filter(None, [content.get("password_command")]):
        words[1:] = [_HIDDEN] * len(words[1:])
    for name in ("headers", "bearer_token"):
        if name in content:
            content[name] = _hidden(content[name])
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _hidden(value: object) -> object:
    return dict.fromkeys(value, _HIDDEN) if isinstance(value, dict) else _HIDDEN
