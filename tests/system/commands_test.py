# SPDX-License-Identifier: Apache-2.0
"""The command line: what it prints where, and its exit codes."""
import gzip
import json
import os
import pathlib
import re
import subprocess

from harness import BINARY, Sluice, SystemTest, rule
from payloads import EICAR, noise, tarred, zipped


def run(*args, **keys):
    environment = {**os.environ, **keys.pop("env", {})}
    return subprocess.run([str(BINARY), *map(str, args)], capture_output=True, text=True, timeout=60, env=environment, **keys)


class Commands(SystemTest):
    def config(self, text):
        path = self.folder() / "sluice.toml"
        path.write_text(text)
        return path

    def rules(self, *rules, **sections):
        """A configuration that is not run."""
        proxy = Sluice(list(rules), wait=None, **sections)
        self.addCleanup(proxy.stop)
        return proxy.config_path

    def test_version(self):
        done = run("version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?i)sluice \d+\.\d+\.\d+")
        for library in ("openssl", "boost", "c-ares", "toml", "fmt"):
            self.assertIn(library, done.stdout.lower())

    def test_unknown_command(self):
        done = run("runn")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("check", done.stderr)
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("--help").returncode, 0)

    def test_config_prints_a_default_that_validates(self):
        done = run("config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("127.0.0.1:3128", done.stdout)
        self.assertGreater(done.stdout.count("#"), 50)
        checked = run("check", "-c", self.config(done.stdout))
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_an_empty_file_is_valid(self):
        done = run("check", "-c", self.config(""))
        self.assertEqual(done.returncode, 0, done.stderr)
        for builtin in ("protect-host", "malware", "unscanned"):
            self.assertIn(builtin, done.stdout + done.stderr)

    def test_check_lists_rules_with_their_phase(self):
        path = self.rules(rule("a", "client.ip == 10.0.0.1", "block"), rule("b", 'url.path == "/"', "block"), rule("c", "server.ip in 10.0.0.0/8", "block"),
                          rule("d", "http.response.status_code == 500", "block"))
        done = run("check", "-c", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name, phase in (("a", "connect"), ("b", "request"), ("c", "dial"), ("d", "response")):
            self.assertRegex(done.stdout + done.stderr, rf"(?m)^.*\b{phase}\b.*\b{name}\b|^.*\b{name}\b.*\b{phase}\b")

    def test_check_warns_where_an_earlier_phase_overtakes(self):
        path = self.rules(rule("late", 'url.path == "/x"', "allow"), rule("early", "client.ip == 127.0.0.1", "block"))
        done = run("check", "-c", path)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr + done.stdout, r"(?s)warning.*early|early.*warning")

    def test_check_tells_every_fault_with_place_and_caret(self):
        path = self.config("wrokers = 2\n[http]\nlisten = [\"nonsense\"]\n[[rule]]\nname = \"x\"\nwhen = 'url.pth == \"/\"'\naction = \"block\"\n"
                           "[[rule]]\nname = \"y\"\nwhen = 'url.port == \"a\"'\naction = \"blok\"\n")
        done = run("check", "-c", path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        for line, word in ((1, "workers"), (3, ""), (6, "url.path"), (10, ""), (11, "block")):
            match = re.search(rf"(?m)^{re.escape(str(path))}:{line}:(\d+): (.*)$", done.stderr)
            self.assertTrue(match, f"line {line}: {done.stderr}")
            self.assertIn(word, match.group(2))
        self.assertGreaterEqual(done.stderr.count("^"), 5)
        match = re.search(r":6:(\d+):", done.stderr)
        self.assertEqual(int(match.group(1)), 9, "the column is that of url.pth in the file")

    def test_a_file_that_is_not_there(self):
        done = run("check", "-c", "/nonexistent/sluice.toml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nonexistent/sluice.toml", done.stderr)

    def test_environment_names_the_file(self):
        path = self.config("[nonsense]\n")
        done = run("check", env={"SLUICE_CONFIG": str(path)})
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(path), done.stderr)

    def test_include(self):
        folder = self.folder()
        (folder / "rules.d").mkdir()
        (folder / "rules.d/20.toml").write_text("[[rule]]\nname = 'second'\nwhen = 'url.domain in @later'\naction = 'block'\n")
        (folder / "rules.d/10.toml").write_text("[lists]\nlater = { type = 'domain', values = ['x.example'] }\n[[rule]]\nname = 'first'\n"
                                               "when = 'url.port == 1'\naction = 'block'\n")
        (folder / "sluice.toml").write_text("include = ['rules.d/*.toml']\n")
        done = run("check", "-c", folder / "sluice.toml")
        self.assertEqual(done.returncode, 0, done.stderr)
        text = done.stdout + done.stderr
        self.assertLess(text.index("first"), text.index("second"))
        (folder / "rules.d/30.toml").write_text("[lists]\nlater = { type = 'domain', values = ['y.example'] }\n")
        self.assertEqual(run("check", "-c", folder / "sluice.toml").returncode, 1)

    def test_later_versions_sections(self):
        done = run("check", "-c", self.config("[ftp]\nlisten = []\n[tls]\nintercept = false\n"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(run("check", "-c", self.config("[tls]\nintercept = true\n")).returncode, 1)

    def test_explain(self):
        path = self.rules(rule("mark", 'url.domain == "a.example"', "tag", tags=["x"]), rule("no", 'url.path starts_with "/no"', "block"),
                          rule("after", 'url.path == "/no/x"', "allow"))
        done = run("explain", "http://a.example/no/x", "-c", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no", done.stdout)
        done = run("explain", "http://a.example/no/x", "--json", "-c", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        text = json.dumps(report)
        self.assertIn('"block"', text)
        self.assertIn('"no"', text)
        other = json.dumps(json.loads(run("explain", "http://a.example/yes", "--json", "-c", path).stdout))
        self.assertNotEqual(text, other)

    def test_explain_knows_client_method_and_headers(self):
        path = self.rules(rule("one", 'client.ip == 10.1.1.1 and http.request.method == "POST" and http.request.headers["X-A"] == "b"', "block"))
        matching = run("explain", "http://a.example/", "--client", "10.1.1.1", "--method", "POST", "--header", "X-A: b", "--json", "-c", path)
        self.assertIn('"block"', json.dumps(json.loads(matching.stdout)["decision"]) if "decision" in json.loads(matching.stdout) else matching.stdout)
        self.assertEqual(run("explain", "not a url", "-c", path).returncode in (1, 2), True)

    def test_explain_agrees_with_the_proxy(self):
        from wire import ask
        rules = [rule("a", 'url.path contains "x" and not (url.query == "ok")', "block"), rule("b", "url.port in {81, 8081}", "block"),
                 rule("c", 'url.domain ends_with ".bad.example"', "block")]
        proxy = self.sluice(rules)
        for url in ("http://127.0.0.1/x", "http://127.0.0.1/x?ok", "http://127.0.0.1:8081/", "http://z.bad.example/", "http://bad.example/"):
            said = run("explain", url, "--json", "-c", proxy.config_path)
            self.assertEqual(said.returncode, 0, said.stderr)
            status = ask(proxy.port, url)[0].status
            self.assertEqual(status == 403, '"block"' in json.dumps(json.loads(said.stdout).get("decision", said.stdout)), (url, said.stdout))

    def test_status_without_an_instance(self):
        path = self.rules()
        for command in ("status", "reload", "reopen", "stop"):
            done = run(command, "-c", path)
            self.assertEqual((done.returncode, done.stdout), (1, ""), command)
            self.assertTrue(done.stderr)


class Scan(SystemTest):
    """Files are scanned as the proxy would scan payloads."""

    def setUp(self):
        self.proxy = self.sluice(wait=None)
        self.files = self.folder()

    def scan(self, *names, args=(), env=None):
        return self.proxy.command("scan", *args, *[self.files / name for name in names], env={**os.environ, **(env or {})})

    def test_each_verdict_has_its_exit_code(self):
        (self.files / "clean.txt").write_text("hello")
        (self.files / "bad.zip").write_bytes(zipped(("e", EICAR)))
        (self.files / "bomb.gz").write_bytes(gzip.compress(gzip.compress(b"\0" * 400_000_000)))
        for names, code, said in ((["clean.txt"], 0, "clean.txt: clean\n"), (["bad.zip"], 1, "bad.zip: infected EICAR-Test-File (signatures)\n"),
                                  (["bomb.gz"], 2, "bomb.gz: unscannable (bomb)\n"), (["clean.txt", "bomb.gz", "bad.zip"], 1, "bad.zip: infected")):
            done = self.scan(*names)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(said, done.stdout)
        self.assertEqual(self.scan("nothing-there").returncode, 3)
        self.assertEqual(self.scan("clean.txt", "nothing-there").returncode, 3)
        self.assertEqual(self.proxy.command("scan").returncode, 2)

    def test_json(self):
        (self.files / "bad.com").write_bytes(EICAR)
        found = json.loads(self.scan("bad.com", args=["--json"]).stdout)
        self.assertEqual((found["scan.verdict"], found["scan.threat"], found["file.size"]), ("infected", "EICAR-Test-File", 68))

    def test_what_memory_does_not_hold_needs_no_state_folder(self):
        self.proxy.state.rmdir()
        (self.files / "large.tar").write_bytes(tarred(("a", noise(1_000_000) * 18)))
        done = self.scan("large.tar")
        self.assertEqual((done.returncode, done.stdout.rpartition(": ")[2]), (0, "clean\n"), done.stderr)

    def test_what_nobody_looked_at_is_not_clean(self):
        self.proxy.configure(inspect={"engines": []})
        (self.files / "a.txt").write_text("hello")
        done = self.scan("a.txt")
        self.assertEqual((done.returncode, "skipped" in done.stdout), (2, True), done.stdout)

    def test_rules_about_payloads_that_nobody_looks_into(self):
        """They would find nothing; without such rules nothing is said."""
        for rules, is_said in (((), False), ([rule("programs", 'file.extension == "exe"', "block")], True), ([rule("doubtful", "email.ambiguous == true", "block")], True)):
            self.proxy.configure(rules, inspect={"engines": []})
            done = self.proxy.command("check")
            self.assertEqual((done.returncode, "inspect.engines is empty" in done.stderr), (0, is_said), done.stderr)

    def test_a_file_with_a_fault_is_named(self):
        (self.files / "bad.yar").write_text("rule Broken { condition: nothing_known }\n")
        self.proxy.configure(inspect={"yara": [str(self.files / "*.yar")]})
        for command in ("check", "scan"):
            done = self.proxy.command(command, *(["x"] if command == "scan" else []))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("bad.yar:1", done.stderr)
