"""`POST /v1/embeddings` (https://platform.openai.com/docs/api-reference/embeddings/create)."""

from collections.abc import Callable

import msgspec

from gateway.api.description import Description, model_call, taken, text_or_list
from gateway.api.openai_door import OpenAIDoor, check_input, looked_at
from gateway.seam import Chunk, Reply, Request, UpstreamError
from gateway.wire.embeddings import in_base64, in_numbers
from gateway.wire.verbatim import INVALID


class _Look(msgspec.Struct, gc=False):
    input: msgspec.Raw = msgspec.Raw(b"")
    model: str | None = None
    encoding_format: str | None = None


_look = msgspec.json.Decoder(_Look)


class _InForm:
    """A filter that gives an answer's vectors another form, where they do not have it."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self._change = change

    def feed(self, chunk: Chunk) -> tuple[Chunk]:
        try:
            source = self._change(chunk.raw)
        except (*INVALID, LookupError, ValueError) as error:
            raise UpstreamError(f"The provider sent what is no list of embeddings: {error}") from error
        return (chunk if source is chunk.raw else Chunk(source, chunk.codec),)

    def end(self) -> tuple[Chunk, ...]:
        return ()


class EmbeddingsDoor(OpenAIDoor):
    """OpenAI's embeddings, in the form that the client asked for, whichever the target answers in."""

    @property
    def default_model(self) -> str | None:
        """None: a model that chats does not embed."""
        return None

    def read(self, body: bytes) -> Request:
        """The request that a body holds; of `input` only that it is a text, or an array with something in it."""
        look = looked_at(_look, body)
        check_input("input", look.input)
        return Request("embeddings", body, model=look.model or "")

    def prepare(self, request: Request, reply: Reply) -> None:
        """Have the answer's vectors in the form asked for: `base64`, or numbers where the request names no form."""
        form = _look.decode(request.raw).encoding_format
        if form in (None, "float", "base64"):  # what else a server may know is between it and the client
            reply.pipe(_InForm(in_base64 if form == "base64" else in_numbers))


DESCRIPTION = Description(
    {"/v1/embeddings": model_call("createEmbedding", "EmbeddingRequest", "Embeddings")},
    {
        "EmbeddingRequest": taken("input", {"input": text_or_list(), "encoding_format": {"type": ["string", "null"]}}),
        "Embeddings": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "object": {"type": "string"},
                "data": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["embedding"],
                        "properties": {
                            "index": {"type": "integer"},
                            "embedding": {
                                "anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]
                            },
                        },
                    },
                },
                "model": {"type": "string"},
                "usage": {"type": ["object", "null"]},
            },
        },
    },
)
