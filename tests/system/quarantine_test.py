# SPDX-License-Identifier: Apache-2.0
"""What a rule puts away: the copy, its event, and what becomes of both."""
import gzip
import hashlib
import json
import os
import stat
import subprocess

from harness import BINARY, rule, until
from payloads import EICAR, PROGRAM, WithFiles, noise, zipped
from wire import Closed, Peer, get

PUT_AWAY = rule("put-away", 'scan.verdict == "infected"', "quarantine", reason="Malware is kept for the desk.")


class Quarantine(WithFiles):
    def start(self, deliver="hold", rules=(PUT_AWAY,), env=None, quarantine=None, **inspect):
        self.dir = self.folder() / "kept"
        self.proxy = self.sluice(list(rules), inspect={"deliver": deliver, **inspect}, env=env, quarantine={"dir": str(self.dir), **(quarantine or {})})

    def command(self, *words):
        config = str(self.proxy.config_path)
        return subprocess.run([str(BINARY), "quarantine", *words, "-c", config], capture_output=True, text=True, timeout=60)

    def samples(self):
        done = self.command("list", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def content(self, sample):
        """What `release` gives."""
        out = self.folder() / "released"
        done = self.command("release", sample["event.id"], str(out))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(stat.S_IMODE(out.stat().st_mode), 0o600)
        return out.read_bytes()

    def only(self):
        [sample] = self.samples()
        return sample

    def check_files(self):
        """Nobody else reads them, and nothing finds in them what they hold."""
        self.assertEqual(stat.S_IMODE(self.dir.stat().st_mode), 0o700)
        files = list(self.dir.iterdir())
        self.assertTrue(files)
        for file in files:
            self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
            self.assertNotIn(EICAR, file.read_bytes())

    def test_what_is_held(self):
        self.start()
        body = noise(20_000) + EICAR
        self.assert_refusal(self.fetch(self.serve("/bad.bin", body))[0], 403)
        event = self.proxy.event(url__path="/bad.bin")
        self.assertEqual((event["event.action"], event["rule.name"], event["event.type"]), ("quarantined", "put-away", ["access", "denied"]))
        sample = self.only()
        self.assertEqual((sample["event.id"], sample["event.action"], sample["file.name"], sample["scan.threat"]),
                         (event["event.id"], "quarantined", "bad.bin", "EICAR-Test-File"))
        self.assertEqual((sample["file.size"], sample["file.hash.sha256"]), (len(body), hashlib.sha256(body).hexdigest()))
        self.check_files()
        self.assertTrue(self.content(sample) == body)
        shown = self.command("show", sample["event.id"])
        self.assertEqual(shown.returncode, 0)
        self.assertIn(hashlib.sha256(body).hexdigest(), shown.stdout)
        self.assertEqual(self.proxy.metrics()['sluice_quarantine_total{result="kept"}'], 1)
        self.assertEqual(self.command("delete", sample["event.id"]).returncode, 0)
        self.assertEqual(self.samples(), [])
        self.assertEqual(self.fetch(self.serve("/good", noise(20_000)))[0].status, 200)
        self.assertEqual(self.samples(), [])

    def test_content_codings_are_undone(self):
        self.start()
        body = noise(300_000) + EICAR
        self.assert_refusal(self.fetch(self.serve("/coded", gzip.compress(body), "Content-Encoding: gzip"))[0], 403)
        self.assertTrue(self.content(self.only()) == body)

    def test_what_cannot_be_decoded_is_kept_as_it_came(self):
        self.start(rules=[rule("all", 'scan.verdict == "unscannable"', "quarantine")])
        body = gzip.compress(noise(5000))[:3000]
        self.assert_refusal(self.fetch(self.serve("/half", body, "Content-Encoding: gzip"))[0], 403)
        self.assertTrue(self.content(self.only()) == body)

    def test_an_upload(self):
        self.start()
        body = noise(5000) + EICAR
        head, _ = self.fetch(self.origin.url("/up"), method="POST", body=body)
        self.assert_refusal(head, 403)
        self.assertTrue(self.content(self.only()) == body)
        self.assertEqual(self.origin.uploads, {})

    def test_a_member_of_an_archive(self):
        self.start("auto", [rule("programs", 'payload.direction == "download" and file.extension == "exe"', "quarantine")])
        body = zipped(("readme.txt", b"hello"), ("setup.exe", PROGRAM))
        self.assert_refusal(self.fetch(self.serve("/a.zip", body))[0], 403)
        self.assertTrue(self.content(self.only()) == body)

    def test_what_flows_was_copied(self):
        """Large enough to be on the disk, found at its end: what has gone on is in the sample too."""
        for deliver in ("tail", "stream"):
            self.start(deliver)
            body = noise(1_000_000) * 18 + EICAR
            with Peer.connect(self.proxy.port) as peer:
                peer.send(get(self.serve("/flows", body)))
                with self.assertRaises(Closed):
                    peer.read_response()
            self.assertEqual(self.proxy.event(url__path="/flows")["event.action"], "quarantined")
            content = self.content(self.only())
            self.assertTrue(content == body[:len(content)])
            self.assertIn(EICAR, content)
            self.check_files()

    def test_no_room_no_copy_and_no_pass(self):
        self.start(quarantine={"max_size": "10KiB"})
        self.assert_refusal(self.fetch(self.serve("/large", noise(20_000) + EICAR))[0], 403)
        event = self.proxy.event(url__path="/large")
        self.assertEqual(event["event.action"], "blocked")
        self.assertIn("no copy was kept", event["event.reason"])
        self.assertEqual(self.samples(), [])
        self.assertEqual(self.proxy.metrics()['sluice_quarantine_total{result="failed"}'], 1)

    def test_a_full_disk_on_order(self):
        self.start(env={"SLUICE_FAULTS": "disk-full"})
        self.assert_refusal(self.fetch(self.serve("/x", EICAR))[0], 403)
        event = self.proxy.event(url__path="/x")
        self.assertEqual((event["event.action"], event["event.reason"]), ("blocked", "Malware is kept for the desk. (EICAR-Test-File); no copy was kept: the disk is full"))
        self.assertEqual(self.samples(), [])

    def test_the_oldest_go_first(self):
        self.start(quarantine={"max_size": "10KiB"})
        for number in range(4):
            self.assert_refusal(self.fetch(self.serve(f"/{number}", noise(4000, number) + EICAR))[0], 403)
        self.assertEqual([sample["url.path"] for sample in self.samples()], ["/3", "/2"])

    def test_they_go_when_their_time_is_over(self):
        self.start(quarantine={"keep": "1s"})
        self.assert_refusal(self.fetch(self.serve("/old", EICAR))[0], 403)
        self.assertEqual(self.proxy.event(url__path="/old")["event.action"], "quarantined")
        until(lambda: not self.samples(), "the sample's end")

    def test_a_folder_that_cannot_be_written_to(self):
        self.start()
        os.rename(self.dir, self.dir.with_name("gone"))
        self.dir.write_text("a file is here")
        self.assert_refusal(self.fetch(self.serve("/x", EICAR))[0], 403)
        event = self.proxy.event(url__path="/x")
        self.assertEqual(event["event.action"], "blocked")
        self.assertIn("no copy was kept", event["event.reason"])

    def test_a_reload_turns_it_on(self):
        self.start(rules=[])
        self.assert_refusal(self.fetch(self.serve("/before", EICAR))[0], 403)
        self.assertEqual(self.samples(), [])
        self.proxy.configure([PUT_AWAY])
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        self.assert_refusal(self.fetch(self.serve("/after", EICAR))[0], 403)
        self.assertEqual(self.only()["url.path"], "/after")
