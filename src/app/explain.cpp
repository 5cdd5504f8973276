// SPDX-License-Identifier: Apache-2.0
// `sluice explain`: a request that never happens is judged phase by phase, by the same policy as a real one.
#include "app/explainer.h"

#include "app/commands.h"
#include "base/text.h"
#include "policy/countries.h"
#include "policy/protect_host.h"
#include "policy/registered_domain.h"
#include "sessions/http/ports.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <ctime>
#include <filesystem>
#include <ostream>
#include <tuple>
#include <utility>

namespace sluice::app {

namespace json = boost::json;
using policy::Action;
using policy::Facts;
using policy::Field;
using policy::Phase;
using policy::Protocol;
using policy::RuleTrace;

bool Explainer::read_options() {
    const auto complain = [&](std::string message) {
        err_ << "sluice: " << message << "\n";
        return false;
    };
    const auto client = IpAddress::parse(options_.client);
    if (!client) return complain(fmt::format("--client: \"{}\" is not an address", options_.client));
    client_ = client->unmapped();
    for (const std::string& text : options_.server_ips) {
        const auto address = IpAddress::parse(text);
        if (!address) return complain(fmt::format("--server-ip: \"{}\" is not an address", text));
        servers_.push_back(address->unmapped());
    }
    for (const std::string& header : options_.headers) {
        const std::size_t colon = header.find(':');
        if (colon == std::string::npos || colon == 0) return complain(fmt::format("--header: \"{}\" is not 'name: value'", header));
        headers_.push_back({std::string_view(header).substr(0, colon), trim(std::string_view(header).substr(colon + 1))});
    }
    if (!options_.file.empty() && !read_file_options()) return complain(fmt::format("--file: {} cannot be read", options_.file));
    if (equals_ignoring_case(std::string_view(options_.url).substr(0, 7), "mailto:")) return read_mail_options();
    if (const auto parsed = parse_url(options_.url, url_); !parsed)
        return complain(fmt::format("\"{}\" is not an http:, https: or ftp: URL: {}", options_.url, parsed.error().what));
    if (url_.authority.address && servers_.empty()) servers_.push_back(url_.authority.address->unmapped());
    full_ = url_.canonical();
    return true;
}

// Its name and size are what it has without being looked into.
bool Explainer::read_file_options() {
    std::error_code error;
    const std::filesystem::path file(options_.file);
    const auto size = std::filesystem::file_size(file, error);
    if (error) return false;
    file_size_ = static_cast<std::int64_t>(size);
    file_name_ = file.filename().string();
    file_extension_ = lower(file.extension().string());
    if (!file_extension_.empty()) file_extension_.erase(0, 1);
    err_ << "sluice: --file: its name and size are judged; it is not scanned here\n";
    return true;
}

void Explainer::set_file_facts(Facts& facts) const {
    if (options_.file.empty()) return;
    facts.set(Field::file_name, std::string_view(file_name_));
    if (!file_extension_.empty()) facts.set(Field::file_extension, std::string_view(file_extension_));
    facts.set(Field::file_size, file_size_);
}

void Explainer::clear_file_facts(Facts& facts) {
    for (const Field field : {Field::file_name, Field::file_extension, Field::file_size}) facts.clear(field);
}

// A payload that nobody looks into: what rules say as long as its bytes are not known. `has_file`: it is --file's. False: it ends there.
bool Explainer::payload(Protocol protocol, Facts& facts, std::string_view direction, bool has_file) {
    facts.set(Field::payload_direction, direction);
    if (has_file) set_file_facts(facts);
    for (const Phase phase : {Phase::payload, Phase::verdict})
        if (policy().has_rules(phase, protocol) &&
            !judge(phase, protocol, facts, fmt::format("{} ({})", policy::to_string(phase), direction)))
            return false;
    clear_file_facts(facts);
    return true;
}

void Explainer::set_common_facts(Facts& facts, const std::vector<IpPort>& listeners) {
    facts.set(Field::client_ip, client_);
    set_country(facts, Field::client_country, client_);
    if (!options_.user.empty()) facts.set(Field::user_name, std::string_view(options_.user));
    facts.set(Field::network_transport, std::string_view("tcp"));
    if (!listeners.empty()) {
        texts_.push_back(listeners.front().to_string());
        facts.set(Field::listener, std::string_view(texts_.back()));
    }
    policy::Scratch scratch;
    policy().set_time(facts, scratch, std::time(nullptr));
}

void Explainer::set_server_facts(Facts& facts) {
    facts.set(Field::url_domain, std::string_view(url_.authority.host));
    facts.set(Field::server_address, std::string_view(url_.authority.host));
    facts.set(Field::url_port, url_.port);
    facts.set(Field::server_port, url_.port);
    if (const auto registered = policy::registered_domain(url_.authority.host); !registered.empty())
        facts.set(Field::url_registered_domain, registered);
}

bool Explainer::is_client() {
    if (std::ranges::any_of(loaded_.config.http.clients, [&](const IpNetwork& network) { return network.contains(client_); })) return true;
    refuse_by_setting("http.clients", fmt::format("{} is not a client that is served", client_.to_string()));
    return false;
}

void Explainer::set_country(Facts& facts, Field field, const IpAddress& address) const {
    const auto& countries = loaded_.config.geo.countries;
    const std::string_view country = countries ? countries->of(address) : std::string_view();
    if (country.empty()) facts.clear(field);
    else facts.set(field, country);
}

bool Explainer::judge(Phase phase, Protocol protocol, Facts& facts, std::string title) {
    if (trusted_) return true;
    Step step{std::move(title), policy().trace(phase, protocol, facts), ""};
    const RuleTrace* decided = nullptr;
    for (const RuleTrace& trace : step.rules)
        if (trace.outcome == RuleTrace::Outcome::decided) decided = &trace;
    steps_.push_back(std::move(step));
    if (decided == nullptr || decided->rule->action == Action::limit) return true;
    const policy::Rule& rule = *decided->rule;
    if (rule.action == Action::trust) trusted_ = true;
    if (rule.action == Action::intercept || rule.action == Action::tunnel) {
        if (!plan_) plan_ = rule.action;
        return true;
    }
    // Of several that let it through the first is what a person asks about; one that does not ends the walk.
    const bool goes_on = rule.action == Action::allow || rule.action == Action::trust;
    allowed_ = allowed_ || (goes_on && phase <= Phase::request);
    const bool is_builtin = rule.place.file.empty();
    if (!goes_on || !verdict_)
        verdict_ = Verdict{std::string(policy::to_string(rule.action)),
                           is_builtin ? "builtin" : "rule",
                           rule.name,
                           std::string(policy::to_string(phase)),
                           rule.reason,
                           rule.place};
    return goes_on;
}

void Explainer::refuse_by_setting(std::string key, std::string reason) {
    verdict_ = Verdict{"refused", "setting", std::move(key), "", std::move(reason), {}};
}

void Explainer::apply_default() {
    if (allowed_ || trusted_ || policy().default_action() == Action::allow) return;
    verdict_ = Verdict{std::string(policy::to_string(policy().default_action())), "default", "", "request", "", {}};
}

void Explainer::dial(Protocol protocol, Facts& facts) {
    if (servers_.empty()) {
        Step step{"dial", {}, "the server's addresses are not known: name them with --server-ip"};
        if (!trusted_ && policy().has_rules(Phase::dial, protocol)) step.rules = policy().trace(Phase::dial, protocol, facts);
        steps_.push_back(std::move(step));
        return;
    }
    const policy::ProtectHost protect({policy::interface_addresses(), own_listeners(loaded_.config)});
    const bool is_from_configuration =
        protocol == Protocol::smtp || (protocol == Protocol::ftp && !loaded_.config.ftp.upstream.host.empty());
    std::size_t refused = 0;
    std::optional<Verdict> why;
    const std::optional<Verdict> before = verdict_;
    for (const IpAddress& server : servers_) {
        const std::string title = "dial " + server.to_string();
        if (policy().protect_host() && !is_from_configuration) {
            if (const auto reason = protect.refuses(client_, {server, url_.port})) {
                steps_.push_back({title, {}, fmt::format("protect-host refuses it: {}", *reason)});
                why = Verdict{"block", "builtin", "protect-host", "dial", std::string(*reason), {}};
                ++refused;
                continue;
            }
        }
        facts.set(Field::server_ip, server);
        set_country(facts, Field::server_country, server);
        if (!judge(Phase::dial, protocol, facts, title)) {
            why = verdict_;
            verdict_ = before;
            ++refused;
        }
    }
    if (refused == servers_.size()) verdict_ = why;        // addresses that are refused are not tried; with none left, the request is
}

void Explainer::explain_http() {
    Facts facts;
    const HttpConfig& http = loaded_.config.http;
    set_common_facts(facts, http.listen);
    facts.set(Field::network_protocol, std::string_view("http"));
    if (!is_client()) return;
    if (!judge(Phase::connect, Protocol::http, facts, "connect")) return;

    // What is encrypted begins with a CONNECT, with no more than the name and the port, and a ClientHello; what is decrypted goes on as a request.
    const bool tunnel = url_.scheme == "https" || options_.method == "CONNECT";
    facts.set(Field::request_method, tunnel ? std::string_view("CONNECT") : std::string_view(options_.method));
    facts.set(Field::http_version, std::string_view("1.1"));
    set_server_facts(facts);
    if (tunnel) {
        texts_.push_back({});
        url_.authority.append_to(texts_.back(), url_.port);
        facts.set(Field::url_full, std::string_view(texts_.back()));
    } else {
        facts.set(Field::url_scheme, std::string_view(url_.scheme));
        facts.set(Field::url_path, std::string_view(url_.path));
        if (url_.has_query) facts.set(Field::url_query, std::string_view(url_.query));
        if (!url_.extension().empty()) facts.set(Field::url_extension, url_.extension());
        facts.set(Field::url_full, std::string_view(full_));
    }
    for (const NameValue& header : headers_) {
        if (equals_ignoring_case(header.name, "user-agent")) facts.set(Field::user_agent, header.value);
        if (equals_ignoring_case(header.name, "referer")) facts.set(Field::request_referrer, header.value);
        if (equals_ignoring_case(header.name, "content-type")) {
            texts_.push_back(lower(trim(header.value.substr(0, header.value.find(';')))));
            facts.set(Field::request_content_type, std::string_view(texts_.back()));
        }
        if (equals_ignoring_case(header.name, "content-length"))
            if (const auto length = parse_decimal<std::int64_t>(header.value)) facts.set(Field::request_content_length, *length);
    }
    facts.set_headers(Field::request_header, headers_);

    if (tunnel && !judge(Phase::connect, Protocol::http, facts, "connect (CONNECT)")) return;
    if (!judge(Phase::request, Protocol::http, facts, "request")) return;
    apply_default();
    if (verdict_ && verdict_->by == "default") return;
    if (tunnel && std::ranges::none_of(http.connect_ports, [&](const PortRange& r) { return r.first <= url_.port && url_.port <= r.last; }))
        return refuse_by_setting("http.connect_ports", fmt::format("port {} is not among them", url_.port));
    if (!tunnel && http::is_bad_port(url_.port))
        return refuse_by_setting("", fmt::format("port {} belongs to another protocol (Fetch standard, bad ports)", url_.port));
    dial(Protocol::http, facts);
    if (is_refused()) return;
    if (tunnel) {
        facts.set(Field::tls_server_name, std::string_view(url_.authority.host));
        if (policy().has_rules(Phase::tls, Protocol::http) && !judge(Phase::tls, Protocol::http, facts, "tls")) return;
        if (!plan_) plan_ = loaded_.config.tls.intercept ? Action::intercept : Action::tunnel;
        const bool decrypts = loaded_.tls.trust && !trusted_ && *plan_ == Action::intercept;
        if (!decrypts || url_.scheme != "https") return;
        explain_inside(facts);
        return;
    }
    explain_payloads(facts);
}

void Explainer::explain_payloads(Facts& facts) {
    const bool uploads = options_.method == "POST" || options_.method == "PUT" || options_.method == "PATCH";
    if (uploads && !payload(Protocol::http, facts, "upload", true)) return;
    if (policy().has_rules(Phase::response, Protocol::http) && !judge(Phase::response, Protocol::http, facts, "response")) return;
    payload(Protocol::http, facts, "download", !uploads);
}

// The request, as it is once TLS is decrypted.
void Explainer::explain_inside(Facts& facts) {
    facts.set(Field::request_method, std::string_view(options_.method));
    facts.set(Field::url_scheme, std::string_view(url_.scheme));
    facts.set(Field::url_path, std::string_view(url_.path));
    if (url_.has_query) facts.set(Field::url_query, std::string_view(url_.query));
    if (!url_.extension().empty()) facts.set(Field::url_extension, url_.extension());
    facts.set(Field::url_full, std::string_view(full_));
    if (!judge(Phase::request, Protocol::http, facts, "request (decrypted)")) return;
    apply_default();
    if (verdict_ && verdict_->by == "default") return;
    explain_payloads(facts);
}

// As a session walks: who comes in, whom USER names, the server's addresses, the login, and a command with its file.
void Explainer::explain_ftp() {
    Facts facts;
    const FtpConfig& ftp = loaded_.config.ftp;
    if (!ftp.is_on()) err_ << "sluice: ftp.listen is empty: no FTP client is served\n";
    set_common_facts(facts, ftp.listen.empty() ? ftp.implicit_tls : ftp.listen);
    facts.set(Field::network_protocol, std::string_view("ftp"));
    if (!is_client()) return;
    if (!judge(Phase::connect, Protocol::ftp, facts, "connect")) return;

    const bool is_fixed = !ftp.upstream.host.empty();
    if (is_fixed) {
        err_ << fmt::format("sluice: the server is ftp.upstream, {}, whatever the URL says\n", ftp.upstream.host);
        url_.authority = upstream_authority(ftp);
        url_.port = ftp.upstream.port;
        full_ = url_.canonical();
        if (url_.authority.address) servers_ = {url_.authority.address->unmapped()};
    } else if (std::ranges::none_of(ftp.ports, [&](const PortRange& r) { return r.first <= url_.port && url_.port <= r.last; })) {
        return refuse_by_setting("ftp.ports", fmt::format("port {} is not among them", url_.port));
    }
    set_server_facts(facts);
    if (!judge(Phase::connect, Protocol::ftp, facts, "connect (USER)")) return;
    dial(Protocol::ftp, facts);
    if (is_refused()) return;

    const auto let_in = std::pair(verdict_, allowed_);  // what a rule says of the login is not about the file
    facts.set(Field::url_scheme, std::string_view("ftp"));
    if (!explain_command(facts, "PASS")) return;
    std::tie(verdict_, allowed_) = let_in;

    const std::string_view method = options_.method;
    const std::string_view command = method == "GET" ? "RETR" : method == "PUT" ? "STOR" : method;
    facts.set(Field::ftp_argument, std::string_view(url_.path));
    facts.set(Field::url_path, std::string_view(url_.path));
    facts.set(Field::url_full, std::string_view(full_));
    if (!url_.extension().empty()) facts.set(Field::url_extension, url_.extension());
    if (!explain_command(facts, command)) return;
    if (policy().has_rules(Phase::response, Protocol::ftp) && !judge(Phase::response, Protocol::ftp, facts, "response")) return;
    if (command == "RETR") payload(Protocol::ftp, facts, "download", true);
    if (command == "STOR" || command == "STOU" || command == "APPE") payload(Protocol::ftp, facts, "upload", true);
}

bool Explainer::explain_command(Facts& facts, std::string_view command) {
    facts.set(Field::ftp_command, command);
    if (!judge(Phase::request, Protocol::ftp, facts, fmt::format("request ({})", command))) return false;
    apply_default();
    return !is_refused();
}

bool Explainer::run() {
    if (!read_options()) return false;
    if (!recipients_.empty()) explain_mail();
    else if (url_.scheme == "ftp") explain_ftp();
    else explain_http();
    if (!verdict_) verdict_ = Verdict{std::string(policy::to_string(policy().default_action())), "default", "", "request", "", {}};
    return true;
}

void Explainer::print_text(std::ostream& out) const {
    std::size_t width = 0;
    for (const Step& step : steps_)
        for (const RuleTrace& trace : step.rules) width = std::max(width, trace.rule->name.size());
    for (const Step& step : steps_) {
        out << step.title << "\n";
        if (!step.note.empty()) out << "  " << step.note << "\n";
        for (const RuleTrace& trace : step.rules) {
            out << fmt::format("  {:<{}}  {:<12}  {}", trace.rule->name, width, policy::to_string(trace.rule->action),
                               policy::to_string(trace.outcome));
            if (!trace.missing.empty()) out << fmt::format(" ({} is not known)", trace.missing);
            out << "\n";
        }
    }
    out << "decision: " << verdict_->action;
    if (verdict_->by == "rule")
        out << fmt::format(", by rule \"{}\" in phase {}, {}:{}", verdict_->name, verdict_->phase, verdict_->place.file,
                           verdict_->place.line);
    else if (verdict_->by == "default") out << ", by [policy] default";
    else if (!verdict_->name.empty()) out << fmt::format(", by {}", verdict_->name);
    if (!verdict_->reason.empty()) out << ": " << verdict_->reason;
    out << "\n";
}

void Explainer::print_json(std::ostream& out) const {
    json::array phases;
    for (const Step& step : steps_) {
        json::array rules;
        for (const RuleTrace& trace : step.rules) {
            json::object rule{{"name", trace.rule->name},
                              {"action", std::string(policy::to_string(trace.rule->action))},
                              {"outcome", std::string(policy::to_string(trace.outcome))}};
            if (!trace.missing.empty()) rule["missing"] = std::string(trace.missing);
            rules.push_back(std::move(rule));
        }
        json::object phase{{"phase", step.title}, {"rules", std::move(rules)}};
        if (!step.note.empty()) phase["note"] = step.note;
        phases.push_back(std::move(phase));
    }
    json::object decision{{"action", verdict_->action}, {"by", verdict_->by}};
    if (!verdict_->name.empty()) decision[verdict_->by == "rule" ? "rule" : "name"] = verdict_->name;
    if (!verdict_->phase.empty()) decision["phase"] = verdict_->phase;
    if (!verdict_->reason.empty()) decision["reason"] = verdict_->reason;
    if (!verdict_->place.file.empty()) decision["place"] = fmt::format("{}:{}", verdict_->place.file, verdict_->place.line);
    out << json::serialize(json::object{{"url", recipients_.empty() ? full_ : options_.url},
                                        {"client", client_.to_string()},
                                        {"method", options_.method},
                                        {"phases", std::move(phases)},
                                        {"decision", std::move(decision)}})
        << "\n";
}

int run_explain(const CommandLine& line, std::ostream& out, std::ostream& err) {
    const Loaded loaded = load(line.config, nullptr);
    err << to_string(loaded.faults);
    if (!loaded.is_usable()) return exit_fault;
    Explainer explainer(loaded, line.explain, err);
    if (!explainer.run()) return exit_usage;
    if (line.json) explainer.print_json(out);
    else explainer.print_text(out);
    return exit_good;
}

}  // namespace sluice::app
