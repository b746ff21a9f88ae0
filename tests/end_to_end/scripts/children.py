"""Starts child processes by the method that its argument names."""

import multiprocessing
import sys
import time
from dataclasses import dataclass


@dataclass
class Job:
    number: int


def work(job):
    # A spawned child imports this script again; how it is called there is python's business.
    return Job(job.number**2), type(job).__module__, __name__, sys.argv


def tell(queue):
    queue.put((__name__, sys.modules["__main__"].__file__))


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        for answer in pool.map(work, [Job(1), Job(2), Job(3)]):
            print(answer)
    queue = context.Queue()
    child = context.Process(target=tell, args=(queue,))
    child.start()
    print(queue.get())
    child.join()
    print("exit code", child.exitcode)
    sleeper = context.Process(target=time.sleep, args=(30,))
    sleeper.start()
    sleeper.terminate()
    sleeper.join()
    print("exit code", sleeper.exitcode)
