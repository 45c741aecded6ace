"""A chat model whose answer is of a schema, by `response_format`."""

from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel

Schema = dict[str, Any] | type
"""A JSON schema, a Pydantic model, or a TypedDict."""


def structured(
    model: BaseChatModel, schema: Schema, *, include_raw: bool, strict: bool | None = None
) -> Runnable[LanguageModelInput, Any]:
    """`model`, with its answer read as `schema` says: a Pydantic model's object, else what the JSON holds.

    With `include_raw` a dict of `raw`, `parsed` and `parsing_error`, as LangChain's own models give it.
    """
    wanted = convert_to_json_schema(schema, strict=strict)
    described: dict[str, Any] = {"name": wanted.get("title", "answer"), "schema": wanted}
    if strict is not None:
        described["strict"] = strict
    asked = model.bind(
        response_format={"type": "json_schema", "json_schema": described},
        ls_structured_output_format={"kwargs": {"method": "json_schema"}, "schema": wanted},
    )
    parser: Runnable[Any, Any]
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        parser = PydanticOutputParser(pydantic_object=schema)
    else:
        parser = JsonOutputParser()
    if not include_raw:
        return asked | parser
    read = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=asked) | read.with_fallbacks([failed], exception_key="parsing_error")
