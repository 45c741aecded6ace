"""What commands tell of chains, graphs and tools: what the file says, and nothing that a variable brought."""

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
        "  2. tell   http POST ${HOOK}, sends JSON",
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


TEXTS = """\
providers: {mock: {}}
chains:
  work:
    type: sequential
    description: "${S} of a chain"
    memory: {last: 3, summarise: {model: "${M}", prompt: "${S} {{ messages }}"}}
    steps:
      - name: ask
        model: "${M}"
        messages: [{role: system, content: "${S}"}, {role: user, content: "Say ${S}"}]
        params: {stop: ["${S}"], extra: {user: "${S}", deep: [{a: "${S}"}], top_k: "${N}"}}
        timeout: "${N}"
        default: "${S}"
      - {name: call, function: "json:dumps", args: {obj: "${S}", skipkeys: true}}
      - {name: "${STEP}", template: "${S}${NONE:-d}"}
  plain: {type: conversational, model: mock/echo, system: "${S} ${NONE:-d}"}
  either:
    type: conditional
    branches: [{when: "'${S}' in input", template: "${S}"}, {otherwise: true, chain: work, input: "${S}"}]
  both:
    type: parallel
    branches: {a: {model: mock/echo, prompt: "${S}"}}
    combine: {first_good: {accept: "output != '${S}'"}}
  default: {type: simple, template: "${NONE:-of the file}"}
tools: {find: {description: "${S}", parameters: {q: {type: string, description: "${S}"}}, template: "${S}"}}
graphs:
  g:
    start: "${STEP}"
    nodes: {said: {template: "${S}", on_error: "${STEP2}"}, last: {chain: plain, inputs: {a: ["${S}"]}}}
    edges: [{from: "${STEP}", to: [last], when: "x != '${S}'"}, {from: "${STEP}", to: END}, {from: last, to: END}]
    state: {x: {default: "${S}"}}
    output: "${S} {{ said }}"
"""


@pytest.mark.parametrize("name", ["", *(f"chain:{name}" for name in ("work", "plain", "either", "both")), "graph:g"])
@pytest.mark.parametrize("form", ["", "--json", "--mermaid"])
def test_what_a_variable_brought_is_told_as_the_file_has_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    file.write_text(TEXTS)
    for variable, value in {"S": "s3cret", "M": "mock/echo", "N": "7", "STEP": "said", "STEP2": "last"}.items():
        monkeypatch.setenv(variable, value)
    if not name and form == "--mermaid":
        return
    shown = told("explain", *filter(None, (name, form)))
    assert "s3cret" not in shown
    assert "${S}" in shown or form == "--mermaid" or not name
    if name == "chain:work" and form != "--json":
        assert "mock/echo" in shown
        assert "within 7s" in shown
    if name == "graph:g" and not form:
        assert "→ last  if x != '${S}'" in shown


def test_partly_filled_texts_and_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(TEXTS)
    for variable, value in {"S": "s3cret", "M": "mock/echo", "N": "7", "STEP": "said", "STEP2": "last"}.items():
        monkeypatch.setenv(variable, value)
    work = told("explain", "chain:work")
    assert "ask" in work.splitlines()[2]
    assert '3. said  template "${S}${NONE:-d}"' in work
    assert "of the file" in told("explain", "chain:default")
    assert "${S} of a chain" in told("explain", "chain:work")


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
