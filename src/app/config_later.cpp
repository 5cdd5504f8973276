// SPDX-License-Identifier: Apache-2.0
#include "app/config_schema.h"

#include <fmt/format.h>

#include <array>

namespace sluice::app {

namespace {

using std::chrono::milliseconds;

// Types are checked and the value goes nowhere; the section's warning says so.
void text(Setting& s, Config&) {
    s.has_no_effect();
    s.text();
}
void texts(Setting& s, Config&) {
    s.has_no_effect();
    s.texts();
}
void flag(Setting& s, Config&) {
    s.has_no_effect();
    s.boolean();
}
void count(Setting& s, Config&) {
    s.has_no_effect();
    s.integer(0, 1'000'000'000);
}
void size(Setting& s, Config&) {
    s.has_no_effect();
    s.size(0);
}
void duration(Setting& s, Config&) {
    s.has_no_effect();
    s.duration(milliseconds(1));
}
void ports(Setting& s, Config&) {
    s.has_no_effect();
    s.ports();
}
void networks(Setting& s, Config&) {
    s.has_no_effect();
    s.networks();
}

template <std::size_t n>
void choice(Setting& s, const std::array<std::string_view, n>& words) {
    s.has_no_effect();
    s.choice(words);
}

void engine(Setting& s, Config&) {
    s.has_no_effect();
    if (!s.node().is_table()) s.fault(fmt::format("a table is expected, as in {{ max_size = \"100MiB\" }}, not a {}", kind_of(s.node())));
}

// What would open a listener, or reach somebody, that this version has not got: an empty list is fine.
void no_listener(Setting& s, Config&) {
    const auto value = s.listeners();
    if (value && !value->empty()) s.fault("this version speaks HTTP only; [] turns the listener off");
}
void no_upstream(Setting& s, Config&) {
    const auto value = s.texts();
    if (value && !(value->empty() || (value->size() == 1 && value->front().empty()))) s.fault("this version speaks HTTP only");
}
void no_file(Setting& s, Config&) {
    const auto value = s.file_path();
    if (value && !value->empty()) s.fault("this version does not speak TLS itself; CONNECT tunnels pass it as it is");
}

constexpr std::array kFtp{
    KeySpec{"listen", no_listener},
    KeySpec{"upstream", no_upstream},
    KeySpec{"ports", ports},
    KeySpec{"passive_ports", ports},
    KeySpec{"passive_address", text},
    KeySpec{"upstream_mode", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 2>{"passive", "active"}); }},
    KeySpec{"implicit_tls", no_listener},
    KeySpec{"client_tls", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 3>{"off", "allow", "require"}); }},
    KeySpec{"upstream_tls", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 4>{"off", "prefer", "require", "match"}); }},
    KeySpec{"require_tls_resumption", flag},
    KeySpec{"site", texts},
    KeySpec{"sessions_per_client", count},
    KeySpec{"line", size},
    KeySpec{"path", size},
};

constexpr std::array kSmtp{
    KeySpec{"listen", no_listener},
    KeySpec{"upstream", no_upstream},
    KeySpec{"hostname", text},
    KeySpec{"domains", texts},
    KeySpec{"relay_clients", networks},
    KeySpec{"max_message", size},
    KeySpec{"max_recipients", count},
    KeySpec{"implicit_tls", no_listener},
    KeySpec{"client_tls", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 3>{"off", "allow", "require"}); }},
    KeySpec{"upstream_tls", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 3>{"off", "prefer", "require"}); }},
    KeySpec{"auth_without_tls", flag},
    KeySpec{"bare_newline", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 2>{"reject", "normalize"}); }},
    KeySpec{"bare_newline_clients", networks},
    KeySpec{"received", flag},
    KeySpec{"upstream_client",
            [](Setting& s, Config&) { choice(s, std::array<std::string_view, 5>{"none", "xclient", "xforward", "proxy1", "proxy2"}); }},
    KeySpec{"trusted", networks},
};

constexpr std::array kTls{
    KeySpec{"intercept",
            [](Setting& s, Config&) {
                if (s.boolean().value_or(false)) s.fault("this version does not decrypt; CONNECT tunnels pass TLS as it is");
            }},
    KeySpec{"ca_dir", text},
    KeySpec{"upstream_ca", text},
    KeySpec{"certificate", no_file},
    KeySpec{"key", no_file},
    KeySpec{"learn", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 3>{"off", "suggest", "apply"}); }},
};

constexpr std::array kInspect{
    KeySpec{"engines",
            [](Setting& s, Config&) {
                const auto value = s.texts();
                if (value && !value->empty()) s.has_no_effect();
            }},
    KeySpec{"yara", texts},
    KeySpec{"signatures", texts},
    KeySpec{"clamav", engine},
    KeySpec{"icap", engine},
    KeySpec{"deliver", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 4>{"auto", "hold", "tail", "stream"}); }},
    KeySpec{"whole", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 2>{"risky", "all"}); }},
    KeySpec{"ranges", [](Setting& s, Config&) { choice(s, std::array<std::string_view, 4>{"auto", "whole", "pass", "block"}); }},
    KeySpec{"timeout", duration},
    KeySpec{"max_size", size},
    KeySpec{"memory", size},
    KeySpec{"disk", size},
    KeySpec{"scanners", count},
};

constexpr std::array kQuarantine{
    KeySpec{"dir", text},
    KeySpec{"max_size", size},
    KeySpec{"keep", duration},
};

constexpr std::array kSections{
    SectionSpec{"ftp", kFtp, "FTP is not served"},
    SectionSpec{"smtp", kSmtp, "SMTP is not served"},
    SectionSpec{"tls", kTls, "TLS is not decrypted"},
    SectionSpec{"inspect", kInspect, "payloads are not scanned"},
    SectionSpec{"quarantine", kQuarantine, "payloads are not scanned"},
};

}  // namespace

std::span<const SectionSpec> sections_not_done() { return kSections; }

}  // namespace sluice::app
