# SPDX-License-Identifier: Apache-2.0
"""One large message by SMTP, and when its last octet was sent and received, as CLOCK_MONOTONIC has it: the same clock for both on one machine. It knows nothing of Sluice.
    python3 mail_timing.py sink PORT                   takes every message, one session at a time; prints a line of JSON for each: last_ns, octets, sha256
    python3 mail_timing.py send PORT FILE OCTETS/S     sends FILE (a message, CRLF, no line with a dot in front), 0 as fast as it goes; prints last_ns, answered_ns, reply
sha256 is of what follows the header, to which a server may add its own fields."""
import hashlib
import json
import socket
import sys
import time

PIECE = 65536
ROOM = 100 * 1024 * 1024                                    # the largest message
END = b"\r\n.\r\n"


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def read_message(connection, data, room):
    """The octets between 354 and the final dot as a view into `room`, and when the last of them was here; None where the connection ended first."""
    room[:len(data)] = data
    filled = len(data)
    while True:
        count = connection.recv_into(room[filled:])
        last = now()
        filled += count
        if bytes(room[max(filled - len(END), 0):filled]) == END:
            return room[:filled - len(END)], last
        if not count:
            return None, last


def serve(connection, room):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"220 sink.bench.example ESMTP\r\n")
    data = b""
    while True:
        while b"\r\n" not in data:
            more = connection.recv(PIECE)
            if not more:
                return
            data += more
        line, data = data.split(b"\r\n", 1)
        verb = line.upper()
        if verb.startswith(b"EHLO"):
            connection.sendall(b"250-sink.bench.example\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 104857600\r\n")
        elif verb == b"DATA":
            connection.sendall(b"354 go on\r\n")
            message, last = read_message(connection, data, room)
            data = b""
            if message is None:
                return
            connection.sendall(b"250 2.0.0 taken\r\n")
            body = message[room.obj.index(b"\r\n\r\n") + 4:]
            print(json.dumps({"last_ns": last, "octets": len(body), "sha256": hashlib.sha256(body).hexdigest()}), flush=True)
        elif verb == b"QUIT":
            connection.sendall(b"221 2.0.0 bye\r\n")
            return
        else:
            connection.sendall(b"250 2.0.0 all right\r\n")


def sink(port):
    server = socket.create_server(("127.0.0.1", port), backlog=100)
    room = memoryview(bytearray(ROOM))
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                serve(connection, room)
            except OSError:
                pass


def answer(connection):
    """A reply, whole; none comes before it was asked for."""
    text = b""
    while not text.endswith(b"\r\n") or text.rstrip(b"\r\n").rpartition(b"\r\n")[2][3:4] == b"-":
        more = connection.recv(PIECE)
        if not more:
            return "closed"
        text += more
    return text.decode().strip()


def ask(connection, command, expected):
    connection.sendall(command + b"\r\n")
    reply = answer(connection)
    if not reply.startswith(expected):
        sys.exit(f"{command.decode()}: {reply}")


def send(port, path, rate):
    with open(path, "rb") as file:
        message = file.read().removesuffix(b"\r\n")
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not answer(connection).startswith("220"):
            sys.exit("no greeting")
        for command, expected in ((b"EHLO client.bench.example", "250"), (b"MAIL FROM:<from@bench.example>", "250"), (b"RCPT TO:<to@bench.example>", "250"), (b"DATA", "354")):
            ask(connection, command, expected)
        begun = now()
        view = memoryview(message)
        for place in range(0, len(message), PIECE):
            if rate:
                time.sleep(max(0, begun / 1e9 + place / rate - now() / 1e9))
            connection.sendall(view[place:place + PIECE])
        last = now()
        connection.sendall(END)
        reply = answer(connection)
        print(json.dumps({"last_ns": last, "answered_ns": now(), "reply": reply}))
        connection.sendall(b"QUIT\r\n")
        answer(connection)


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        sink(int(sys.argv[2]))
    else:
        send(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
