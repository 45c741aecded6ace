"""Other gateways: how each is installed from its package registry, configured as it recommends, and started.

`python -m loadtests.bench.peers install` installs what can be had; `… list` shows what is there. What a registry does
not hold is listed with the reason, so that a report never leaves anybody out in silence.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from loadtests.bench.ourselves import ROOT
from loadtests.bench.proxies import CADDY, HAPROXY, NGINX
from loadtests.bench.subject import KEY, MODELS, UPSTREAM_KEY, Site, Start, Subject
from loadtests.bench.tensorzero import TENSORZERO
from loadtests.bench.tensorzero import install as install_tensorzero

FOLDER = ROOT / "bench-out" / "peers"
_PORTKEY = FOLDER / "portkey"
_PORTKEY_PACKAGE = _PORTKEY / "node_modules" / "@portkey-ai" / "gateway"
_LITELLM = FOLDER / "litellm"


def _portkey_version() -> str | None:
    document = _PORTKEY_PACKAGE / "package.json"
    if not document.exists() or shutil.which("node") is None:
        return None
    return str(json.loads(document.read_text())["version"])


def _portkey(site: Site) -> Start:
    server = _PORTKEY_PACKAGE / "build" / "start-server.js"
    return Start(["node", str(server), "--headless", f"--port={site.port}"], {"NODE_ENV": "production"})


def _install_portkey() -> None:
    _PORTKEY.mkdir(parents=True, exist_ok=True)
    # With a newer @hono/node-server every stream fails on Node 20 ("TypeError: immutable"); this one works.
    wanted = {"dependencies": {"@portkey-ai/gateway": "^1.15.2"}, "overrides": {"@hono/node-server": "1.13.8"}}
    for stale in ("package-lock.json", "node_modules"):
        path = _PORTKEY / stale
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (_PORTKEY / "package.json").write_text(json.dumps(wanted))
    _run("npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(_PORTKEY))


def _litellm_version() -> str | None:
    found = sorted(_LITELLM.glob("lib/python*/site-packages/litellm-*.dist-info"))
    return found[-1].name.removeprefix("litellm-").removesuffix(".dist-info") if found else None


def _litellm(site: Site) -> Start:
    def target(model: str) -> dict[str, object]:
        where = {"model": f"openai/{model}", "api_base": site.upstream_url, "api_key": UPSTREAM_KEY}
        return {"model_name": model, "litellm_params": where}

    document = {
        "model_list": [target(model) for model in MODELS],
        "general_settings": {"master_key": KEY, "disable_error_logs": True},
        "litellm_settings": {"set_verbose": False, "request_timeout": 600, "telemetry": False},
    }
    path = site.folder / "litellm.yaml"
    path.write_text(yaml.safe_dump(document))
    argv = [str(_LITELLM / "bin" / "litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(site.port)]
    # LITELLM_LOCAL_MODEL_COST_MAP: do not fetch the table of prices at start.
    quiet = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return Start([*argv, "--num_workers", "1"], quiet)


def _install_litellm() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    _run(sys.executable, "-m", "venv", "--clear", str(_LITELLM))
    _run(str(_LITELLM / "bin" / "python"), "-m", "pip", "install", "--quiet", "litellm[proxy]>=1.106")


def _apt(package: str) -> Callable[[], None]:
    def install() -> None:
        if os.geteuid() != 0:
            raise PermissionError(f"root is needed: apt-get install {package}")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)

    return install


def _run(*argv: str) -> None:
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(f"{argv[0]} is not installed")
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


PORTKEY = Subject(
    name="portkey",
    about="Portkey's open-source gateway (Node)",
    settings="NODE_ENV=production, --headless; @hono/node-server 1.13.8, without which its streams fail",
    version=_portkey_version,
    start=_portkey,
    headers=lambda site: {"x-portkey-provider": "openai", "x-portkey-custom-host": site.upstream_url},
    missing="make bench-peers (npm: @portkey-ai/gateway)",
)
LITELLM = Subject(
    name="litellm",
    about="LiteLLM's proxy (Python)",
    settings="as its production page says: LITELLM_MODE=PRODUCTION, LITELLM_LOG=ERROR; one worker, master key",
    version=_litellm_version,
    start=_litellm,
    missing="make bench-peers (PyPI: litellm[proxy])",
    patience=120,
)


@dataclass(frozen=True)
class Peer:
    """A subject and how it gets here."""

    subject: Subject
    install: Callable[[], None]


PEERS = (
    Peer(NGINX, _apt("nginx-light")),
    Peer(HAPROXY, _apt("haproxy")),
    Peer(CADDY, _apt("caddy")),
    Peer(PORTKEY, _install_portkey),
    Peer(LITELLM, _install_litellm),
    Peer(TENSORZERO, install_tensorzero),
)

UNAVAILABLE = {
    "bifrost": "its npm package downloads a binary from the maker's site, and the Go module proxy does not serve it",
    "helicone": "its npm package, @helicone/ai-gateway, is not in the registry, nor is a crate of it",
}
"""Gateways that belong in the table and cannot be had from a package registry."""


def install() -> int:
    """Install what is missing; say what could not be and why. Returns how many failed."""
    failed = 0
    for peer in PEERS:
        name = peer.subject.name
        if version := peer.subject.version():
            print(f"{name:10} {version} is here")
            continue
        print(f"{name:10} installing …", flush=True)
        try:
            peer.install()
            print(f"{name:10} installed")
        except (OSError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"{name:10} could not be installed: {error}")
    return failed


def show() -> None:
    """List the peers, here or not, and those that cannot be."""
    for peer in PEERS:
        subject = peer.subject
        print(f"{subject.name:10} {subject.version() or 'missing: ' + subject.missing}")
    for name, why in UNAVAILABLE.items():
        print(f"{name:10} not to be had: {why}")


def main(argv: list[str]) -> int:
    """`install` or `list`. Missing peers are no failure: the report names them."""
    if argv == ["install"]:
        install()
        # In a process of its own, for versions are looked up once.
        subprocess.run([sys.executable, "-m", "loadtests.bench.peers", "list"], cwd=Path(ROOT), check=False)
        return 0
    if argv == ["list"]:
        show()
        return 0
    print("usage: python -m loadtests.bench.peers install | list")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
