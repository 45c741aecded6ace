import subprocess
import sys

from gateway.upstream import ClientSettings, open_client
from gateway.upstream.httpx_transport import HttpxClient
from gateway.upstream.native import NativeClient


async def test_the_native_client_is_the_default():
    one = open_client(ClientSettings())
    assert isinstance(one, NativeClient)
    await one.aclose()


async def test_httpx_stands_in_its_place_by_setting():
    one = open_client(ClientSettings(transport="httpx", proxy="http://127.0.0.1:1"))
    assert isinstance(one, HttpxClient)
    await one.aclose()


def test_httpx_is_not_imported_unless_asked_for():
    code = "import sys; from gateway.upstream import *; open_client(ClientSettings()); print('httpx' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
