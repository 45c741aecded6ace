"""What is wrong with an `http` step by itself."""

from collections.abc import Iterator
from typing import Any

from gateway.config.hosts import Site, is_address
from gateway.config.problems import Problem
from gateway.orchestration.http_reach import Reach
from gateway.orchestration.http_url import Url
from gateway.orchestration.settings import Http
from gateway.upstream import check_header
from gateway.upstream.addresses import kind_of

_HOSTS = "orchestrator.http_hosts"
_OURS = ("host", "accept-encoding")


def http_problems(http: Http, place: str) -> Iterator[Problem]:
    """What is wrong with a request, but for its templates and where it leads."""
    bodies = [name for name in ("json", "body") if getattr(http, name) is not None]
    if len(bodies) > 1:
        yield Problem(f"{place}.body", "stands beside `json`", "one of the two", "both", "take one out")
    elif bodies and http.method == "GET":
        yield Problem(f"{place}.{bodies[0]}", "a GET sends nothing", "another method", "GET", "write `method: POST`")
    names: set[str] = set()
    for name, value in http.headers.items():
        at = f"{place}.headers.{name}"
        if name.lower() in names:
            yield Problem(at, "stands here twice", "each header once", repr(name), "take one out")
        names.add(name.lower())
        if wrong := _header_problem(name, value):
            yield Problem(at, wrong)


def _header_problem(name: str, value: str) -> str:
    """What is wrong with a header; what is filled in, is looked at then."""
    if name.lower() in _OURS:
        return f"the header {name!r} is sent by the client itself"
    try:
        check_header(name.encode(), b"" if "{" in value else value.strip().encode())
    except UnicodeEncodeError:
        return "it holds half a character"
    except ValueError as error:
        return str(error)
    return ""


def reach_problems(url: Url, place: str, reach: Reach) -> Iterator[Problem]:
    """Whether a URL leads to where steps may go."""
    origin = url.origin
    site = Site(origin.scheme, origin.host, origin.port)
    host = origin.host_header.decode()
    if not reach.allows(site):
        if site.scheme == "http":
            safe = reach.allows(Site("https", site.host, 443))
            cure = "write https://" if safe else f"add http://{host} to {_HOSTS}"
        else:
            cure = f"add {host} to {_HOSTS}"
        yield Problem(place, "the host may not be called", f"one of {_HOSTS}", repr(f"{site.scheme}://{host}"), cure)
    elif is_address(site.host) and kind_of(site.host) == "special":
        yield Problem(place, "no server is at this address", "an address that hosts have", repr(host))
    elif not reach.admits_name(site):
        entry = f'"http://{host}"' if site.scheme == "http" else f'"{host}"' if "[" in host else host
        cure = f"write {{host: {entry}, private: true}} in {_HOSTS}"
        yield Problem(place, "the host is not on the internet", "one with `private: true`", repr(host), cure)


def texts(http: Http, place: str) -> Iterator[tuple[str, str]]:
    """The templates of a request but for its URL, each with its place."""
    yield from ((f"{place}.headers.{name}", value) for name, value in http.headers.items())
    if http.body is not None:
        yield f"{place}.body", http.body


def values(http: Http, place: str) -> Iterator[tuple[str, Any]]:
    """The values in which texts are templates, each with its place."""
    yield from ((f"{place}.query.{name}", value) for name, value in http.query.items())
    if http.json is not None:
        yield f"{place}.json", http.json
