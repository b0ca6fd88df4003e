"""What all servers for tests have in common."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable


class Service(ABC):
    """A server that is started once and stopped at the end; private ones can be made to fail."""

    can_fault: bool = False
    """Whether `kill`, `terminate` and `restart` work here."""

    @abstractmethod
    def start(self) -> None:
        """Start, or start again with port and data kept, and wait until it serves."""

    @abstractmethod
    def stop(self) -> None:
        """End the server and forget its data. May be called twice."""

    def close(self) -> None:
        """Stop; the name that `contextlib.closing` calls."""
        self.stop()

    def kill(self) -> None:
        """End the server at once, as a crash does; `start` brings it back with port and data."""
        raise NotImplementedError(f"{type(self).__name__} is not ours to kill")

    def terminate(self) -> None:
        """Shut the server down in good order; `start` brings it back with port and data."""
        raise NotImplementedError(f"{type(self).__name__} is not ours to terminate")

    def restart(self) -> None:
        """Shut down in good order if it runs, then start with port and data kept."""
        self.terminate()
        self.start()


def wait_until(true: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Return as soon as `true()`; raises TimeoutError, naming `what` was waited for."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.05)
