"""docker-compose.yml and what it mounts: valid, pinned, closed to others, at one with the rest of the repository."""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.services import kafka, mariadb, postgres, registry
from tests.services.connect import installation
from tests.test_dashboards import DEFINED

REPOSITORY = Path(__file__).parents[1]
SPECIFICATION = REPOSITORY / "tests" / "data" / "compose-spec"
TEXT = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SMALL = {"kafka", "postgres", "roles", "migrate", "consumer"}
"""What comes up without a profile."""

ENDING = {"roles", "migrate", "connector"}
"""Services that do one thing and end."""

STAYING = set(SERVICES) - ENDING

_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")


def _schema() -> Draft202012Validator:
    schema = json.loads((SPECIFICATION / "compose-spec.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _environment(service: str) -> dict[str, str]:
    environment: dict[str, str] = SERVICES[service].get("environment", {})
    return environment


def _bind_mounts() -> Iterator[tuple[str, Path, str]]:
    """Service, what of the repository it sees, and where; all of them are read-only."""
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, target, *mode = mount.split(":")
            if source.startswith("."):
                assert mode == ["ro"], f"{name} could write to {source}"
                yield name, REPOSITORY / source, target


def mounted(service: str, path: str) -> Path:
    """The file or folder of the repository that a service sees at a path."""
    for name, source, target in _bind_mounts():
        if name == service and (path == target or path.startswith(f"{target}/")):
            return source / path[len(target) :].lstrip("/")
    raise AssertionError(f"{service} sees nothing of the repository at {path}")


def test_the_schema_is_the_one_that_its_page_names() -> None:
    page = (SPECIFICATION / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256((SPECIFICATION / "compose-spec.json").read_bytes()).hexdigest() in page


def test_the_file_is_valid_under_the_compose_specification() -> None:
    assert [error.message for error in _schema().iter_errors(COMPOSE)] == []


@pytest.mark.parametrize(
    "service", [{"imagee": "postgres:18"}, {"ports": "5432"}, {"depends_on": {"kafka": {"condition": "healthy"}}}]
)
def test_a_service_that_the_specification_does_not_know_is_refused(service: dict[str, Any]) -> None:
    assert not _schema().is_valid({"services": {"broken": service}})


def test_without_a_profile_comes_the_small_line_and_with_all_everything() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == SMALL
    assert {name for name, service in SERVICES.items() if "all" in service.get("profiles", ["all"])} == set(SERVICES)


@pytest.mark.parametrize("profile", ["", "source", "watch", "registry", "all"])
def test_what_a_service_waits_for_comes_up_with_it_and_can_be_waited_for(profile: str) -> None:
    up = {name: service for name, service in SERVICES.items() if profile in service.get("profiles", [profile])}
    waits = [
        (other, how["condition"]) for service in up.values() for other, how in service.get("depends_on", {}).items()
    ]
    assert waits
    for other, condition in waits:
        assert other in up
        ends = other in ENDING
        assert condition == ("service_completed_successfully" if ends else "service_healthy")
        assert ends or "healthcheck" in SERVICES[other]


@pytest.mark.parametrize("name", sorted(STAYING))
def test_a_service_that_stays_is_watched_and_started_anew(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries"} <= set(SERVICES[name]["healthcheck"])


@pytest.mark.parametrize("name", sorted(ENDING))
def test_a_service_that_ends_is_not_started_for_ever(name: str) -> None:
    assert SERVICES[name]["restart"] in ("no", "on-failure:5")


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" not in service])
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:v?\d+[\w.]*", SERVICES[name]["image"])


def test_the_images_are_those_that_the_tests_use() -> None:
    assert SERVICES["kafka"]["image"] == kafka.IMAGE
    assert {SERVICES["postgres"]["image"], SERVICES["roles"]["image"]} == {postgres.IMAGE}
    assert SERVICES["mariadb"]["image"] == mariadb.IMAGE
    assert SERVICES["registry"]["image"] == registry.IMAGE
    assert SERVICES["connect"]["image"].rpartition(":")[2] == f"{installation.VERSION.partition('debezium-')[2]}.Final"
    assert SERVICES["connector"]["image"] == SERVICES["connect"]["image"]


def test_ports_are_open_to_this_machine_only_and_each_once() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) > 5
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_every_mounted_file_exists_and_every_volume_is_used() -> None:
    assert [str(source) for _, source, _ in _bind_mounts() if not source.exists()] == []
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])


def test_every_variable_has_the_default_that_the_example_of_env_shows() -> None:
    lines = (REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    body = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    assert set(_VARIABLE.findall(body)) == set(example.items())
    assert all(value.startswith("demo-") for name, value in example.items() if _SECRET.search(name))


def test_no_password_stands_in_the_file_but_as_a_variable() -> None:
    secrets = [
        (name, variable, value)
        for name in SERVICES
        for variable, value in _environment(name).items()
        if _SECRET.search(variable) and not variable.endswith("_PATTERN")
    ]
    assert len(secrets) > 8
    assert [secret for secret in secrets if not _VARIABLE.fullmatch(secret[2])] == []
    assert re.findall(r"://\w+:[^@\s]+@", TEXT) == []


# PostgreSQL


def test_the_consumer_and_the_migration_have_a_user_each_with_the_password_that_is_set() -> None:
    for name, user in (("migrate", "erp_admin"), ("consumer", "erp_worker")):
        environment = _environment(name)
        assert environment["POSTGRES_DSN"].startswith(f"postgresql://{user}@postgres:5432/")
        assert environment["PGPASSWORD"] == _environment("roles")[f"{user.upper()}_PASSWORD"]
    assert _environment("roles")["PGPASSWORD"] == _environment("postgres")["POSTGRES_PASSWORD"]


# Debezium

CONNECTORS: dict[str, dict[str, str]] = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(mounted("connector", "/debezium").glob("*.json"))
}
CONNECTOR = CONNECTORS["connector.json"]
CONFIG: dict[str, Any] = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_reads_the_database_that_is_made_and_writes_what_the_consumer_reads(name: str) -> None:
    connector = CONNECTORS[name]
    assert connector["database.hostname"] in SERVICES
    assert connector["database.include.list"] == _environment("mariadb")["MARIADB_DATABASE"]
    assert connector["transforms.route.replacement"] == CONFIG["input"]["topic"]
    written = f"{connector['topic.prefix']}.{connector['database.include.list']}.tabSales_Order"
    assert re.fullmatch(connector["transforms.route.regex"], written)
    assert connector["schema.history.internal.kafka.bootstrap.servers"] == _environment("connect")["BOOTSTRAP_SERVERS"]


def test_the_connectors_differ_in_what_they_write_alone() -> None:
    assert set(CONNECTORS) == {"connector.json", "connector-avro.json"}
    plain, avro = ({**connector} for connector in CONNECTORS.values())
    converter = re.compile(r"(key|value)\.converter|schema\.name\.adjustment")
    assert {k: v for k, v in plain.items() if not converter.match(k)} == {
        k: v for k, v in avro.items() if not converter.match(k)
    }


def test_avro_goes_through_the_registry_that_the_consumer_asks() -> None:
    connector = CONNECTORS["connector-avro.json"]
    written = {connector[f"{part}.converter.apicurio.registry.url"] for part in ("key", "value")}
    asked = _environment("consumer")["MILESTONES__INPUT__REGISTRY__URL"]
    assert {urlsplit(url).netloc for url in (*written, asked)} == {"registry:8080"}
    assert SERVICES["registry"]["ports"] == ["127.0.0.1:8081:8080"]


@pytest.mark.parametrize("name", CONNECTORS)
def test_the_one_shot_registers_the_connector_that_is_chosen(name: str) -> None:
    body = SERVICES["connector"]["entrypoint"][SERVICES["connector"]["entrypoint"].index("--data") + 1]
    path = _VARIABLE.sub(name, body).removeprefix("@")
    assert mounted("connector", path).is_file()
    assert _VARIABLE.findall(body) == [("CONNECTOR", "connector.json")]


def test_the_connector_is_set_as_the_configuration_page_asks() -> None:
    page = (REPOSITORY / "docs" / "configuration.md").read_text(encoding="utf-8")
    asked = dict(re.findall(r"^\| connector \| `([\w.]+)=(\w+)`", page, re.MULTILINE))
    asked |= {f"value.converter.{key}": value for key, value in re.findall(r"JsonConverter \| `(re\S+)=(\w+)`", page)}
    assert len(asked) == 4
    assert {key: CONNECTOR[key] for key in asked} == asked


def test_the_connectors_password_comes_from_the_environment_of_connect_alone() -> None:
    environment = _environment("connect")
    assert CONNECTOR["database.password"] == "${env:DEBEZIUM_PASSWORD}"
    assert environment["CONNECT_CONFIG_PROVIDERS_ENV_PARAM_ALLOWLIST_PATTERN"] == "DEBEZIUM_PASSWORD"
    assert environment["DEBEZIUM_PASSWORD"] == _environment("mariadb")["DEBEZIUM_PASSWORD"]


def test_the_demo_tables_have_what_the_trackers_of_config_yaml_follow() -> None:
    sql = (REPOSITORY / "deploy" / "mariadb" / "10-tables.sql").read_text(encoding="utf-8")
    tables = dict(re.findall(r"create table `tab([\w ]+)` \((.*?)^\)", sql, re.MULTILINE | re.DOTALL))
    for tracker in CONFIG["trackers"]:
        assert re.search(rf"^    {tracker['track_field']} ", tables[tracker["document_type"]], re.MULTILINE)
        assert f"insert into `tab{tracker['document_type']}`" in sql


def test_the_script_that_makes_debeziums_user_is_sourced_and_quotes_its_password(tmp_path: Path) -> None:
    script = REPOSITORY / "deploy" / "mariadb" / "20-debezium-user.sh"
    # Only what is not executable is sourced by the image, and only then are its functions there.
    assert not script.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    seen = tmp_path / "statements.sql"
    environment = {"DEBEZIUM_PASSWORD": r"""it's a "\ $(demo)""", "MARIADB_DATABASE": "erp", "SEEN": str(seen)}
    command = f'set -eu; docker_process_sql() {{ cat > "$SEEN"; }}; . {script}'
    subprocess.run(["bash", "-c", command], check=True, env={**os.environ, **environment})
    statements = seen.read_text(encoding="utf-8")
    assert r"""identified by 'it\'s a "\\ $(demo)';""" in statements
    assert f"create user {CONNECTOR['database.user']}@'%'" in statements
    assert "grant select on `erp`.* to" in statements


# Prometheus and Grafana

PROMETHEUS: dict[str, Any] = yaml.safe_load(mounted("prometheus", "/etc/prometheus/prometheus.yml").read_text())


def test_prometheus_asks_the_consumer_where_it_answers() -> None:
    targets = [
        target for job in PROMETHEUS["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    assert targets == [f"consumer:{CONFIG['metrics']['port']}"]


def rules() -> list[dict[str, Any]]:
    """The alerts, from the files that Prometheus' configuration names."""
    groups = []
    for name in PROMETHEUS["rule_files"]:
        groups += yaml.safe_load(mounted("prometheus", f"/etc/prometheus/{name}").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    asked = re.findall(r"milestones_\w+", rule["expr"])
    assert asked
    labels = set.intersection(*(set(DEFINED[name]._labelnames) for name in asked))  # noqa: SLF001 - as in test_dashboards
    shown = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
    assert set(shown) <= labels


if PROMTOOL := shutil.which("promtool"):  # Where it is installed: it reads expressions as Prometheus does.

    def test_prometheus_own_tool_finds_no_fault() -> None:
        configuration = mounted("prometheus", "/etc/prometheus/prometheus.yml")
        subprocess.run([PROMTOOL or "", "check", "config", configuration], check=True)


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    provisioning = mounted("grafana", "/etc/grafana/provisioning")
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert source["url"].removeprefix("http://") == f"prometheus:{SERVICES['prometheus']['ports'][0].split(':')[2]}"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "milestones.yml").read_text())["providers"]
    assert mounted("grafana", provider["options"]["path"]) == REPOSITORY / "dashboards"
    home = _environment("grafana")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert mounted("grafana", home).is_file()
