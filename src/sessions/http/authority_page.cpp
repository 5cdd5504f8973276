// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/authority_page.h"

#include <fmt/format.h>

namespace sluice::http {

namespace {

constexpr std::string_view page = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>This network's certificate</title>
<style>
:root {{ color-scheme: light dark; --paper: #f4f5f7; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e8; --mark: #1a56b0; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #14181e; --card: #1d232c; --ink: #e7ebf0; --soft: #98a3b3; --line: #2f3845; --mark: #8ab4f8; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 2rem 1.25rem; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }}
main {{ max-width: 44rem; margin: 0 auto; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--mark);
       border-radius: 10px; padding: 2rem; box-shadow: 0 6px 24px rgba(0, 0, 0, .07); }}
h1 {{ font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem; }}
h2 {{ font-size: 1rem; margin: 1.4rem 0 .25rem; }}
p, ol {{ margin: .25rem 0; }}
ol {{ padding-left: 1.4rem; }}
.take {{ display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }}
.take a {{ border: 1px solid var(--mark); border-radius: 6px; padding: .5rem 1rem; color: var(--mark); text-decoration: none; font-weight: 600; }}
code {{ font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }}
.soft {{ color: var(--soft); font-size: .9rem; }}
</style>
</head>
<body>
<main>
<h1>This network&rsquo;s certificate</h1>
<p>On this network encrypted web traffic is decrypted, inspected and encrypted again. Your device takes part once it trusts this certificate.
Whoever holds its key can read what your device sends, so install it only where the people who run this network have told you to.</p>
<div class="take"><a href="/ca.pem">Certificate (PEM)</a><a href="/ca.crt">Certificate (DER)</a></div>
<p class="soft">SHA-256, to compare with what you were told:<br><code>{0}</code></p>

<h2>Windows</h2>
<ol><li>Open <a href="/ca.crt">ca.crt</a> and choose <b>Install Certificate</b>, then <b>Local Machine</b>.</li>
<li>Place it in <b>Trusted Root Certification Authorities</b>.</li></ol>
<h2>macOS</h2>
<ol><li>Open <a href="/ca.pem">ca.pem</a>: it goes into the <b>System</b> keychain.</li>
<li>In Keychain Access open it, and under <b>Trust</b> choose <b>Always Trust</b>.</li></ol>
<h2>iPhone and iPad</h2>
<ol><li>Open <a href="/ca.crt">ca.crt</a> in Safari and allow the profile; install it in <b>Settings</b>, <b>General</b>, <b>VPN &amp; Device Management</b>.</li>
<li>Turn it on in <b>Settings</b>, <b>General</b>, <b>About</b>, <b>Certificate Trust Settings</b>.</li></ol>
<h2>Android</h2>
<ol><li>Save <a href="/ca.crt">ca.crt</a>. In <b>Settings</b> search for <b>CA certificate</b>, and install the file.</li>
<li>Browsers use it; many applications trust the system&rsquo;s own certificates alone.</li></ol>
<h2>Debian and Ubuntu</h2>
<p>Save <a href="/ca.pem">ca.pem</a> as <code>/usr/local/share/ca-certificates/sluice.crt</code>, then run <code>sudo update-ca-certificates</code>.</p>
<h2>Fedora and Red Hat</h2>
<p>Save <a href="/ca.pem">ca.pem</a> as <code>/etc/pki/ca-trust/source/anchors/sluice.pem</code>, then run <code>sudo update-ca-trust</code>.</p>
<h2>Firefox</h2>
<p><b>Settings</b>, <b>Privacy &amp; Security</b>, <b>View Certificates</b>, <b>Authorities</b>, <b>Import</b>: choose <a href="/ca.pem">ca.pem</a> and trust it for websites.</p>
</main>
</body>
</html>
)html";

}  // namespace

std::string authority_page(std::string_view fingerprint) { return fmt::format(page, fingerprint); }

}  // namespace sluice::http
