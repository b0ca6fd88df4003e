"""Every fault of the table in docs/reliability.md, injected into real workers on real servers, with a verifier behind.

`make test` runs a fixed sample, `make faults` all of it with many seeds, `make soak` a random mixture.
"""

import pytest

pytest.register_assert_rewrite("tests.faults.trial", "tests.faults.verdict", "tests.faults.watcher")
