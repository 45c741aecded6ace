"""TensorZero's gateway, which comes as a container image, and inside its Python package as a server of its own."""

import subprocess
import sys

from loadtests.bench.ourselves import ROOT
from loadtests.bench.subject import MODELS, UPSTREAM_KEY, Site, Start, Subject

_HOME = ROOT / "bench-out" / "peers" / "tensorzero"
_PACKAGE = "tensorzero==2026.6.0"  # later ones may leave the server out

_CONFIG = """
[gateway]
observability.enabled = false
"""
_MODEL = """
[models.{name}]
routing = ["up"]

[models.{name}.providers.up]
type = "openai"
model_name = "{name}"
api_base = "{upstream}/"
api_key_location = "env::UPSTREAM_KEY"
"""
_LAUNCHER = """
import pathlib, signal, sys, urllib.parse
from tensorzero.tensorzero import _start_http_gateway

config, told = sys.argv[1:]
stores = {"clickhouse_url": None, "postgres_url": None, "valkey_url": None}
gateway = _start_http_gateway(config_file=config, async_setup=False, **stores)
port = pathlib.Path(told)
port.with_suffix(".new").write_text(str(urllib.parse.urlsplit(gateway.base_url).port))
port.with_suffix(".new").rename(port)
signal.pause()
"""


def _version() -> str | None:
    found = sorted(_HOME.glob("lib/python*/site-packages/tensorzero-*.dist-info"))
    return found[-1].name.removeprefix("tensorzero-").removesuffix(".dist-info") if found else None


def _start(site: Site) -> Start:
    config = site.folder / "tensorzero.toml"
    config.write_text(
        _CONFIG + "".join(_MODEL.format(name=name, upstream=site.upstream_url) for name in MODELS), encoding="utf-8"
    )
    launcher = site.folder / "launcher.py"
    launcher.write_text(_LAUNCHER)
    argv = [str(_HOME / "bin" / "python"), str(launcher), str(config), str(site.told_port)]
    return Start(argv, {"UPSTREAM_KEY": UPSTREAM_KEY})


def install() -> None:
    """Install its package into an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_HOME)], check=True)
    pip = [str(_HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", _PACKAGE]
    subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)


TENSORZERO = Subject(
    name="tensorzero",
    about="TensorZero's gateway (Rust), as its Python package holds it: its memory is with Python's",
    settings="observability off, no stores, no keys; threads as many as cores, which is one",
    version=_version,
    start=_start,
    missing=f"make bench-peers (PyPI: {_PACKAGE})",
    path="/openai/v1/chat/completions",
    model="tensorzero::model_name::{}",
    chooses_port=True,
)
