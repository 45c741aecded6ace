"""General proxies: nginx, the reference; haproxy; Caddy."""

import os
import re
import shutil
import subprocess
from functools import cache

from loadtests.bench.subject import Site, Start, Subject

_NGINX = """
{user}
daemon off; pid {folder}/pid; error_log {folder}/error.log warn;
worker_processes 1; worker_rlimit_nofile 20000;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000; tcp_nodelay on;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 600s;
    }}
  }}
}}
"""

_HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-no-delay
  option abortonclose
  http-reuse always
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend door
  bind 127.0.0.1:{port}
  default_backend up
backend up
  server up 127.0.0.1:{upstream}
"""

_CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy 127.0.0.1:{upstream} {{
    transport http {{
      keepalive_idle_conns_per_host 1024
    }}
  }}
}}
"""


@cache
def _said(*argv: str) -> str | None:
    if shutil.which(argv[0]) is None:
        return None
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+~-]*", done.stdout + done.stderr)
    return found[0] if found else "?"


def _nginx(site: Site) -> Start:
    # As root the worker would become `nobody`, who may not write to the temporary folder.
    user = "user root;" if os.geteuid() == 0 else ""
    conf = site.folder / "nginx.conf"
    conf.write_text(_NGINX.format(user=user, folder=site.folder, port=site.port, upstream=site.upstream))
    return Start(["nginx", "-p", str(site.folder), "-e", str(site.folder / "error.log"), "-c", str(conf)])


def _haproxy(site: Site) -> Start:
    conf = site.folder / "haproxy.cfg"
    conf.write_text(_HAPROXY.format(port=site.port, upstream=site.upstream))
    return Start(["haproxy", "-db", "-f", str(conf)])


def _caddy(site: Site) -> Start:
    conf = site.folder / "Caddyfile"
    conf.write_text(_CADDY.format(port=site.port, upstream=site.upstream))
    home = {"HOME": str(site.folder), "XDG_DATA_HOME": str(site.folder), "XDG_CONFIG_HOME": str(site.folder)}
    return Start(["caddy", "run", "--config", str(conf), "--adapter", "caddyfile"], {"GOMAXPROCS": "1", **home})


DIRECT = Subject(
    name="direct",
    about="no proxy: what load generator and upstream can do",
    settings="",
    version=lambda: "",
    start=None,
)
NGINX = Subject(
    name="nginx",
    about="`proxy_pass`: the reference, what a good proxy in C needs",
    settings="one worker, 1,024 upstream connections kept alive, HTTP/1.1, no buffering, no access log",
    version=lambda: _said("nginx", "-v"),
    start=_nginx,
    missing="install nginx",
)
HAPROXY = Subject(
    name="haproxy",
    about="a general proxy",
    settings="one thread, http-reuse always, http-no-delay, abortonclose",
    version=lambda: _said("haproxy", "-v"),
    start=_haproxy,
    missing="install haproxy",
)
CADDY = Subject(
    name="caddy",
    about="a general proxy in Go",
    settings="GOMAXPROCS=1 (event streams are flushed at once by themselves), 1,024 upstream connections kept alive",
    version=lambda: _said("caddy", "version"),
    start=_caddy,
    missing="install caddy",
)
