// SPDX-License-Identifier: Apache-2.0
// [smtp].
#include "app/config_schema.h"

#include "base/text.h"
#include "base/url.h"

#include <fmt/format.h>

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <expected>

namespace sluice::app {

namespace {

using Upstream = SmtpConfig::Upstream;

struct Scheme {
    std::string_view prefix;
    UpstreamKind kind;
    std::uint16_t port;  // where none is given
};
// The last one is a server without a scheme.
constexpr std::array kSchemes{Scheme{"smtp://", UpstreamKind::smtp, 25}, Scheme{"smtps://", UpstreamKind::smtps, 465},
                              Scheme{"lmtp://", UpstreamKind::lmtp, 24}, Scheme{"", UpstreamKind::smtp, 25}};

std::expected<Upstream, std::string> parse_local(std::string_view path) {
    if (!path.starts_with('/')) return std::unexpected("a local socket has an absolute path: \"lmtp:/run/dovecot/lmtp\"");
    if (path.size() >= sizeof(sockaddr_un::sun_path))
        return std::unexpected(fmt::format("a socket's path has at most {} bytes", sizeof(sockaddr_un::sun_path) - 1));
    if (path.contains('\0')) return std::unexpected("a socket's path holds no NUL");
    return Upstream{.kind = UpstreamKind::lmtp, .host = {}, .port = 0, .path = std::string(path)};
}

std::expected<Upstream, std::string> parse_upstream(std::string_view text) {
    constexpr std::string_view local = "lmtp:";
    if (text.starts_with(local) && !text.starts_with("lmtp://")) return parse_local(text.substr(local.size()));
    const Scheme& scheme = *std::ranges::find_if(kSchemes, [&](const Scheme& one) { return text.starts_with(one.prefix); });
    const auto parsed = parse_authority(text.substr(scheme.prefix.size()), false);
    if (!parsed || parsed->host.empty())
        return std::unexpected(
            fmt::format("\"{}\" is not a server: \"mail.example.org:25\", \"smtps://host\", \"lmtp://host:24\" or "
                        "\"lmtp:/path\" is expected",
                        text));
    return Upstream{.kind = scheme.kind, .host = parsed->host, .port = parsed->port != 0 ? parsed->port : scheme.port, .path = {}};
}

// One, or several in order of preference; an empty text is none.
void read_upstreams(Setting& setting, Config& config) {
    const auto words = setting.texts();
    if (!words) return;
    config.smtp.upstreams.clear();
    if (words->size() == 1 && words->front().empty()) return;
    for (const std::string& word : *words) {
        auto upstream = parse_upstream(word);
        if (!upstream) return setting.fault(std::move(upstream.error()));
        if (std::ranges::find(config.smtp.upstreams, *upstream) != config.smtp.upstreams.end())
            return setting.fault(fmt::format("{} stands here twice", word));
        config.smtp.upstreams.push_back(std::move(*upstream));
    }
}

void read_hostname(Setting& setting, Config& config) {
    const auto value = setting.text();
    if (!value) return;
    config.smtp.hostname.clear();
    if (value->empty()) return;
    config.smtp.hostname = mail_domain(*value);
    if (config.smtp.hostname.empty()) setting.fault(fmt::format("\"{}\" is not a name, as in \"gw.example.org\"", *value));
}

void read_domains(Setting& setting, Config& config) {
    const auto words = setting.texts();
    if (!words) return;
    std::vector<std::string> domains;
    for (const std::string& word : *words) {
        std::string domain = mail_domain(word);
        if (domain.empty())
            return setting.fault(
                fmt::format("\"{}\" is not a domain, as in \"example.org\": each one is named, the part behind the @", word));
        if (std::ranges::find(domains, domain) == domains.end()) domains.push_back(std::move(domain));
    }
    config.smtp.domains = std::move(domains);
}

template <std::vector<IpNetwork> SmtpConfig::* member>
void read_networks(Setting& setting, Config& config) {
    if (auto value = setting.networks()) config.smtp.*member = std::move(*value);
}

template <bool SmtpConfig::* member>
void read_flag(Setting& setting, Config& config) {
    if (const auto value = setting.boolean()) config.smtp.*member = *value;
}

template <class Choice, Choice SmtpConfig::* member, const auto& words>
void read_choice(Setting& setting, Config& config) {
    if (const auto value = setting.choice(words)) config.smtp.*member = static_cast<Choice>(*value);
}

// In the order of their enumerators.
constexpr std::array<std::string_view, 3> kClientTls{"off", "allow", "require"};
constexpr std::array<std::string_view, 3> kUpstreamTls{"off", "prefer", "require"};
constexpr std::array<std::string_view, 2> kBareNewline{"reject", "normalize"};
constexpr std::array<std::string_view, 5> kUpstreamClient{"none", "xclient", "xforward", "proxy1", "proxy2"};

constexpr std::array kSmtp{
    KeySpec{"listen",
            [](Setting& s, Config& c) {
                if (auto value = s.listeners()) c.smtp.listen = std::move(*value);
            }},
    KeySpec{"upstream", read_upstreams},
    KeySpec{"hostname", read_hostname},
    KeySpec{"domains", read_domains},
    KeySpec{"relay_clients", read_networks<&SmtpConfig::relay_clients>},
    KeySpec{"max_message",
            [](Setting& s, Config& c) {
                constexpr std::uint64_t least = 1ULL << 10, most = 1ULL << 40;
                if (const auto value = s.size(least, most)) c.smtp.max_message = *value;
            }},
    KeySpec{"max_recipients",
            [](Setting& s, Config& c) {
                if (const auto value = s.integer(1, 100'000)) c.smtp.max_recipients = static_cast<std::size_t>(*value);
            }},
    KeySpec{"implicit_tls",
            [](Setting& s, Config& c) {
                if (auto value = s.listeners()) c.smtp.implicit_tls = std::move(*value);
            }},
    KeySpec{"client_tls", read_choice<ClientTls, &SmtpConfig::client_tls, kClientTls>},
    KeySpec{"upstream_tls", read_choice<UpstreamTls, &SmtpConfig::upstream_tls, kUpstreamTls>},
    KeySpec{"auth_without_tls", read_flag<&SmtpConfig::auth_without_tls>},
    KeySpec{"bare_newline", read_choice<BareNewline, &SmtpConfig::bare_newline, kBareNewline>},
    KeySpec{"bare_newline_clients", read_networks<&SmtpConfig::bare_newline_clients>},
    KeySpec{"received", read_flag<&SmtpConfig::received>},
    KeySpec{"upstream_client", read_choice<UpstreamClient, &SmtpConfig::upstream_client, kUpstreamClient>},
    KeySpec{"trusted", read_networks<&SmtpConfig::trusted>},
};

// Whether mail for the upstream comes back to `listener`: one that takes any address takes loopback too.
bool is_reached_at(const Upstream& upstream, const IpPort& listener) {
    const auto address = IpAddress::parse(upstream.host);
    if (!address || !upstream.path.empty() || upstream.port != listener.port) return false;
    const bool takes_any = listener.address == *IpAddress::parse("0.0.0.0") || listener.address == *IpAddress::parse("::");
    return listener.address == *address || (takes_any && is_loopback(*address));
}

}  // namespace

std::string mail_domain(std::string_view written) {
    if (written.contains('%')) return {};  // which a URL's host may hold
    const auto host = canonical_host(written);
    if (!host || IpAddress::parse(*host)) return {};
    const auto fits = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.'; };
    const bool has_stray_hyphen = host->front() == '-' || host->back() == '-' || host->contains(".-") || host->contains("-.");
    return std::ranges::all_of(*host, fits) && !has_stray_hyphen ? *host : std::string();
}

std::span<const KeySpec> smtp_keys() { return kSmtp; }

void check_smtp(Config& config, Reading& reading) {
    SmtpConfig& smtp = config.smtp;
    const auto fault = [&](std::string_view key, std::string message, Diagnostic::Severity severity = Diagnostic::Severity::error) {
        const auto given = reading.given.find(key);
        message = fmt::format("{}: {}", key, message);
        if (given != reading.given.end())
            return reading.faults.push_back({given->second, std::move(message), given->second.source_line, severity});
        const std::string file = config.files.empty() ? std::string() : config.files.front().string();
        reading.faults.push_back({Place{file, 0, 0}, std::move(message), "", severity});
    };
    // Without a server there is nobody to serve for; and whoever names one wants mail taken, at the usual place if none is said.
    if (!smtp.upstreams.empty() && !reading.given.contains("smtp.listen")) smtp.listen = default_smtp_listeners();
    const bool is_said =
        std::ranges::any_of(reading.faults, [](const Diagnostic& one) { return one.message.starts_with("smtp.upstream: "); });
    if (smtp.upstreams.empty() && !is_said) {
        for (const auto& [key, listeners] : {std::pair("smtp.listen", &smtp.listen), std::pair("smtp.implicit_tls", &smtp.implicit_tls)})
            if (!listeners->empty()) fault(key, "mail is taken only with an upstream to hand it to: smtp.upstream is empty");
    }
    for (const auto* listeners : {&smtp.listen, &smtp.implicit_tls})
        for (const IpPort& listener : *listeners)
            if (std::ranges::any_of(smtp.upstreams, [&](const Upstream& upstream) { return is_reached_at(upstream, listener); }))
                fault("smtp.upstream", fmt::format("{} is a listener of ours: mail would come back for ever", listener.to_string()));
    if (smtp.bare_newline == BareNewline::normalize && smtp.bare_newline_clients.empty())
        fault("smtp.bare_newline", "\"normalize\" has no effect: smtp.bare_newline_clients names nobody", Diagnostic::Severity::warning);
    if (smtp.bare_newline == BareNewline::reject && !smtp.bare_newline_clients.empty())
        fault("smtp.bare_newline_clients", "these have no effect: smtp.bare_newline is \"reject\"", Diagnostic::Severity::warning);
}

}  // namespace sluice::app
