// SPDX-License-Identifier: Apache-2.0
#include "app/config_schema.h"

#include <array>

namespace sluice::app {

namespace {

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
void networks(Setting& s, Config&) {
    s.has_no_effect();
    s.networks();
}

template <std::size_t n>
void choice(Setting& s, const std::array<std::string_view, n>& words) {
    s.has_no_effect();
    s.choice(words);
}

// What would open a listener, or reach somebody, that this version has not got: an empty list is fine.
void no_listener(Setting& s, Config&) {
    const auto value = s.listeners();
    if (value && !value->empty()) s.fault("this version does not speak SMTP; [] turns the listener off");
}
void no_upstream(Setting& s, Config&) {
    const auto value = s.texts();
    if (value && !(value->empty() || (value->size() == 1 && value->front().empty()))) s.fault("this version does not speak SMTP");
}

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

constexpr std::array kSections{
    SectionSpec{"smtp", kSmtp, "SMTP is not served"},
};

}  // namespace

std::span<const SectionSpec> sections_not_done() { return kSections; }

}  // namespace sluice::app
