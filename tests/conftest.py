"""Fixtures that several test files share."""

from tests.vllm_server import servers, trained_server, vllm_server, vllm_servers

__all__ = ["servers", "trained_server", "vllm_server", "vllm_servers"]
