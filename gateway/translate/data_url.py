"""Files inside a document: `data:` URLs (RFC 2397) and base64."""

import base64
import binascii
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_DATA = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL | re.IGNORECASE)


class File(NamedTuple):
    """A file's media type, and its bytes in base64."""

    kind: str
    data: str

    @property
    def url(self) -> str:
        """The file as a `data:` URL."""
        return f"data:{self.kind};base64,{self.data}"

    def text(self) -> str | None:
        """The text that it holds; None where it holds none."""
        try:
            return base64.b64decode(self.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None


def parse(url: str) -> File | None:
    """The file in a `data:` URL; None where it is another URL."""
    found = _DATA.fullmatch(url)
    if found is None:
        return None
    kind, parameters, data = found.groups()
    if ";base64" not in parameters.lower():
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return File(kind.lower() or "text/plain", data)
