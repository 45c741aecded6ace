"""`POST /v1/moderations` (https://platform.openai.com/docs/api-reference/moderations/create)."""

import msgspec

from gateway.api.description import Description, model_call, taken, text_or_list
from gateway.api.openai_door import OpenAIDoor, check_input, looked_at
from gateway.seam import Request


class _Look(msgspec.Struct, gc=False):
    input: msgspec.Raw = msgspec.Raw(b"")
    model: str | None = None


_look = msgspec.json.Decoder(_Look)


class ModerationsDoor(OpenAIDoor):
    """OpenAI's moderations. Here, as there, `model` may be left out."""

    @property
    def default_model(self) -> str | None:
        """The first provider's that moderates."""
        return self.house.moderation_model

    def read(self, body: bytes) -> Request:
        """The request that a body holds; of `input` only that it is a text, or an array with something in it."""
        look = looked_at(_look, body)
        check_input("input", look.input, empty=True)
        return Request("moderations", body, model=look.model or "")


DESCRIPTION = Description(
    {"/v1/moderations": model_call("createModeration", "ModerationRequest", "Moderation")},
    {
        "ModerationRequest": taken("input", {"input": text_or_list(empty=True)}),
        "Moderation": {
            "type": "object",
            "required": ["results"],
            "properties": {
                "id": {"type": "string"},
                "model": {"type": "string"},
                "results": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "flagged": {"type": "boolean"},
                            "categories": {"type": "object"},
                            "category_scores": {"type": "object"},
                            "category_applied_input_types": {"type": "object"},
                        },
                    },
                },
            },
        },
    },
)
