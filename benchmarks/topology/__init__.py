"""A bench of topologies: what is scraped, what the rules make of it, and what is delivered.

Three parts, each of use by itself:

- *The model.* `model` has servers, runners and their lives (`at(seconds, alive=False)`), targets
  and exporters; `exposition.series(world, families)` gives what Prometheus gets of it, by
  docs/metrics.md: `observing` polls as an exporter does and judges with the exporter's own judge.
- *The player.* `player.firing(...)` lets promtool evaluate rule files on the series of many worlds
  at once and gives which alerts fire when, with all their labels.
- *Alertmanager.* `alertmanager.deliveries(settings, firing, until)` gives what a configuration
  delivers of them: to whom, when, and what is in it.

`cases` has worlds with what a sensible on-call wants of them, written down before they were played;
`make topology` plays them. A generator of many days makes worlds of its own and needs the three
parts alone: several fleets are several targets of one exporter, or exporters with jobs of their
own; `Scrapes.thrifty(15)` samples such that a day costs little and every phase comes by.
"""
