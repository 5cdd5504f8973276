# SPDX-License-Identifier: Apache-2.0
"""nginx as the origin: plain and TLS, on 127.0.0.1 and ::1, files with ranges, uploads by PUT, errors."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import free_port, until

CONF = """
daemon off;
master_process off;
{user}
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    types {{ text/html html; text/plain txt; text/css css; image/svg+xml svg; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        listen [::1]:{port} backlog=4096;
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        root {folder}/www;
        location /upload/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
        location /echo {{ return 200 "$request_method $request_uri $server_protocol\\n"; }}
        location /post {{ proxy_pass http://127.0.0.1:{port}/posted; proxy_set_header X-Body-Length $content_length; }}
        location /posted {{ return 200 "$http_x_body_length\\n"; }}
        location /empty {{ return 204; }}
        location /moved {{ return 301 /1k; }}
    }}
{servers}}}
"""


class Nginx:
    """Start it in setUpClass, `close` in its cleanup. `/1k`, `/1m` and what `write` makes are served; `ca` is the TLS certificate."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-nginx-", dir="/tmp"))
        self.port = free_port()
        self.tls = free_port()
        self.www = self.folder / "www"
        (self.www / "upload").mkdir(parents=True)
        self.write("1k", os.urandom(1024))
        self.write("1m", os.urandom(1024 * 1024))
        self.write("index.html", b"<p>hello</p>")
        self.ca = self.folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-keyout", self.folder / "key.pem", "-out", self.ca, "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        (self.folder / "nginx.conf").write_text(CONF.format(folder=self.folder, port=self.port, tls=self.tls, servers=self.servers(),
                                                            user="user root;" if os.geteuid() == 0 else ""))
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([binary, "-c", self.folder / "nginx.conf", "-p", self.folder],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "nginx")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("nginx: " + (self.folder / "error.log").read_text())
        try:
            socket.create_connection(("127.0.0.1", self.tls), 1).close()
            return True
        except OSError:
            return False

    def servers(self):
        """More of them, where a subclass has some."""
        return ""

    def write(self, name, content):
        (self.www / name).write_bytes(content)

    def read(self, name):
        return (self.www / name).read_bytes()

    def url(self, path="/", host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def close(self):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
