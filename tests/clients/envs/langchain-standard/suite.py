"""LangChain's standard tests of a chat model, of whatever OPENAI_BASE_URL names: run by pytest in an environment."""

import os

from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class TestStandard(ChatModelIntegrationTests):
    """The suite as LangChain runs it against every provider; nothing is switched off but what needs other inputs."""

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": os.environ["STANDARD_MODEL"], "stream_usage": True, "max_retries": 0, "temperature": 0}

    @property
    def supports_image_inputs(self):
        return True

    @property
    def supports_json_mode(self):
        return True
