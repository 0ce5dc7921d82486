"""Serves moto on a free port of 127.0.0.1, says which, and ends when its standard input does.

The end of the input is how a parent that was killed is noticed: it holds the other end open and
needs to do nothing to let go of it.

One call is answered at a time, whoever asks: moto walks over what another thread is changing, and
answers that with 500 (`dictionary changed size during iteration`).
"""

import logging
import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

# A line a request, which would drown what went wrong.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

turn = threading.Lock()
answer = DomainDispatcherApplication.__call__


def answer_in_turn(self, environ, start_response):
    with turn:
        return answer(self, environ, start_response)


DomainDispatcherApplication.__call__ = answer_in_turn

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"{host}:{port}", flush=True)
sys.stdin.buffer.read()
os._exit(0)
