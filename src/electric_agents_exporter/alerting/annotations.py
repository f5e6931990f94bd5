"""What an alert says: a definition's labels and annotations, filled in for what it was found on."""

from collections.abc import Mapping
from typing import Final

from electric_agents_exporter.alerting.definition import Definition
from electric_agents_exporter.alerting.facts import Facts
from electric_agents_exporter.alerting.templates import Labels, Text

MAX_LENGTH: Final = 4096
"""Characters of the longest text that is sent: no runner's label makes an alert large."""

_CUT: Final = "…"


class Wording:
    """The labels and annotations of one definition, ready to be filled in.

    What they are filled in with are the labels of the finding and the number that Prometheus would
    have for it as `$value`.
    """

    def __init__(self, definition: Definition) -> None:
        """Compile the templates.

        Raises:
            BadTemplateError: one is none; `definition.load` lets none through.
        """
        self._alert = definition.alert
        self._labels = {name: Text(source) for name, source in definition.labels.items()}
        self._annotations = {name: Text(source) for name, source in definition.annotations.items()}

    def labels(self, found: Mapping[str, str], value: float, facts: Facts) -> dict[str, str]:
        """Give all labels of the alert: those of the finding, its own, and its name.

        As in Prometheus its own take the place of the finding's, and an empty one is none.
        """
        labels = {**found, **_rendered(self._labels, found, value, facts), "alertname": self._alert}
        return {name: text for name, text in labels.items() if text}

    def annotations(self, found: Mapping[str, str], value: float, facts: Facts) -> dict[str, str]:
        """Give its annotations. As in Prometheus they know the labels of the finding alone."""
        return _rendered(self._annotations, found, value, facts)


def _rendered(
    texts: Mapping[str, Text], found: Mapping[str, str], value: float, facts: Facts
) -> dict[str, str]:
    labels = Labels(found)
    return {name: _bounded(text.render(labels, value, facts)) for name, text in texts.items()}


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}{_CUT}"
