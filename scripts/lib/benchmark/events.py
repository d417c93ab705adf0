"""Processes whose standard output is one JSON object a line, each line noted with the time at which it came.

A line of another kind is an event too, named by what stands before its first semicolon.
"""
import json
import subprocess
import threading
import time


class Events:
    """Starts a command and keeps what it tells; `waits` for a kind of event, or for its end."""

    def __init__(self, prefix, command, environment, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log,
                                        env=environment, start_new_session=True)
        self.events, self.changed, self.ended = [], threading.Condition(), None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            now = time.monotonic()
            try:
                event = json.loads(line)
            except ValueError:
                text = line.decode(errors="replace").strip()
                event = {"event": text.split(";")[0], "line": text}
            with self.changed:
                self.events.append((now, event))
                self.changed.notify_all()
        self.process.wait()
        with self.changed:
            self.ended = time.monotonic()
            self.changed.notify_all()

    def first(self, kind):
        """The time and content of the first event of a kind; None when there is none."""
        return next(((at, event) for at, event in self.events if event.get("event") == kind), None)

    def last(self, kind):
        return next(((at, event) for at, event in reversed(self.events) if event.get("event") == kind), None)

    def wait_for(self, kind, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.ended or self.first(kind), seconds)
            return self.first(kind)

    def wait(self, seconds):
        """Its exit status; None when it is still there after so long."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended, max(seconds, 0))
            return self.process.returncode if self.ended else None

    def end(self):
        """Ends it by its own number, as gently as it lets itself be ended."""
        for step in (self.process.terminate, self.process.kill):
            if self.wait(0) is None:
                step()
                self.wait(2)
        self.thread.join(2)
        self.log.close()
