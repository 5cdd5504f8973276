# SPDX-License-Identifier: Apache-2.0
"""Certificates of HTTPS that is decrypted: those that clients see, those of servers, and what a configuration makes of them."""
import datetime
import ssl
import threading

from harness import rule, until
from tls import Origins, Shown, TlsTest, leaf_of, open_tls, s_client, tls_client
from wire import echoing


class Leaves(TlsTest):
    kinds = ("good", "short", "rsa")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.decrypting()

    def leaf(self, kind, *args, **keys):
        return Shown(leaf_of(s_client(self.proxy.port, self.origins.host(kind), "-CAfile", self.proxy.ca, "-verify_return_error", *args, **keys)))

    def test_it_says_what_the_servers_says(self):
        ours = Shown(self.proxy.ca.read_text())
        theirs = Shown(self.origins.certificates["good"].leaf.read_text())
        leaf = self.leaf("good")
        self.assertEqual((leaf.subject, leaf.names), (theirs.subject, theirs.names))
        self.assertEqual(leaf.issuer, ours.subject)
        self.assertLessEqual(leaf.end - leaf.begin, datetime.timedelta(days=90))
        self.assertGreater(leaf.end, datetime.datetime.utcnow() + datetime.timedelta(days=30))
        self.assertIn("id-ecPublicKey", leaf.text)
        self.assertRegex(leaf.text, r"CA:FALSE")
        self.assertIn("TLS Web Server Authentication", leaf.text)
        for absent in ("Authority Information Access", "TLS Feature", "status_request", "CT Precertificate SCTs", "CRL Distribution"):
            self.assertNotIn(absent, leaf.text)
        self.assertIn("Authority Information Access", theirs.text)
        self.assertIn("TLS Feature", theirs.text)

    def test_never_beyond_the_servers(self):
        theirs = Shown(self.origins.certificates["short"].leaf.read_text())
        leaf = self.leaf("short")
        self.assertLessEqual(leaf.end, theirs.end)
        self.assertGreater(leaf.end, datetime.datetime.utcnow())

    def test_serials_are_random(self):
        same = {self.leaf("good").serial for _ in range(6)}
        self.assertLessEqual(len(same), 2)                                           # made once, by each worker
        others = {self.leaf("short").serial, self.leaf("rsa").serial, self.leaf("good", "-tls1_2", "-cipher", "aRSA").serial}
        self.assertEqual(len(others - same), 3)
        for serial in same | others:
            self.assertGreaterEqual(len(serial), 16)                                 # 64 bits and more (CA/B 7.1)
            self.assertLessEqual(len(serial), 40)

    def test_rsa_for_a_client_without_ecdsa(self):
        for words in (("-tls1_2", "-cipher", "aRSA"), ("-tls1_2", "-sigalgs", "RSA+SHA256:RSA-PSS+SHA256"),
                      ("-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256:rsa_pkcs1_sha256")):
            leaf = self.leaf("good", *words)
            self.assertIn("rsaEncryption", leaf.text, words)
            self.assertIn("DNS:good.test", leaf.names)
        self.assertIn("id-ecPublicKey", self.leaf("rsa").text)                       # whatever the server has

    def test_the_authority_is_sent_and_bounded(self):
        output = s_client(self.proxy.port, self.origins.host("good"), "-CAfile", self.proxy.ca, "-showcerts")
        self.assertIn("Verify return code: 0 (ok)", output)
        ca = Shown(self.proxy.ca.read_text())
        self.assertIn("CA:TRUE, pathlen:0", ca.text)
        self.assertIn("Certificate Sign", ca.text)

    def test_of_many_at_once_each_gets_the_same(self):
        """Requests for one name are answered with one leaf, a worker; here are two."""
        before = self.proxy.metrics()["sluice_tls_leaves_total"]
        host = f"www.good.test:{self.origins.ports['good']}"
        serials, failures = [], []

        def run():
            try:
                peer = open_tls(self.proxy.port, host, tls_client(self.proxy.ca))
                serials.append(Shown.of(peer).serial)
                peer.close()
            except Exception as error:
                failures.append(error)
        threads = [threading.Thread(target=run) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(serials), 20)
        self.assertLessEqual(len(set(serials)), 2)
        self.assertLessEqual(self.proxy.metrics()["sluice_tls_leaves_total"] - before, 2)


