// SPDX-License-Identifier: Apache-2.0
#include "app/interception.h"

#include "app/authority.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace sluice::app {

namespace {

using Fault = std::function<void(std::string)>;

// What a protocol that begins in the clear says of TLS; its section is named as it is.
struct Wanted {
    std::string protocol;
    bool is_on;
    bool has_implicit;  // listeners that start in TLS, whatever is offered on others
    ClientTls client_tls;
    bool speaks_to_servers;  // in TLS
};

// What the protocol's clients are offered, and by whom its servers are believed. ALPN has no word that these servers know, so none is offered.
void load_gateway(const Config& config, const Wanted& wanted, std::shared_ptr<const net::tls::Acceptor>& own,
                  std::shared_ptr<const net::tls::Trust>& trust, const Fault& fault) {
    if (!wanted.is_on) return;
    const bool has_identity = !config.tls.certificate.empty() || has_authority(config);
    if (!has_identity && wanted.has_implicit)
        return fault(wanted.protocol + ".implicit_tls: needs tls.certificate and tls.key, or a CA (`sluice ca init`)");
    if (!has_identity && wanted.client_tls == ClientTls::require)
        return fault(wanted.protocol +
                     ".client_tls: TLS cannot be required without tls.certificate and tls.key, or a CA (`sluice ca init`)");
    if (has_identity && (wanted.client_tls != ClientTls::off || wanted.has_implicit)) {
        auto made = net::tls::Acceptor::make(
            {.protocol = wanted.protocol, .certificate = config.tls.certificate, .key = config.tls.key, .client_roots = {}});
        if (!made) return fault("tls: " + made.error());
        own = std::move(*made);
    }
    if (!wanted.speaks_to_servers) return;
    auto loaded =
        net::tls::Trust::load({.extra_roots = config.tls.upstream_ca, .certificates = config.tls.client_certificates, .protocol = ""});
    if (!loaded) return fault("tls: " + loaded.error());
    trust = std::move(*loaded);
}

Wanted wanted_of(const FtpConfig& ftp) {
    return {"ftp", ftp.is_on(), !ftp.implicit_tls.empty(), ftp.client_tls, ftp.upstream_tls != UpstreamTls::off};
}

Wanted wanted_of(const SmtpConfig& smtp) {
    const bool has_smtps = std::ranges::find(smtp.upstreams, UpstreamKind::smtps, &SmtpConfig::Upstream::kind) != smtp.upstreams.end();
    return {"smtp", smtp.is_on(), !smtp.implicit_tls.empty(), smtp.client_tls, smtp.upstream_tls != UpstreamTls::off || has_smtps};
}

bool must_have_identity(const Wanted& wanted) { return wanted.is_on && (wanted.has_implicit || wanted.client_tls == ClientTls::require); }

}  // namespace

bool needs_authority(const Config& config, const Tls& tls) {
    const bool gateway_does = must_have_identity(wanted_of(config.ftp)) || must_have_identity(wanted_of(config.smtp));
    return tls.trust || ((tls.own || gateway_does) && config.tls.certificate.empty());
}

Tls load_tls(const Config& config, const policy::Policy& policy, Diagnostics& faults) {
    Tls tls;
    const auto fault = [&](std::string message) {
        const std::string file = config.files.empty() ? std::string() : config.files.front().string();
        faults.push_back({Place{file, 0, 0}, std::move(message), "", Diagnostic::Severity::error});
        return Tls();
    };
    if (!config.http.tls_listen.empty()) {
        net::tls::Acceptor::Options options;
        options.certificate = config.tls.certificate;
        options.key = config.tls.key;
        options.client_roots = config.tls.client_ca;
        if (options.certificate.empty() && !has_authority(config))
            return fault("http.listen: https:// needs tls.certificate and tls.key, or a CA (`sluice ca init`)");
        auto own = net::tls::Acceptor::make(options);
        if (!own) return fault("tls: " + own.error());
        tls.own = std::move(*own);
    }
    load_gateway(config, wanted_of(config.ftp), tls.ftp_own, tls.ftp_trust, fault);
    load_gateway(config, wanted_of(config.smtp), tls.smtp_own, tls.smtp_trust, fault);
    const auto rule = std::ranges::find(policy.all_rules(), policy::Action::intercept, &policy::Rule::action);
    if (!config.tls.intercept && rule == policy.all_rules().end()) return tls;
    if (!has_authority(config))
        return fault(fmt::format("{}: there is no CA in {}: `sluice ca init` makes one",
                                 config.tls.intercept ? std::string("tls.intercept") : fmt::format("rule `{}`", rule->name),
                                 config.tls.ca_dir.string()));
    if (const auto certificate = load_authority_certificate(config); !certificate) return fault("tls.ca_dir: " + certificate.error());
    auto trust = net::tls::Trust::load({.extra_roots = config.tls.upstream_ca, .certificates = config.tls.client_certificates});
    if (!trust) return fault("tls: " + trust.error());
    tls.trust = std::move(*trust);
    return tls;
}

std::expected<std::unique_ptr<http::Interception>, std::string> open_interception(const Config& config) {
    const auto certificate = load_authority_certificate(config);
    if (!certificate) return std::unexpected("tls.ca_dir: " + certificate.error());
    auto signer = start_signer(config);
    if (!signer) return std::unexpected("tls.ca_dir: " + signer.error());
    auto leaves = net::ca::LeafMaker::start(std::move(*signer));
    if (!leaves) return std::unexpected(std::string(leaves.error().what));
    auto acceptor = net::tls::Acceptor::make({});
    if (!acceptor) return std::unexpected(acceptor.error());
    auto interception = std::make_unique<http::Interception>();
    interception->leaves = std::move(*leaves);
    interception->acceptor = std::move(*acceptor);
    interception->certificate_pem = net::ca::to_pem(**certificate);
    interception->certificate_der = net::ca::to_der(**certificate);
    interception->fingerprint = net::ca::fingerprint(**certificate);
    return interception;
}

}  // namespace sluice::app
