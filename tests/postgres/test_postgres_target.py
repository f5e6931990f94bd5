"""A database as a target of the exporter, from a file of settings to the exposition."""

from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.conftest import FakeClock
from tests.postgres.conftest import Database

from electric_agents_exporter.app import Exporter
from electric_agents_exporter.metrics.formats import Format
from electric_agents_exporter.settings.loading import load
from electric_agents_exporter.settings.model import Settings


def settings_of(folder: Path, database: Database, more: str = "", groups: str = "") -> Settings:
    config = folder / "config.yaml"
    metrics = f"metrics: {{groups: [{groups}]}}\n" if groups else ""
    config.write_text(f"targets:\n  - name: db\n    postgres: {database.url}\n{more}{metrics}")
    return load(config, {}, {})


async def scrape(exporter: Exporter) -> str:
    assert (await exporter.pollers["db"].poll(paced=False)).succeeded
    return b"".join(await exporter.scraper.scrape(Format.TEXT)).decode()


async def test_a_target_of_the_settings_shows_every_owners_runners(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    database.add_runner("a", owner="/principal/user%3Aalice")
    database.add_runner("b", owner="/principal/service%3Abob")
    exporter = Exporter(settings_of(tmp_path, database), clock)

    text = await scrape(exporter)

    for line in (
        'electric_agents_server_up{server="db"} 1',
        'electric_agents_server_runners_listed{server="db",principal="all"} 2',
        'electric_agents_runner_health_status{server="db",runner_id="a",status="degraded"} 1',
        'electric_agents_runners_by_owner_kind{server="db",owner_kind="service"} 1',
        'electric_agents_runners_claims_finished_total{server="db",status="released"} 0',
        'electric_agents_runners_claim_duration_seconds_count{server="db",kind="server"} 0',
    ):
        assert f"{line}\n" in text
    assert 'electric_agents_server_claims_last_full_scan_timestamp_seconds{server="db"}' in text
    await exporter.aclose()


async def test_what_only_a_database_tells_is_good_openmetrics(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    database.freeze()
    database.add_runner("r", kind="ci")
    database.claim("c", "r", at=Database.NOW - 20)
    exporter = Exporter(settings_of(tmp_path, database), clock)
    await scrape(exporter)
    database.finish("c")
    await scrape(exporter)
    text = b"".join(await exporter.scraper.scrape(Format.OPENMETRICS)).decode()
    samples = {
        (sample.name, sample.labels.get("le"), sample.labels.get("kind")): sample.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
    }
    name = "electric_agents_runners_claim_duration_seconds"
    assert samples[f"{name}_bucket", "15.0", "ci"] == 0
    assert samples[f"{name}_bucket", "60.0", "ci"] == 1
    assert samples[f"{name}_sum", None, "ci"] == 20
    await exporter.aclose()


async def test_the_history_of_claims_can_be_switched_off(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    exporter = Exporter(settings_of(tmp_path, database, groups="core"), clock)
    text = await scrape(exporter)
    assert "runners_claims_finished" not in text
    assert "runners_by_owner_kind" not in text
    await exporter.aclose()


async def test_a_reload_goes_from_one_tenant_to_all_and_back(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    database.add_runner("r")
    database.add_runner("r", tenant="acme")
    exporter = Exporter(settings_of(tmp_path, database), clock)
    assert 'runner_admin_enabled{server="db",runner_id="r"} 1' in await scrape(exporter)

    exporter.configure(settings_of(tmp_path, database, "    tenants: all\n"))
    clock.advance(5)
    text = await scrape(exporter)
    assert 'runner_admin_enabled{server="db",runner_id="r"}' not in text
    assert 'electric_agents_server_up{server="db"} 1' in text
    for tenant in ("acme", "default"):
        labels = f'server="db",tenant="{tenant}"'
        assert f'runner_admin_enabled{{{labels},runner_id="r"}} 1' in text
        assert f'electric_agents_server_runners_listed{{{labels},principal="all"}} 1' in text

    exporter.configure(settings_of(tmp_path, database, "    tenant: acme\n"))
    clock.advance(5)
    text = await scrape(exporter)
    assert "tenant=" not in text
    assert 'runner_admin_enabled{server="db",runner_id="r"} 1' in text
    await exporter.aclose()


async def test_claims_that_end_around_a_reload_are_counted(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    database.freeze()
    database.add_runner("r")
    database.claim("c", "r")
    exporter = Exporter(settings_of(tmp_path, database), clock)
    await scrape(exporter)
    database.finish("c")
    exporter.configure(settings_of(tmp_path, database, "    timeout: 4s\n"))
    clock.advance(5)
    text = await scrape(exporter)
    assert 'claims_finished_total{server="db",status="released"} 1\n' in text
    await exporter.aclose()


async def test_every_tenants_series_say_that_the_database_is_gone(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    database.add_runner("r", tenant="acme")
    exporter = Exporter(settings_of(tmp_path, database, "    tenants: all\n"), clock)
    await scrape(exporter)
    database.execute("ALTER TABLE runners RENAME TO walkers")
    clock.advance(15)
    assert not (await exporter.pollers["db"].poll(paced=False)).succeeded
    text = b"".join(await exporter.scraper.scrape(Format.TEXT)).decode()
    assert 'electric_agents_server_up{server="db"} 0' in text
    assert 'electric_agents_server_up{server="db",tenant="acme"} 0' in text
    assert 'runner_admin_enabled{server="db",tenant="acme",runner_id="r"} 1' in text
    clock.advance(100)
    text = b"".join(await exporter.scraper.scrape(Format.TEXT)).decode()
    assert "runner_admin_enabled" not in text
    await exporter.aclose()
