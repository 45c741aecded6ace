"""`wrk`, the load generator in C: its script, its run, its report."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loadtests.bench.asks import NUMBER_WIDTH, Ask, first_number

# The `done` hook tells in microseconds what wrk's own page rounds to two digits.
_SCRIPT = """
local before, after, first, talkers, n = {before}, {after}, {first}, {talkers}, 0
request = function()
  n = n + 1
  if n == talkers then n = 0 end
  return before .. string.format("%0{width}d", first + n) .. after
end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{{"us":%d,"requests":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"p50":%d,"p99":%d}}\\n',
    summary.duration, summary.requests, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Report:
    """What wrk counted. Times in seconds; `refused` are answers other than 2xx and 3xx, `failed` broken connections."""

    seconds: float
    requests: int
    refused: int
    failed: int
    p50: float
    p99: float


@cache
def present() -> bool:
    """Whether wrk is installed."""
    return shutil.which("wrk") is not None


@cache
def version() -> str:
    """The first line of `wrk -v`."""
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    return " ".join(said.split()[:2])


def script(ask: Ask) -> str:
    """The Lua that makes each request differ from the last."""
    before, after = ask.halves()
    return _SCRIPT.format(
        before=_quoted(before), after=_quoted(after), first=first_number(), talkers=ask.talkers, width=NUMBER_WIDTH
    )


def run(ask: Ask, connections: int, seconds: float) -> Report:
    """Load for so long, with one thread. Raises RuntimeError where wrk fails."""
    with tempfile.TemporaryDirectory() as folder:
        lua = Path(folder) / "ask.lua"
        lua.write_text(script(ask))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
        done = subprocess.run(
            [*command, "-s", str(lua), f"http://{ask.host}:{ask.port}{ask.path}"],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
    return parse(done.stdout)


def parse(output: str) -> Report:
    """Read what the script's `done` wrote. Raises ValueError where it is missing."""
    for line in output.splitlines():
        if line.startswith('{"us":'):
            told = json.loads(line)
            return Report(
                seconds=told["us"] / 1e6,
                requests=told["requests"],
                refused=told["status"],
                failed=told["connect"] + told["read"] + told["write"] + told["timeout"],
                p50=told["p50"] / 1e6,
                p99=told["p99"] / 1e6,
            )
    raise ValueError("wrk's output has no report of ours")


def _quoted(text: bytes) -> str:
    """A Lua string literal."""
    plain = "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in text)
    return f'"{plain}"'
