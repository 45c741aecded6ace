"""An agent as a model: LangGraph's own, which LangChain prebuilds, with a tool and a model of the gateway's.

    graphs:
      weather:
        start: agent
        nodes: {agent: {function: "weather_agent:agent"}}
        edges: [{from: agent, to: END}]

Callers ask for `graph:weather`. It needs the extra `langgraph`, and a model that is called `assistant`.
"""

from langchain.agents import create_agent

from gateway.langgraph import GatewayChatModel, LangGraphNode


def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"12 degrees and rain in {city}"


agent = LangGraphNode(create_agent(GatewayChatModel(model="assistant"), [weather], system_prompt="Be brief."))
