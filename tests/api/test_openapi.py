"""Our own description, held against what is served (https://schemathesis.readthedocs.io)."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi

from gateway.api.openapi import document
from tests.doors import Doors, opened

OPERATIONS = [(path, method) for path, item in document()["paths"].items() for method in item]
TRIALS = [
    (path, method, mode)
    for path, method in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or path.startswith("/v1/")  # where nothing is taken, nothing can be wrong
]
CHECKS = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
    openapi.unsupported_method,
]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Doors, Any]]:
    config = {
        "database": f"sqlite:///{tmp_path_factory.mktemp('described')}/kept.db",
        "auth": {"keys": [{"name": "k", "key": "sk-key"}]},
        "models": {"named": "mock/echo"},
        "chains": {"c": {"type": "simple", "model": "named"}},
    }
    with opened(config, {"model": "m"}) as doors:
        schema = schemathesis.openapi.from_dict(doors.client.get("/openapi.json").json())
        schema.config.update(base_url=doors.url)
        yield doors, schema


@pytest.mark.parametrize(("path", "method", "mode"), TRIALS)
def test_the_description_tells_the_truth(
    described: tuple[Doors, Any], path: str, method: str, mode: GenerationMode
) -> None:
    operation = described[1][path][method]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def hold(case: schemathesis.Case) -> None:
        headers = {"authorization": "Bearer sk-key"}
        case.call_and_validate(headers=headers, checks=CHECKS)

    hold()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_what_needs_a_key_says_so(described: tuple[Doors, Any], path: str, method: str) -> None:
    body = (
        {"model": "named", "messages": [], "prompt": "x", "input": "x", "max_tokens": 1} if method == "post" else None
    )
    answer = described[0].client.request(method, path.replace("{id}", "named"), json=body)
    security = document()["paths"][path][method].get("security")
    is_open = security is not None and (security == [] or {} in security)
    assert answer.status_code == (200 if is_open else 401)


def test_every_path_that_is_served_is_described(described: tuple[Doors, Any]) -> None:
    served = described[0].client.get("/nowhere").json()["error"]["message"].partition("serves: ")[2].rstrip(".")
    assert set(served.split(", ")) == set(document()["paths"])
