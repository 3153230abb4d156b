"""The files of Prometheus: rules on metrics that there are, each with a line that says what to do.

Prometheus's own promtool reads and tests them where `VIGIA_TEST_PROMTOOL` names it (`.ci/run` builds it).
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from tests.architecture.repository import ROOT
from tests.services.web.api.conftest import city_on

PROMTOOL = os.environ.get("VIGIA_TEST_PROMTOOL", "")
DEPLOYED = ROOT / "deploy" / "prometheus"
(GROUP,) = yaml.safe_load((DEPLOYED / "alerts.yml").read_text(encoding="utf-8"))["groups"]
RULES: list[dict[str, Any]] = GROUP["rules"]
TESTS = ROOT / "tests" / "deploy" / "promtool" / "alerts_test.yml"
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
LONGEST_S = 120


def metrics_of_rules() -> set[str]:
    """Every metric in an expression."""
    return set(re.findall(r"\bvigia_\w+", " ".join(rule["expr"] for rule in RULES)))


def counted_by_processes() -> set[str]:
    """Every value of the label `what` in an expression; of a pattern, what it begins with."""
    return {one.removesuffix(".+") for one in re.findall(r'what=~?"([^"]+)"', str([rule["expr"] for rule in RULES]))}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_alert_says_what_is_wrong_and_the_page_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    page, _, heading = rule["annotations"]["runbook"].partition("#")
    assert (page, heading) == ("docs/operating.md", "the-alerts-of-prometheus")
    assert PAGE.count(f"| `{rule['alert']}` |") == 1


def test_each_metric_of_a_rule_is_served_and_documented(database: Engine) -> None:
    with city_on(database) as city:
        served = set(re.findall(r"^# TYPE (\w+)", city.client.get("/metrics").text, re.MULTILINE))
    assert metrics_of_rules() <= served
    for metric in metrics_of_rules():
        assert f"`{metric}" in PAGE, metric
    for what in counted_by_processes():
        assert f'what="{what}' in PAGE, what


def test_prometheus_scrapes_with_the_token_from_its_file_and_loads_the_rules() -> None:
    configuration = yaml.safe_load((DEPLOYED / "prometheus.yml").read_text(encoding="utf-8"))
    (scrape,) = configuration["scrape_configs"]
    compose = yaml.safe_load((ROOT / "docker-compose.monitoring.yml").read_text(encoding="utf-8"))["services"]
    assert scrape["authorization"] == {"credentials_file": "/run/secrets/metrics_token"}
    assert compose["prometheus"]["secrets"] == ["metrics_token"]
    assert scrape["static_configs"] == [{"targets": ["api:8013"]}]
    assert compose["api"]["networks"] == compose["prometheus"]["networks"] == ["monitoring"]
    assert [(DEPLOYED / name).exists() for name in configuration["rule_files"]] == [True]


def promtool(*words: str | Path) -> str:
    """What promtool says. Raises AssertionError where it finds a fault."""
    if not PROMTOOL:
        pytest.skip("no promtool is named")
    done = subprocess.run(
        [PROMTOOL, *words], capture_output=True, text=True, check=False, timeout=LONGEST_S, cwd=TESTS.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_reads_configuration_and_rules() -> None:
    assert "is valid" in promtool("check", "config", "--syntax-only", DEPLOYED / "prometheus.yml")
    assert f"{len(RULES)} rules found" in promtool("check", "rules", DEPLOYED / "alerts.yml")


def test_each_rule_fires_on_its_fault_and_none_in_a_calm_city() -> None:
    fired = set(re.findall(r'alertname="(\w+)"', TESTS.read_text(encoding="utf-8")))
    assert fired == {rule["alert"] for rule in RULES}
    promtool("test", "rules", TESTS)
