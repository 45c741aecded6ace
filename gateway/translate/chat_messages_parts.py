"""A chat message's content as Anthropic's blocks."""

from collections.abc import Iterator
from typing import Any

from gateway.seam.errors import InvalidRequest
from gateway.translate.data_url import File, parse
from gateway.translate.fields import Fields

Block = dict[str, Any]


def blocks(message: Fields) -> list[Block]:
    """A message's content as blocks. Empty texts are left out: Anthropic refuses them, and they say nothing."""
    content = message.take("content")
    if content is None:
        return []
    if isinstance(content, str):
        return text_blocks(content, message.at("content"), message)
    if not isinstance(content, list):
        raise message.wrong("content", "a string or an array of parts")
    found: list[Block] = []
    for part in Fields(message.reading, {"content": content}, message.path).items("content"):
        cache = cached(part)
        made = list(_block(part))
        if made and cache is not None:
            made[-1]["cache_control"] = cache
        found += made
    return found


def text_blocks(text: str, path: str, message: Fields) -> list[Block]:
    """A text as a block; none where it holds nothing but white space, which Anthropic refuses."""
    if text.strip():
        return [{"type": "text", "text": text}]
    if text:
        message.reading.drop(path)
    return []


def cached(part: Fields) -> Any:
    """Where a prompt is to be cached: `cache_control` as Anthropic has it, or OpenAI's breakpoint."""
    control = part.object("cache_control")
    mark = part.object("prompt_cache_breakpoint")
    if control is None and mark is not None:
        control = {"type": "ephemeral", "ttl": "1h"} if "ttl" in mark else {"type": "ephemeral"}
    return control


def _block(part: Fields) -> Iterator[Block]:
    kind = part.needed("type")
    match kind:
        case "text" | "refusal":
            yield from text_blocks(part.needed(kind), part.at(kind), part)
        case "image_url":
            yield _image(part)
        case "file":
            yield from _file(part)
        case _:
            part.give_up(kind)


def _image(part: Fields) -> Block:
    image = part.fields("image_url")
    if image is None:
        raise InvalidRequest(f"'{part.at('image_url')}' must be an object with a url.", param=part.at("image_url"))
    image.forget("detail", "auto")
    url = image.needed("url")
    file = parse(url)
    return {"type": "image", "source": {"type": "url", "url": url} if file is None else _base64(file)}


def _file(part: Fields) -> Iterator[Block]:
    file = part.fields("file")
    data = file.text("file_data") if file is not None else None
    if file is None or data is None:  # a file_id names a file that the target does not have
        if file is not None:
            file.give_up("")
        return
    found = parse(data) or File("application/pdf", data)
    name = file.text("filename")
    title = {} if name is None else {"title": name}
    text = found.text() if found.kind.startswith("text/") else None
    if found.kind.startswith("image/"):
        yield {"type": "image", "source": _base64(found)}
    elif text is not None:
        yield {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **title}
    elif found.kind == "application/pdf":
        yield {"type": "document", "source": _base64(found), **title}
    else:
        file.reading.drop(file.path)


def _base64(file: File) -> Block:
    return {"type": "base64", "media_type": file.kind, "data": file.data}
