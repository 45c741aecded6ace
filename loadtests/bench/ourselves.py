"""Our own gateway, twice: `bare`, which only passes through, and `gateway`, as `make run` configures it."""

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import Any

import yaml

from loadtests.bench.subject import MODELS, UPSTREAM_KEY, Site, Start, Subject

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "gateway.yaml"
PROVIDER = "up"
PLENTY = 10**9


def bare_config(site: Site) -> dict[str, Any]:
    """One provider, its models, nothing else in the path."""
    providers, models = failing(site)
    return {
        "server": {"host": "127.0.0.1", "port": site.port, "workers": 1},
        "providers": {PROVIDER: _server(site.upstream_url), **providers},
        "models": {model: f"{PROVIDER}/{model}" for model in MODELS} | models,
    }


def failing(site: Site) -> tuple[dict[str, Any], dict[str, Any]]:
    """The providers and models that the measurement of failover asks for: a first target that fails, a healthy one."""
    never = {"consecutive": PLENTY, "min_calls": PLENTY}
    providers = {
        "twin": _server(site.upstream_url),
        "refused": _server("http://127.0.0.1:1/v1", breaker=never),  # nobody listens there
        "broken": _server(site.upstream_url, breaker=never),
        "resting": _server(site.upstream_url, breaker={"consecutive": 1, "rest": "1h", "max_rest": "1h"}),
    }
    budget = {"retry": {"budget": "100%"}}

    def model(*targets: str, **more: Any) -> dict[str, Any]:
        return {"targets": [{"to": target} for target in targets], **more}

    models = {
        "alone": model(f"{PROVIDER}/bench", retry={"attempts": 1}),
        "spread": model(f"{PROVIDER}/bench", "twin/bench"),
        **{
            name: model(f"{name}/fail", f"{PROVIDER}/bench", strategy="priority", **budget)
            for name in ("refused", "broken", "resting")
        },
    }
    return providers, models


def _server(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "openai", "base_url": url, "api_key": UPSTREAM_KEY, **more}


def default_config(site: Site, source: Path = CONFIG) -> dict[str, Any]:
    """`config/gateway.yaml` with the upstream added and every amount lifted, so that nothing is refused.

    The blocks stay, and so does their work: a limit of a thousand million is counted like one of six hundred.
    """
    document: dict[str, Any] = yaml.safe_load(source.read_text())
    document["server"] = {**(document.get("server") or {}), "host": "127.0.0.1", "port": site.port, "workers": 1}
    for block in ("providers", "models"):
        document[block] = {**(document.get(block) or {}), **bare_config(site)[block]}
    if include := document.get("include"):
        paths = include if isinstance(include, list) else [include]
        document["include"] = [str((source.parent / path).resolve()) for path in paths]
    for key in (document.get("auth") or {}).get("keys") or []:
        key.pop("models", None)
        for name in key.get("limits") or {}:
            key["limits"][name] = PLENTY
        if "usd" in (key.get("budget") or {}):
            key["budget"]["usd"] = PLENTY
    return document


def started(site: Site, document: dict[str, Any]) -> Start:
    """Write a configuration, and say how a gateway with it is started."""
    path = site.folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    plugins = site.folder / "plugins"
    if not plugins.exists():
        plugins.symlink_to(ROOT / "plugins")  # `plugins/` is looked for in the working directory
    argv = [sys.executable, "-m", "gateway", "serve", "--config", str(path)]
    return Start([*argv, "--host", "127.0.0.1", "--port", str(site.port)])


def _version() -> str | None:
    if importlib.util.find_spec("gateway.__main__") is None:
        return None
    return importlib.metadata.version("llm-orchestration-gateway")


BARE = Subject(
    name="bare",
    about="this gateway as a pass-through: one provider, no key",
    settings="workers: 1; disconnects watched, timeouts, request ids and metrics on, as always",
    version=_version,
    start=lambda site: started(site, bare_config(site)),
    missing="the gateway does not serve yet",
)
GATEWAY = Subject(
    name="gateway",
    about="this gateway as `make run` configures it",
    settings="config/gateway.yaml, its limits lifted so that nothing is refused; workers: 1",
    version=lambda: _version() if CONFIG.exists() else None,
    start=lambda site: started(site, default_config(site)),
    missing="config/gateway.yaml or the gateway is missing",
)
