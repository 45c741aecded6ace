"""Anthropic's content blocks as a chat message's parts."""

from collections.abc import Iterator
from typing import Any

from gateway.translate.data_url import File
from gateway.translate.fields import Fields, missing

Part = dict[str, Any]


def parts(blocks: "list[Fields]", *, caches: bool) -> list[Part]:
    """Blocks as parts; `caches`: whether the target knows `cache_control`."""
    found: list[Part] = []
    for block in blocks:
        cache = cache_of(block, caches=caches)
        made = list(_part(block, caches=caches))
        if made and cache is not None:
            made[-1]["cache_control"] = cache
        found += made
    return found


def cache_of(block: Fields, *, caches: bool) -> Any:
    """A block's `cache_control`, where the target knows it; else it is left, and named."""
    return block.object("cache_control") if caches else None


def plain(content: list[Part]) -> str | list[Part]:
    """Parts, or the text alone where that is all."""
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        text: str = content[0]["text"]
        return text
    return content


def content_of(holder: Fields, name: str = "content") -> list[Fields]:
    """The blocks that a content holds, whether it is an array or a text."""
    content = holder.peek(name)
    if isinstance(content, str):
        holder.take(name)
        return [Fields(holder.reading, {"type": "text", "text": content}, holder.at(name))]
    return list(holder.items(name))


def _part(block: Fields, *, caches: bool) -> Iterator[Part]:
    kind = block.needed("type")
    match kind:
        case "text":
            yield {"type": "text", "text": block.needed("text")}
        case "image":
            yield from _image(block)
        case "document":
            yield from _document(block, caches=caches)
        case "search_result":
            title, source = block.text("title") or "", block.text("source") or ""
            yield {"type": "text", "text": f"{title}\n{source}".strip()}
            yield from parts(content_of(block), caches=caches)
        case _:
            block.give_up(kind)


def _image(block: Fields) -> Iterator[Part]:
    source = block.fields("source")
    if source is None:
        raise missing(block.at("source"))
    kind = source.needed("type")
    if kind == "base64":
        url = File(source.needed("media_type"), source.needed("data")).url
    elif kind == "url":
        url = source.needed("url")
    else:
        source.give_up(kind)
        return
    yield {"type": "image_url", "image_url": {"url": url}}


def _document(block: Fields, *, caches: bool) -> Iterator[Part]:
    source = block.fields("source")
    if source is None:
        raise missing(block.at("source"))
    block.forget("citations", {"enabled": False})
    kind = source.needed("type")
    if kind == "base64":
        file = File(source.needed("media_type"), source.needed("data"))
        yield {"type": "file", "file": {"filename": block.text("title") or "document.pdf", "file_data": file.url}}
    elif kind == "text":
        source.take("media_type")
        yield {"type": "text", "text": source.needed("data")}
    elif kind == "content":
        yield from parts(content_of(source), caches=caches)
    else:
        source.give_up(kind)
