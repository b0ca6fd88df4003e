"""config.yaml: validated whole, with file, line, key and the nearest key in each error."""

from pathlib import Path

import pytest

from consumer.config import effective, load, read_trackers
from consumer.core.values import Encoding
from consumer.errors import ConfigError
from consumer.kafka.settings import OWNED
from consumer.masking import MASK, masked_dsn
from tests.unit.samples import DATA

SMALLEST = """\
kafka:
  bootstrap.servers: k:9092
  group.id: g
postgres:
  dsn: postgresql://h/db
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return str(caught.value)


def test_the_smallest_configuration_has_all_defaults(tmp_path: Path) -> None:
    settings = load(written(tmp_path, SMALLEST))
    assert (settings.group, settings.dsn) == ("g", "postgresql://h/db")
    assert (settings.input.topic, settings.output.topic) == ("document-changes", "milestone-reached")
    assert settings.dead_letter_topic == "document-changes.dead-letter"
    assert settings.output.guarantee == "exactly_once"
    assert settings.metrics.host == "127.0.0.1"
    assert settings.tracker_list() is None


def test_the_projects_own_configuration_is_valid() -> None:
    settings = load(DATA.parents[1] / "config.yaml")
    assert len(settings.tracker_list() or []) == 5
    assert settings.document_types()["Sales Order"].columns == {"grand_total": Encoding("decimal")}


def test_variables_are_filled_in_wherever_a_value_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_GROUP", "from environment")
    monkeypatch.setenv("T_PORT", "9999")
    monkeypatch.delenv("T_HOST", raising=False)
    text = (
        SMALLEST.replace("group.id: g", "group.id: ${T_GROUP}") + "metrics: {port: '${T_PORT}', host: '${T_HOST:-::1}'}"
    )
    settings = load(written(tmp_path, text.replace("k:9092", "${T_HOST:-k}:${T_PORT}")))
    assert (settings.group, settings.metrics.port, settings.metrics.host) == ("from environment", 9999, "::1")
    assert settings.kafka["bootstrap.servers"] == "k:9999"


@pytest.mark.parametrize("secret", ["0123", "12345678901234567890123", "true ", "1e5", "no", "a: b # c", "${X}", "p$1"])
def test_a_secret_from_a_variable_stays_the_text_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("T_SECRET", secret)
    settings = load(written(tmp_path, SMALLEST.replace("group.id: g", "group.id: g\n  sasl.password: ${T_SECRET}")))
    assert str(settings.kafka["sasl.password"]) == secret


def test_a_secret_can_be_the_content_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cr:et\n")
    monkeypatch.setenv("T_SECRET", "not this")
    monkeypatch.setenv("T_SECRET_FILE", str(tmp_path / "secret"))
    settings = load(written(tmp_path, SMALLEST.replace("//h/", "//u:${T_SECRET}@h/")))
    assert settings.dsn == "postgresql://u:s3cr:et@h/db"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_secret_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("T_SECRET_FILE", str(file))
    assert f"config.yaml:3: kafka.group.id: T_SECRET_FILE names {file}, which cannot be read" in refusal(
        tmp_path, SMALLEST.replace("group.id: g", "group.id: ${T_SECRET}")
    )


def test_a_variable_that_is_not_set_says_line_and_way_out(tmp_path: Path) -> None:
    message = refusal(tmp_path, SMALLEST.replace("group.id: g", "group.id: ${T_NOT_SET}"))
    assert message.startswith("config.yaml:3: kafka.group.id: the variable T_NOT_SET is not set")
    assert "write ${T_NOT_SET:-default}" in message


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES__METRICS__PORT", "1234")
    settings = load(written(tmp_path, SMALLEST + "metrics:\n  host: '::1'\n  port: 5\n"))
    assert (settings.metrics.port, settings.metrics.host) == (1234, "::1")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("metrix: {}\n", "config.yaml:6: metrix: unknown key; did you mean 'metrics'?"),
        ("metrics:\n  prot: 1\n", "config.yaml:7: metrics.prot: unknown key; did you mean 'port'?"),
        ("documents:\n  Task:\n    tabel: x\n", ":8: documents.Task.tabel: unknown key; did you mean 'table'?"),
        ("input:\n  zzz: 1\n", "config.yaml:7: input.zzz: unknown key; known are topic, topics, pattern"),
        ("metrics:\n  port: many\n", "config.yaml:7: metrics.port: Input should be a valid integer"),
        ("metrics:\n  port: 70000\n", "config.yaml:7: metrics.port: Input should be less than or equal to 65535"),
        ("output:\n  guarantee: perhaps\n", "config.yaml:7: output.guarantee: Input should be 'exactly_once'"),
        ("output:\n  topic: document-changes\n", ":7: output.topic: input, output and dead-letter topic must"),
        ("documents:\n  A:\n    columns:\n      x: {as: money}\n", "'money' is not an encoding; one of text, decimal"),
        ("trackers:\n  - document_type: A\n", "trackers[0]: track_field is missing"),
        ("trackers:\n  - document_type: A\n    track_field: f\n    vales: [x]\n", "trackers[0]: unknown key 'vales'"),
        ("trackers:\n  - {document_type: Milestone, track_field: f}\n", "is this program's own"),
        ("input:\n  topic: a\n  topic: b\n", "config.yaml:8: 'topic' stands twice in one place"),
        ("input: [\n", "config.yaml:7: is not YAML while parsing a flow node: expected the node content"),
        ("trackers:\n\t- a\n", "config.yaml:7: is not YAML while scanning for the next token: found character"),
        ("trackers:\n\t- a\n", "indent with spaces, not with tabs"),
        ("trackers:\n  - Sales Order\n", "config.yaml:7: trackers[0]: a tracker has keys, document_type"),
        ("trackers:\n  -\n", "document_type and track_field at least; this is nothing"),
        ("documents:\n  A:\n    columns:\n      x: decimal\n", "A.columns.x: keys with values are expected here"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_key_and_the_nearest_key(tmp_path: Path, text: str, wrong: str) -> None:
    assert wrong in refusal(tmp_path, SMALLEST + text)


@pytest.mark.parametrize(
    ("missing", "where"), [("bootstrap.servers", "kafka"), ("group.id", "kafka"), ("dsn", "postgres")]
)
def test_what_is_missing_is_named(tmp_path: Path, missing: str, where: str) -> None:
    text = "\n".join(line for line in SMALLEST.splitlines() if missing not in line)
    message = refusal(tmp_path, text + "\n" if missing != "dsn" else text + "\n  {}\n")
    assert f"{where}.{missing}: is missing" in message


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, SMALLEST + "metrix: {}\ninput:\n  zzz: 1\n")
    assert len(message.splitlines()) == 2


@pytest.mark.parametrize("name", sorted(OWNED))
def test_properties_that_the_protocol_owns_are_refused(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, SMALLEST.replace("group.id: g", f"group.id: g\n  {name}: x"))
    assert message.startswith(f"config.yaml:4: kafka.{name}: the protocol owns this property")


def test_a_file_that_is_missing_or_empty_says_what_to_do(tmp_path: Path) -> None:
    assert "is empty or no mapping" in refusal(tmp_path, "")
    with pytest.raises(ConfigError, match="does not exist; name another with --config"):
        load(tmp_path / "nowhere.yaml")


def test_what_yaml_takes_for_something_else_is_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "trackers.yaml"
    path.write_text(
        "trackers:\n- {document_type: A, track_field: f, values: [No, yes, 007, 10:30:00, 2024-01-31, 0, true, 1.50]}\n"
    )
    [tracker] = read_trackers(path)
    assert tracker.rule.values == ("No", "yes", "007", "10:30:00", "2024-01-31", "0", "true", "1.5")


SECRET = "s3/c'r e&t=@"  # noqa: S105 - nobody's
DSNS = [
    ("postgresql://u:pa%40s%2Fs@h:5432/db?sslmode=require", "pa%40s", "postgresql://u:********@h:5432/db?sslmode=require"),
    ("postgres://u:a:b?c#d@h/db", "a:b?c#d", "postgres://u:********@h/db"),
    ("postgresql://h/db?user=u&password=a%26b&sslpassword=x1y&connect_timeout=5", "a%26b", None),
    ("host=h password=a&b@c/d user=u", "a&b", "host=h password=******** user=u"),
    (r"host=h password='a \' b' user=u", r"a \' b", "host=h password=******** user=u"),
    (r"host=h password=a\ b\' user=u", r"a\ b", "host=h password=******** user=u"),
    ("host=h PASSWORD = a=b user=u", "a=b", "host=h PASSWORD = ******** user=u"),
    ("host=h sslpassword=topsecret oauth_client_secret=hidden", "topsecret", None),
    ("postgresql://u@h/db", "nothing", "postgresql://u@h/db"),
]  # fmt: skip


@pytest.mark.parametrize(("dsn", "secret", "shown"), DSNS)
def test_a_password_is_masked_in_both_forms_of_a_dsn(dsn: str, secret: str, shown: str | None) -> None:
    masked = masked_dsn(dsn)
    assert secret not in masked
    assert shown is None or masked == shown
    for other in ("x1y", "hidden"):
        assert other not in masked


def test_secrets_of_kafka_are_masked_and_nothing_else(tmp_path: Path) -> None:
    secrets = [
        "sasl.password",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
    ]
    lines = "".join(f'\n  {name}: "{SECRET}"' for name in secrets) + "\n  sasl.username: me"
    settings = load(written(tmp_path, SMALLEST.replace("group.id: g", f"group.id: g{lines}")))
    shown = effective(settings)["kafka"]
    assert {name: shown[name] for name in secrets} == dict.fromkeys(secrets, MASK)
    assert (shown["sasl.username"], shown["group.id"]) == ("me", "g")
    assert SECRET not in str(effective(settings))
    assert SECRET in str(settings.kafka)
