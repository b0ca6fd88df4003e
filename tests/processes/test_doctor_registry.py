"""`milestones doctor` on a stream in Avro and a real registry: there, without a schema, and away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.processes.test_doctor import bad, examined
from tests.processes.test_registry import feed, registered
from tests.processes.workers import Deployment
from tests.services import RegistryService, open_registry

pytestmark = pytest.mark.all


@pytest.fixture
def own_registry() -> Iterator[RegistryService]:
    with closing(open_registry(private=True)) as service:
        yield service


def test_the_registry_is_asked_for_the_schemas_of_the_sample(
    deployment: Deployment, own_registry: RegistryService
) -> None:
    deployment.config["input"]["registry"] = {"url": own_registry.confluent_api, "timeout": 2}
    deployment.config["trackers"] = [{"document_type": "Sales Order", "track_field": "status"}]
    deployment.create(partitions=2)
    number = registered(own_registry)
    feed(deployment, 40, number)
    _, found = examined(deployment)
    assert found["registry"][0]["level"] == "ok"
    assert "envelopes in Avro: 40 of 80 (50 %), envelopes in JSON: 40 of 80 (50 %)" in found["formats"][0]["found"]
    assert bad(found).isdisjoint({"schema-unknown", "registry-unreachable", "registry-missing", "dead-letters"})

    feed(deployment, 1, number + 100)
    _, found = examined(deployment)
    assert [one["place"] for one in found["schema-unknown"]] == [f"schema id {number + 100}"]

    deployment.config["output"] |= {"format": "avro"}  # By the registry of the input.
    code, found = examined(deployment)
    assert (code, [one["level"] for one in found["output-schema-missing"]]) == (3, ["problem"])
    deployment.config["output"]["register_schema"] = True
    deployment.finish()
    _, found = examined(deployment)
    assert [one["level"] for one in found["output-schema"]] == ["ok"]
    deployment.config["output"]["format"] = "json"

    own_registry.terminate()
    code, found = examined(deployment)
    assert (code, found["registry-unreachable"][0]["level"]) == (3, "problem")
    assert "does not answer" in found["schema-unknown"][0]["found"]

    del deployment.config["input"]["registry"]
    _, found = examined(deployment)
    assert found["registry-missing"][0]["found"].startswith("41 of 82")
