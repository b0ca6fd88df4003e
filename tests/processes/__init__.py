"""Real worker processes on real servers, killed, frozen and cut off; what is left is compared with what is right."""

import pytest

# What these assert is shown as tests show it.
pytest.register_assert_rewrite("tests.processes.readings", "tests.processes.tables", "tests.processes.workers")
