"""Fixtures that several test files share."""

from tests.vllm_server import vllm_server

__all__ = ["vllm_server"]
