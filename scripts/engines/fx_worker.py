"""`fx worker` for the Python processes of an engine: each has one process of fx, with the network loaded once.

    worker = fx_worker.shared("--backbone", "resnet18", "--workers", "1")
    for answer in worker.map(batches):  # pyarrow.RecordBatch in, pyarrow.RecordBatch out, in order
        ...

docs/worker.md describes the columns. FX names the program if it is not `fx` in PATH. It needs pyarrow alone.
"""

import atexit
import os
import queue
import subprocess
import threading
from collections import deque

import pyarrow as pa

AHEAD = 4  # batches that are sent before the first of them is answered, so that fx always has work
DEATHS = 5  # in a row, without an answer between them, before the worker gives up


class Worker:
    """A process of `fx worker`, which is started at the first batch, and anew if it is killed.

    fx ends by itself when this process ends, however that comes: its standard input is closed then.
    """

    def __init__(self, *flags):
        self._command = [os.environ.get("FX", "fx"), "worker", *flags]
        self._process = self._schema = None

    def map(self, batches):
        """Yields an answer for each batch, in order. All batches of a worker's life should have the same schema.

        If fx is killed, the batches that are not answered are sent again. RuntimeError: fx ended with an error, which
        is on its standard error, or was killed DEATHS times in a row.
        """
        waiting = deque()
        try:
            for batch in batches:
                if batch.schema != self._schema:
                    while waiting:
                        yield self._answer(waiting)
                    self.close()
                    self._start(batch.schema)
                waiting.append(batch)
                self._send(batch)
                while len(waiting) > AHEAD:
                    yield self._answer(waiting)
            while waiting:
                yield self._answer(waiting)
        finally:
            if waiting:  # the caller has given up: what fx still answers is for nobody
                self.kill()

    def close(self):
        """Ends fx, which has answered all batches."""
        if self._process:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
            self._process.wait()
        self._process = self._schema = None

    def kill(self):
        """Ends fx at once."""
        if self._process:
            self._process.kill()
        self.close()

    def _start(self, schema):
        self._schema, self._answers = schema, queue.SimpleQueue()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._writer = pa.ipc.new_stream(self._process.stdin, schema)
        # The answers are read in a thread, so that fx can always write them: then it always reads, too.
        threading.Thread(target=_read, args=(self._process.stdout, self._answers), daemon=True).start()

    def _send(self, batch):
        try:
            self._writer.write_batch(batch)
            self._process.stdin.flush()
        except (OSError, pa.ArrowInvalid):
            pass  # fx is dead, as the end of its answers tells

    def _answer(self, waiting):
        for _ in range(DEATHS):
            answer = self._answers.get()
            if answer is not None:
                waiting.popleft()
                return answer
            code = self._process.wait()
            if code > 0:
                raise RuntimeError(f"{' '.join(self._command)} ended with exit code {code}: see its standard error")
            schema = self._schema
            self.kill()
            self._start(schema)
            for batch in waiting:
                self._send(batch)
        raise RuntimeError(f"{' '.join(self._command)} was killed {DEATHS} times without an answer")


def _read(stdout, answers):
    try:
        for answer in pa.ipc.open_stream(stdout):
            answers.put(answer)
    except (OSError, pa.ArrowInvalid):
        pass  # the stream ends in the middle: fx was killed
    finally:
        answers.put(None)


_workers = {}


def shared(*flags):
    """Returns the worker with these flags of this process. Engines use a process for many tasks."""
    key = os.getpid(), flags  # not the worker of the process that this one was forked from
    if key not in _workers:
        _workers[key] = Worker(*flags)
        atexit.register(_workers[key].close)
    return _workers[key]
