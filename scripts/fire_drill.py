"""Send one test page through the Alertmanager that you really have, and say where it goes.

The alert ElectricAgentsFireDrill is labelled as a drill, looks like a page of the rules, and ends
by itself. Exit code 0: Alertmanager routes it to a receiver that sends something; 1: it does not.
"""

import argparse
import base64
import json
import os
import secrets
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import yaml

from alert_sources import PREFIX
from alert_value_faults import SEVERITIES
from alert_values import BadValuesError, Values, load

NAME: Final = f"{PREFIX}FireDrill"
TIMEOUT: Final = 10.0
"""Seconds for one answer."""
SEEN_WITHIN: Final = 10.0
"""Seconds until Alertmanager must have routed the alert."""


_FOREIGN: Final = "does not answer as Alertmanager does"


class DrillFailedError(Exception):
    """The page would not reach anybody; the message says why."""


class Alertmanager:
    """One Alertmanager's API, version 2."""

    def __init__(
        self, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = dict(headers)
        self._open = urllib.request.build_opener(
            _NoRedirects(), urllib.request.HTTPSHandler(context=tls)
        ).open

    def post(self, path: str, body: object) -> None:
        """Send something; the answer says nothing but that it came.

        Raises:
            DrillFailedError: it was not taken.
        """
        self._ask(path, json.dumps(body).encode())

    def get(self, path: str) -> Any:  # noqa: ANN401  (JSON)
        """Ask for something.

        Raises:
            DrillFailedError: there is no answer that an Alertmanager would give.
        """
        text = self._ask(path)
        try:
            return json.loads(text)
        except ValueError:
            raise DrillFailedError(f"{self.url} {_FOREIGN}: no JSON") from None

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(  # noqa: S310  (its scheme was checked)
            f"{self.url}/api/v2/{path}",
            body,
            {"content-type": "application/json", **self._headers},
        )
        try:
            with self._open(request, timeout=TIMEOUT) as answer:
                text: bytes = answer.read()
                return text
        except urllib.error.HTTPError as error:
            with error:
                raise DrillFailedError(f"{self.url} {_refusal(error)}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise DrillFailedError(f"{self.url} cannot be reached: {reason}") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET, and credentials would go elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


def _refusal(error: urllib.error.HTTPError) -> str:
    said = " ".join(error.read(300).decode(errors="replace").split())
    match error.code:
        case 401 | 403:
            return f"refuses the credentials ({error.code})"
        case 404:
            return "has no /api/v2 (404): is the URL its own, with its path prefix?"
        case 301 | 302 | 303 | 307 | 308:
            return f"redirects to {error.headers.get('location')}: give that address"
        case code:
            return f"answers {code}: {said}" if said else f"answers {code}"


def drill(
    values: Values, labels: Mapping[str, str], severity: str, minutes: float
) -> dict[str, Any]:
    """Give the alert, as Prometheus would post it."""
    now = datetime.now(UTC)
    ends = now + timedelta(minutes=minutes)
    return {
        "labels": {
            **values.labels,
            **labels,
            "alertname": NAME,
            "severity": severity,
            "service": "electric-agents",
            "layer": "drill",
            "drill": f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        },
        "annotations": {
            "summary": "This is a drill: nothing is wrong.",
            "resolved": "This was a drill: nothing was wrong.",
            "description": (
                "Somebody sent this by hand to see whether pages arrive. It did. It ends by itself "
                f"at {ends:%H:%M} UTC; there is nothing to do."
            ),
            "runbook_url": f"{values.links.runbooks}/Watchdog.md",
            "dashboard_url": f"{values.links.grafana}/d/electric-agents-fleet",
        },
        "startsAt": now.isoformat(),
        "endsAt": ends.isoformat(),
        "generatorURL": f"{values.links.grafana}/d/electric-agents-fleet",
    }


def routed(
    alertmanager: Alertmanager,
    alert: Mapping[str, Any],
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Send the alert, and give the receivers that Alertmanager routes it to.

    Raises:
        DrillFailedError: it would reach nobody.
    """
    alertmanager.post("alerts", [alert])
    filters = (f'{name}="{alert["labels"][name]}"' for name in ("alertname", "drill"))
    asked = "alerts?" + "&".join(f"filter={quote(each)}" for each in filters)
    deadline = time.monotonic() + SEEN_WITHIN
    while not (seen := alertmanager.get(asked)) or seen[0]["status"]["state"] == "unprocessed":
        if time.monotonic() > deadline:
            raise DrillFailedError(f"{alertmanager.url} took it, and does not show it")
        sleep(0.2)
    (shown, *_) = seen
    status = shown["status"]
    if status["silencedBy"]:
        raise DrillFailedError(
            f"{alertmanager.url} took it, and silence {', '.join(status['silencedBy'])} mutes it"
        )
    if status["inhibitedBy"]:
        raise DrillFailedError(f"{alertmanager.url} took it, and another alert mutes it")
    return [receiver["name"] for receiver in shown["receivers"]]


def told(alertmanager: Alertmanager, receivers: Sequence[str]) -> list[str]:
    """Give those of the receivers that send something.

    Raises:
        DrillFailedError: none does.
    """
    config = yaml.safe_load(alertmanager.get("status")["config"]["original"])
    sending = {
        receiver["name"]
        for receiver in config.get("receivers") or ()
        if any(value for key, value in receiver.items() if key.endswith("_configs"))
    }
    reached = [name for name in receivers if name in sending]
    if not reached:
        raise DrillFailedError(
            f"{alertmanager.url} routes it to {', '.join(receivers)}, which sends nothing"
        )
    return reached


def credentials(options: argparse.Namespace) -> dict[str, str]:
    """Give the header for what was read from files.

    Raises:
        DrillFailedError: a file cannot be read.
    """
    try:
        if options.bearer_token_file:
            return {"authorization": f"Bearer {options.bearer_token_file.read_text().strip()}"}
        if options.user:
            password = options.password_file.read_text().rstrip("\r\n")
            both = base64.b64encode(f"{options.user}:{password}".encode()).decode()
            return {"authorization": f"Basic {both}"}
    except OSError as error:
        raise DrillFailedError(f"{error.filename}: {error.strerror}") from None
    return {}


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fire-drill",
        description="Send one test page through the Alertmanager that you have; say where it goes.",
    )
    parser.add_argument(
        "--alertmanager",
        action="append",
        type=_url,
        metavar="URL",
        help="its address with its path prefix, once for each of a cluster; or $ALERTMANAGER",
    )
    parser.add_argument("--minutes", type=_minutes, default=5.0, help="how long it fires (5)")
    parser.add_argument("--severity", choices=SEVERITIES, default="critical", help="(critical)")
    parser.add_argument(
        "--label",
        action="append",
        type=_label,
        default=[],
        metavar="NAME=VALUE",
        help="another label that your routes ask for, such as cluster=eu-1",
    )
    parser.add_argument("--bearer-token-file", type=Path, metavar="FILE")
    parser.add_argument("--user", help="for basic authentication, with --password-file")
    parser.add_argument("--password-file", type=Path, metavar="FILE")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="whom to trust, for https")
    parser.add_argument(
        "--values", type=Path, metavar="FILE", help="values of your own, for labels and links"
    )
    options = parser.parse_args(arguments)
    if not options.alertmanager:
        try:
            options.alertmanager = [_url(os.environ["ALERTMANAGER"])]
        except KeyError:
            parser.error("say where it is: --alertmanager=URL")
        except argparse.ArgumentTypeError as error:
            parser.error(f"$ALERTMANAGER: {error}")
    if bool(options.user) != bool(options.password_file):
        parser.error("--user and --password-file go together")
    if options.user and options.bearer_token_file:
        parser.error("--user and --bearer-token-file exclude each other")
    return options


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} is no URL such as http://alertmanager:9093")
    if parts.username or parts.password:
        raise argparse.ArgumentTypeError("credentials are given as files, not in the URL")
    return text


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 1 <= minutes <= 60:  # noqa: PLR2004  (shorter may end before it is sent)
        raise argparse.ArgumentTypeError("between 1 and 60")
    return minutes


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is no label such as cluster=eu-1")
    return name, value


def main(arguments: Sequence[str]) -> int:
    """Hold the drill.

    Returns:
        The exit code: 1 where an Alertmanager would send the page to nobody.
    """
    options = _options(arguments)
    try:
        values = load(options.values)
        headers = credentials(options)
        tls = ssl.create_default_context(cafile=options.ca_file) if options.ca_file else None
    except (BadValuesError, DrillFailedError, OSError) as error:
        print(f"fire drill: {error}", file=sys.stderr)
        return 1
    alert = drill(values, dict(options.label), options.severity, options.minutes)
    failed = False
    for url in options.alertmanager:
        alertmanager = Alertmanager(url, headers, tls)
        try:
            receivers = told(alertmanager, routed(alertmanager, alert))
        except (KeyError, TypeError, yaml.YAMLError):
            print(f"fire drill: {url} {_FOREIGN}", file=sys.stderr)
            failed = True
            continue
        except DrillFailedError as error:
            print(f"fire drill: {error}", file=sys.stderr)
            failed = True
            continue
        print(f"{url} took {NAME} and sends it to: {', '.join(receivers)}")
    if failed:
        return 1
    print(
        f"It must arrive within the group_wait of that route (10s as shipped), and ends at "
        f"{alert['endsAt'][11:16]} UTC.\nIf it does not come: Alertmanager's log, and its metric "
        "alertmanager_notifications_failed_total."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
