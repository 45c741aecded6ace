"""Unmodified client libraries are the judges of compatibility."""

import pytest

pytest.register_assert_rewrite("tests.clients.judgements", "tests.clients.shapes")
