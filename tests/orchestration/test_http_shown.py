"""What commands tell of `http` steps: where they go, and nothing of what proves who sends them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.build import Gateway
from gateway.cli import main
from gateway.config.problems import ConfigError
from gateway.orchestration.outline import outline
from gateway.orchestration.wiring import Workflows

FILE = """\
providers: {mock: {}}
orchestrator: {http_hosts: [api.example.com, hooks.example.com]}
chains:
  c:
    type: sequential
    steps:
      - name: order
        http:
          url: "https://api.example.com/orders/{{ input }}?fixed=1"
          headers: {authorization: "Bearer ${SHOP_KEY}", X-User: "literal-s3cret"}
          query: {token: "${SHOP_KEY}", since: "2026"}
        retry: {}
      - {name: tell, http: {method: POST, url: "${HOOK}", json: {text: "{{ order }}", deep: ["${SHOP_KEY}"]}}}
  d: {type: simple, http: {method: PUT, url: "https://api.example.com", body: "${SHOP_KEY}", follow: 2}}
tools:
  hook:
    parameters: {text: string}
    http: {method: PUT, url: "${HOOK}", headers: {x: "${SHOP_KEY}"}, body: "{{ text }}"}
graphs:
  g: {start: a, nodes: {a: {http: {url: "${HOOK}"}}}, edges: [{from: a, to: END}]}
"""
VARIABLES = {"SHOP_KEY": "s3cret-key", "HOOK": "https://hooks.example.com/s3cret/hook?s3cret=1"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "gateway.yaml"
    path.write_text(FILE)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return path


def told(*arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "--config", "gateway.yaml"])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_step_is_told(file: Path) -> None:
    order = "http GET https://api.example.com/orders/{{ input }}, query token, since, headers authorization, X-User"
    assert told("explain", "chain:c").splitlines() == [
        "chain:c  (sequential)",
        f"  1. order  {order}, 2 tries",
        "  2. tell   http POST … from HOOK, sends JSON",
    ]
    assert "http PUT https://api.example.com, sends text" in told("explain", "chain:d")


@pytest.mark.parametrize("name", [[], ["chain:c"], ["chain:d"], ["graph:g"]])
@pytest.mark.parametrize("form", [[], ["--json"], ["--mermaid"]])
def test_no_secret_is_told(file: Path, name: list[str], form: list[str]) -> None:
    if form == ["--mermaid"] and not name:
        return
    assert "s3cret" not in told("explain", *name, *form)


def test_nor_does_check_tell_one(file: Path) -> None:
    assert "s3cret" not in told("check")


def test_diff_tells_that_a_header_changed_and_not_how(file: Path) -> None:
    Path("new.yaml").write_text(FILE.replace("literal-s3cret", "other-s3cret").replace("orders/", "order/"))
    result = CliRunner().invoke(main, ["diff", "gateway.yaml", "new.yaml"])
    assert "chain:c: steps.order.http.url changed" in result.output
    assert "chain:c: steps.order.http.headers.X-User changed" in result.output
    assert "s3cret" not in result.output


def test_what_is_shown_is_not_what_runs(file: Path) -> None:
    gateway = Gateway.load(file, VARIABLES)
    told("explain", "chain:c", "--json")
    read = gateway.workflows
    assert isinstance(read, Workflows)
    chain = read.chains["c"]
    assert "literal-s3cret" in str(chain)
    assert "HOOK" not in " ".join(outline("chain:c", chain))


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"SHOP_KEY": "s3cret-key\n"}, ""),  # what stands around a header's value is left out
        ({"SHOP_KEY": "s3cret\r\nkey"}, "chains.c.steps[0].http.headers.authorization"),
        ({"HOOK": "https://s3cret:s3cret@hooks.example.com/"}, "chains.c.steps[1].http.url"),
        ({"HOOK": "https://hooks.example.com/s3cret hook"}, "chains.c.steps[1].http.url"),
        ({"HOOK": "https://hooks.example.com/s3cret#hook"}, "chains.c.steps[1].http.url"),
        ({"HOOK": "s3cret"}, "chains.c.steps[1].http.url"),
        ({"HOOK": "https://elsewhere.example.com/s3cret"}, "chains.c.steps[1].http.url"),
        ({"SHOP_KEY": "s3cret {{ nope }}"}, "chains.c.steps[0].http.headers.authorization"),
        ({"SHOP_KEY": "s3cret {{ oh"}, "chains.c.steps[0].http.headers.authorization"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(file: Path, variables: dict[str, str], place: str) -> None:
    if not place:
        Gateway.load(file, {**VARIABLES, **variables})
        return
    with pytest.raises(ConfigError) as caught:
        Gateway.load(file, {**VARIABLES, **variables})
    assert place in [problem.place for problem in caught.value.problems]
    assert "s3cret" not in str(caught.value)
