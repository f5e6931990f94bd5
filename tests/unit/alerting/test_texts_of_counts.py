"""A text that tells how many there are."""

from electric_agents_exporter.alerting.templates import Labels, Text


def test_a_count_is_written_as_prometheus_writes_its_value() -> None:
    text = Text("{{ value }} runners, {{ value | humanize_percentage }} of one")
    assert text.render(Labels(), 3, object()) == "3 runners, 300% of one"
    assert text.render(Labels(), 3.0, object()) == "3 runners, 300% of one"
