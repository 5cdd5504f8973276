# SPDX-License-Identifier: Apache-2.0
"""Load while something else happens: clients that ask without a pause, and a count of what failed."""
import threading

from wire import Closed, Peer, get


class Load:
    """`with Load(port, url) as load: …` then `load.failures` is a list, `load.done` the number of good answers. Half of the clients keep their connection,
    half open a new one for each request."""

    def __init__(self, port, url, clients=6):
        self.port = port
        self.url = url
        self.done = 0
        self.failures = []
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(number % 2 == 0,)) for number in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _run(self, keep):
        peer = None
        while not self.stop.is_set():
            try:
                peer = peer or Peer.connect(self.port)
                peer.send(get(self.url, *([] if keep else ["Connection: close"])))
                head, _ = peer.read_response()
                with self.lock:
                    if head.status == 200:
                        self.done += 1
                    else:
                        self.failures.append(head.start)
                if not keep or (head.get("connection") or "").lower() == "close":
                    peer.close()
                    peer = None
            except (Closed, OSError, AssertionError) as error:
                with self.lock:
                    self.failures.append(repr(error))
                if peer:
                    peer.close()
                peer = None
                if len(self.failures) > 50:
                    return
        if peer:
            peer.close()
