"""Workers are forked, replaced, and end together; with real processes."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

_ROOT = Path(__file__).parents[2]
_PROGRAM = """
import os, signal, sys, threading, time
import structlog
from consumer.errors import Fatal
from consumer.nursery import become_workers

structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
def say(*words):
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())

# Nothing here lives longer, whatever goes wrong; a fork does not inherit it.
signal.alarm(60)
{before}
try:
    born = become_workers(int(sys.argv[2]), int(sys.argv[1]), lambda pid: say("ended", pid))
except Fatal as error:
    sys.exit(str(error))
signal.alarm(60)
say("born", os.getpid(), *(born.instead_of or ()))
{work}
"""
_UNTIL_ABANDONED = """
gone = threading.Event()
born.when_abandoned(gone.set)
gone.wait()
say("abandoned", os.getpid())
"""
_FOR_EVER = "time.sleep(60)"


class _Nursery:
    def __init__(self, count: int, work: str, before: str) -> None:
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM.format(before=before, work=work), str(theirs.fileno()), str(count)],
                cwd=_ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=(theirs.fileno(),),
            )
        assert self.process.stdout is not None
        self._said = self.process.stdout

    def said(self) -> list[str]:
        """The next line's words; none once nobody is left."""
        return self._said.readline().split()

    def born(self, count: int) -> list[int]:
        """The next process ids."""
        lines = [self.said() for _ in range(count)]
        assert [words[0] for words in lines] == ["born"] * count
        return [int(words[1]) for words in lines]

    def rest(self) -> list[list[str]]:
        """What is said until nobody is left who could say something."""
        return [line.split() for line in self._said]

    def close(self) -> None:
        """Whatever still runs."""
        self.link.close()
        below = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
        self.process.kill()
        for worker in below:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        self.process.communicate()


@contextmanager
def _nursery(count: int, work: str, before: str = "") -> Iterator[_Nursery]:
    with closing(_Nursery(count, work, before)) as nursery:
        yield nursery


def test_it_ends_behind_its_workers() -> None:
    with _nursery(3, "") as nursery:
        said = nursery.rest()
        assert sorted(words[0] for words in said) == ["born"] * 3 + ["ended"] * 3
        assert {words[1] for words in said if words[0] == "born"} == {words[1] for words in said if words[0] == "ended"}
        assert nursery.process.wait() == 0


def test_a_killed_worker_is_replaced_by_one_that_knows_it() -> None:
    with _nursery(2, _FOR_EVER) as nursery:
        killed, other = nursery.born(2)
        os.kill(killed, signal.SIGKILL)
        assert nursery.said() == ["ended", str(killed)]
        said, new, *instead_of = nursery.said()
        assert said == "born"
        assert int(new) not in {killed, other}
        assert instead_of == [str(killed), str(signal.SIGKILL.value)]


def test_those_that_were_killed_together_are_replaced_together() -> None:
    with _nursery(3, _FOR_EVER) as nursery:
        for pid in nursery.born(3):
            os.kill(pid, signal.SIGKILL)
        said = [nursery.said()[0] for _ in range(6)]
        assert sorted(said) == ["born"] * 3 + ["ended"] * 3


def test_an_error_of_one_ends_all() -> None:
    with _nursery(3, _FOR_EVER, "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(2))") as nursery:
        os.kill(nursery.born(3)[1], signal.SIGUSR1)
        assert [words[0] for words in nursery.rest()] == ["ended"] * 3
        assert nursery.process.wait() == 2


def test_errors_of_several_end_nobody_at_once() -> None:
    before = """
first, said = os.pipe()
os.write(said, b"x")
os.close(said)
def ended(number, _):
    say("told", number)
    if not os.read(first, 1):
        time.sleep(1)
    sys.exit(1)
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(1))
"""
    work = "signal.signal(signal.SIGTERM, ended); say('ready'); time.sleep(60)"
    with _nursery(3, work, before) as nursery:
        lines = [nursery.said() for _ in range(6)]
        born = [int(words[1]) for words in lines if words[0] == "born"]
        os.kill(born[0], signal.SIGUSR1)
        said = nursery.rest()
        # The last one takes a second, in the midst of which a second signal would have come.
        assert sorted(words[0] for words in said) == ["ended"] * 3 + ["told"] * 2
        assert nursery.process.wait() == 1


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_every_worker_and_none_is_replaced(sign: signal.Signals) -> None:
    work = "signal.signal(signal.SIGTERM, ended); signal.signal(signal.SIGINT, ended); say(); time.sleep(60)"
    with _nursery(2, work, "def ended(number, _): say('told', number); sys.exit()") as nursery:
        lines = [nursery.said() for _ in range(4)]
        assert sum(words == [] for words in lines) == 2
        nursery.process.send_signal(sign)
        said = nursery.rest()
        assert sorted(words[0] for words in said) == ["ended", "ended", "told", "told"]
        assert {words[1] for words in said if words[0] == "told"} == {str(sign.value)}
        assert nursery.process.wait() == 0


def test_a_worker_that_has_not_said_yet_what_it_does_with_signals_ends_by_them() -> None:
    with _nursery(2, _FOR_EVER) as nursery:
        nursery.born(2)
        nursery.process.terminate()
        assert [words[0] for words in nursery.rest()] == ["ended", "ended"]
        assert nursery.process.wait() == 0


def test_workers_learn_that_the_supervisor_is_gone_and_are_waited_for() -> None:
    with _nursery(2, _UNTIL_ABANDONED) as nursery:
        born = nursery.born(2)
        nursery.link.close()
        said = nursery.rest()
        assert sorted(words[0] for words in said) == ["abandoned", "abandoned", "ended", "ended"]
        assert {int(words[1]) for words in said} == set(born)
        assert nursery.process.wait() == 0


def test_workers_learn_that_what_forked_them_is_gone() -> None:
    with _nursery(2, _UNTIL_ABANDONED) as nursery:
        born = nursery.born(2)
        nursery.process.kill()
        assert sorted(nursery.rest()) == sorted(["abandoned", str(pid)] for pid in born)
        # Their end of the link was open until then.
        assert nursery.link.recv(1) == b""


_REFUSED = """
class Refused:
    left, fork = 1, staticmethod(os.fork)
    def __call__(self):
        self.left -= 1
        if self.left < 0:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return self.fork()
os.fork = Refused()
"""


def test_where_the_system_starts_no_more_processes_it_says_so_and_those_that_run_drain() -> None:
    with _nursery(2, _UNTIL_ABANDONED, _REFUSED) as nursery:
        (born,) = nursery.born(1)
        assert nursery.rest() == [["abandoned", str(born)]]
        assert nursery.process.wait() == 1
        assert nursery.process.stderr is not None
        said = nursery.process.stderr.read()
        assert "no worker could be started ([Errno 11] Resource temporarily unavailable)" in said


@pytest.mark.skipif(sys.platform != "linux", reason="tells threads by /proc")
def test_what_workers_are_forked_from_has_one_thread_once_all_is_imported() -> None:
    program = "import os, sys; import consumer.cli.run; print(len(os.listdir('/proc/self/task')))"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=_ROOT) == b"1\n"
