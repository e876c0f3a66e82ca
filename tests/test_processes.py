"""Workers that are processes: what they give back, and that nobody waits for one that is gone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A result that is larger than any pipe holds; whoever sends it waits for a reader.
PRELUDE = """
import os, signal, threading, time
from verify.fronts.processes import Processes, WorkerDied

def double(number):
    return number * 2

def large():
    return bytes(50_000_000)

def dies_in_its_result():
    pid = os.getpid()
    threading.Thread(target=lambda: (time.sleep(0.3), os.kill(pid, signal.SIGKILL)), daemon=True).start()
    return large()

def wrong():
    raise LookupError("of a test")

def died(future):
    try:
        future.result(20)
    except WorkerDied:
        return True
    return False

pool = Processes(2)
"""


def shown(code: str) -> str:
    """What a program shows that must end by itself; in one of its own, since it forks."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(code)],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout.decode()


def test_results_come_back_each_to_its_own() -> None:
    code = """
        futures = [pool.submit(double, number) for number in range(100)]
        print([future.result(20) for future in futures] == [number * 2 for number in range(100)])
        pool.close()
    """
    assert shown(code) == "True\n"


def test_what_the_work_raises_is_raised_where_it_is_waited_for_and_says_where() -> None:
    code = """
        try:
            pool.submit(wrong).result(20)
        except LookupError as error:
            print(error, "in wrong" in error.__notes__[0], pool.died(error))
        print(pool.submit(double, 4).result(20))
        pool.close()
    """
    assert shown(code) == "of a test True False\n8\n"


def test_a_worker_that_is_killed_in_the_middle_of_its_result_is_found_out() -> None:
    code = """
        from multiprocessing.connection import Connection
        read = Connection._recv
        def slow(self, size, *more):  # the worker waits in the middle of its result, and dies there
            if size > 1_000_000:
                time.sleep(1)
            return read(self, size, *more)
        Connection._recv = slow
        print(died(pool.submit(dies_in_its_result)))
        try:
            pool.submit(double, 1)
        except WorkerDied as error:
            print("refused", pool.died(error))
        pool.renew()
        print(pool.submit(double, 2).result(20))
        pool.close()
    """
    assert shown(code) == "True\nrefused True\n4\n"


def test_the_end_does_not_wait_for_results_that_are_under_way() -> None:
    code = """
        for pause in [0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1] * 3:
            futures = [pool.submit(large) for _ in range(6)]
            time.sleep(pause)
            begun = time.monotonic()
            pool.close()
            if time.monotonic() - begun > 10 or not all(future.done() for future in futures):
                print("late", pause)
            pool.renew()
        print("ended")
    """
    assert shown(code) == "ended\n"


def test_when_all_workers_are_gone_nothing_waits() -> None:
    code = """
        futures = [pool.submit(os._exit, 3) for _ in range(2)] + [pool.submit(double, n) for n in range(50)]
        print(died(futures[0]) and died(futures[1]), all(future.exception(20) or True for future in futures))
        pool.close()
    """
    assert shown(code) == "True True\n"
