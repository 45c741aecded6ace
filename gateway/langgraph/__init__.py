"""Graphs of LangGraph's, and runnables of LangChain's, as models; and the gateway's models within them.

`LangGraphNode` makes a node (`seam.Node`) of a compiled graph; `GatewayChatModel` is the chat model by which such a
graph asks the gateway's models, in the same process. Nothing of the gateway imports this package: plugins do.
"""

try:
    from gateway.langgraph.model import GatewayChatModel
    from gateway.langgraph.node import LangGraphNode
except ModuleNotFoundError as missing:
    package = (missing.name or "").partition(".")[0]
    if package not in ("langchain_core", "langgraph"):
        raise
    install = "pip install 'llm-orchestration-gateway[langgraph]'"
    raise ModuleNotFoundError(f"gateway.langgraph needs {package}, which is not installed: {install}") from missing

__all__ = ["GatewayChatModel", "LangGraphNode"]