class Servers(TlsTest):
    """What servers show, and what becomes of those that cannot prove who they are."""

    kinds = (*Origins.GOOD, *Origins.BAD)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = cls.decrypting()

    def test_good_ones(self):
        for kind in Origins.GOOD:
            with self.subTest(kind=kind):
                self.assertEqual(self.curl(self.origins.at(kind, "/fine")).stdout, f"the secret of {kind}\n".encode())
                event = self.proxy.event(url__domain=f"{kind}.test", url__path="/fine")
                self.assertEqual((event["url.scheme"], event["tls.server.verified"]), ("https", True))

    def test_tls_1_2_with_the_client(self):
        self.assertEqual(self.curl("--tls-max", "1.2", self.origins.at("good", "/old")).stdout, b"the secret of good\n")
        self.assertEqual(self.proxy.event(url__path="/old")["tls.version"], "1.2")
        self.assertNotEqual(self.fetch(self.origins.at("good", "/older"), "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")[2], 0)

    def refused(self, kind, says):
        connected, status, code, body = self.fetch(self.origins.at(kind, "/secret"), "-H", "Accept: text/plain", "-D", "-")
        self.assertEqual((connected, status, code), (200, 502, 0))
        self.assertRegex(body.lower(), b"\r\nproxy-status: sluice; *error=tls_certificate_error")
        self.assertIn(says.encode(), body)
        self.assertNotIn(b"the secret", body)
        event = self.proxy.event(url__domain=f"{kind}.test", url__path="/secret")
        self.assertEqual((event["event.action"], event["error.type"], event["tls.server.verified"]), ("failed", "tls_certificate_error", False))
        self.assertIn(says, event["event.reason"])
        self.assertEqual(self.origins.log(kind), "")
        leaf = Shown.of(open_tls(self.proxy.port, self.origins.host(kind), tls_client(self.proxy.ca)))
        self.assertEqual(leaf.names, [f"DNS:{kind}.test"])                           # for the name alone, whatever the server's says

    def test_expired(self):
        self.refused("expired", Origins.BAD["expired"])

    def test_not_yet_valid(self):
        self.refused("early", Origins.BAD["early"])

    def test_self_signed(self):
        self.refused("selfsigned", Origins.BAD["selfsigned"])

    def test_another_name(self):
        self.refused("misnamed", Origins.BAD["misnamed"])

    def test_incomplete_chain(self):
        self.refused("incomplete", Origins.BAD["incomplete"])

    def test_unknown_authority(self):
        self.refused("unknown", Origins.BAD["unknown"])

    def test_revoked_by_a_stapled_answer(self):
        self.refused("revoked", Origins.BAD["revoked"])
        self.assertEqual(self.curl(self.origins.at("stapled", "/not-revoked")).stdout, b"the secret of stapled\n")

    def test_again_and_again(self):
        """No session is resumed with who was not verified: each time it is said anew."""
        for number in range(4):
            _, status, _, body = self.fetch(self.origins.at("expired", f"/again/{number}"))
            self.assertEqual(status, 502)
            self.assertNotIn(b"the secret", body)
        self.assertGreaterEqual(self.proxy.metrics()['sluice_tls_server_handshakes_total{result="unverified"}'], 4)


class Exceptions(TlsTest):
    kinds = ("good", "expired", "early", "misnamed", "client", "asks")

    def test_a_rule_lifts_it_by_name(self):
        self.own([rule("old-printer", 'tls.server.verified == false and url.domain == "expired.test"', "allow"),
                  rule("fine-anyway", 'url.domain == "early.test"', "allow")])
        self.assertEqual(self.curl(self.origins.at("expired", "/lifted")).stdout, b"the secret of expired\n")
        event = self.proxy.event(url__path="/lifted")
        self.assertEqual((event["event.action"], event["rule.name"], event["tls.server.verified"]), ("allowed", "old-printer", False))
        for kind in ("misnamed", "early"):                                           # an `allow` that does not ask for it lifts nothing
            self.assertEqual(self.fetch(self.origins.at(kind, "/kept"))[1], 502)
            self.assertNotIn("/kept", self.origins.log(kind))
        self.assertEqual(self.curl(self.origins.at("good")).stdout, b"the secret of good\n")

    def test_trust_is_no_exception(self):
        """`trust` spares inspection, and does not say that a server is who it says."""
        self.own([rule("updates", 'url.path starts_with "/updates/"', "trust"), rule("here", "server.ip == 127.0.0.1 and url.path == \"/here\"", "trust")])
        for path in ("/updates/x", "/here"):
            self.assertEqual(self.curl(self.origins.at("good", path)).stdout, b"the secret of good\n")
            _, status, _, body = self.fetch(self.origins.at("expired", path))
            self.assertEqual(status, 502, path)
            self.assertNotIn(b"the secret", body)
            self.assertNotIn(path, self.origins.log("expired"))

    def test_rules_may_block_them_in_words_of_their_own(self):
        self.own([rule("strict", "tls.server.verified == false", "block", reason="nobody knows who that is")])
        _, status, _, body = self.fetch(self.origins.at("expired", "/strict"))
        self.assertEqual(status, 403)
        self.assertIn(b"nobody knows who that is", body)
        self.assertNotIn("/strict", self.origins.log("expired"))

    def test_upstream_ca(self):
        self.own(tls={"upstream_ca": None})
        _, status, _, body = self.fetch(self.origins.at("good", "/unknown"))
        self.assertEqual(status, 502)
        self.assertNotIn(b"the secret", body)
        self.proxy.configure(tls={"intercept": True, "upstream_ca": str(self.pki.root)})
        self.assertEqual(self.proxy.command("reload").returncode, 0)
        until(lambda: self.fetch(self.origins.at("good", "/known"))[3] == b"the secret of good\n", "the new roots")
        self.proxy.configure(tls={"intercept": True, "upstream_ca": str(self.folder() / "missing.pem")})
        done = self.proxy.command("check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("missing.pem", done.stderr)

    def test_client_certificates(self):
        own = self.pki.sign("me", "/CN=the proxy itself", "extendedKeyUsage = clientAuth")
        self.own(tls={"client_certificates": {'"client.test"': {"certificate": str(own.chain), "key": str(own.key)}}})
        self.assertEqual(self.curl(self.origins.at("client", "/who")).stdout, b"SUCCESS CN=the proxy itself\n")
        self.assertEqual(self.curl(self.origins.at("asks", "/who")).stdout, b"NONE \n")  # for that name alone
        self.own()
        _, status, _, body = self.fetch(self.origins.at("client", "/who"))
        self.assertEqual(status, 400)                                                # the server's own answer
        self.assertNotIn(b"SUCCESS", body)

    def test_a_server_that_demands_a_certificate_in_the_handshake(self):
        def demand(context):
            context.verify_mode = ssl.CERT_REQUIRED
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.load_verify_locations(self.pki.root)
        self.own()
        origin = self.origin(echoing, prepare=demand)
        _, status, _, body = self.fetch(f"https://a.test:{origin.port}/")
        self.assertEqual(status, 502)
        self.proxy.event(url__domain="a.test", error__type="tls_alert_received")
