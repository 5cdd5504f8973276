// SPDX-License-Identifier: Apache-2.0
// What the rules see, phase by phase, and what they say.
#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"
#include "policy/registered_domain.h"
#include "policy/users.h"
#include "sessions/http/exchange.h"
#include "sessions/http/service.h"
#include "sessions/http/session.h"

namespace sluice::http {
namespace {

// The type alone, lower case, without parameters (RFC 9110 8.3.1).
void assign_mime_type(std::string& out, std::string_view content_type) {
    out.assign(trim(content_type.substr(0, content_type.find(';'))));
    for (char& c : out) c = to_lower(c);
}

}  // namespace

using http1::KnownField;
using policy::Action;
using policy::Field;
using policy::Phase;
using policy::Protocol;

void Exchange::fill_client_facts(policy::Facts& facts, const Generation& generation) const {
    const policy::Policy& policy = *generation.policy;
    facts.set(Field::client_ip, session_->peer().address);
    facts.set(Field::client_port, session_->peer().port);
    facts.set(Field::listener, session_->listener());
    facts.set(Field::network_protocol, std::string_view("http"));
    facts.set(Field::network_transport, std::string_view("tcp"));
    if (policy.reads(Field::client_country))
        if (const std::string_view country = generation.settings->country_of(session_->peer().address); !country.empty())
            facts.set(Field::client_country, country);
    policy.set_time(facts, service_->scratch(), service_->unix_ns(start_ns_) / 1'000'000'000);
    if (!session_->user().empty()) facts.set(Field::user_name, std::string_view(session_->user()));
    if (!session_->client_issuer().empty()) facts.set(Field::tls_client_issuer, session_->client_issuer());
}

void Exchange::fill_request_facts() {
    const policy::Policy& policy = *generation_->policy;
    if (const auto type = head_.fields.find(KnownField::content_type)) assign_mime_type(request_type_, *type);
    constexpr std::array phases{Phase::connect, Phase::tls, Phase::request, Phase::dial, Phase::response, Phase::payload, Phase::verdict};
    if (std::ranges::none_of(phases, [&](Phase phase) { return policy.has_own_rules(phase, Protocol::http); })) return;
    fill_request_facts(facts_, policy);
}

void Exchange::fill_request_facts(policy::Facts& facts, const policy::Policy& policy) {
    facts.set(Field::request_method, head_.method);
    facts.set(Field::http_version, http1::to_string(head_.version));
    facts.set(Field::url_domain, std::string_view(url_.authority.host));
    facts.set(Field::server_address, std::string_view(url_.authority.host));
    facts.set(Field::url_port, url_.port);
    facts.set(Field::server_port, url_.port);
    if (policy.reads(Field::url_registered_domain))
        if (const std::string_view registered = policy::registered_domain(url_.authority.host); !registered.empty())
            facts.set(Field::url_registered_domain, registered);
    if (!is_connect()) {
        facts.set(Field::url_scheme, std::string_view(url_.scheme));
        facts.set(Field::url_path, std::string_view(url_.path));
        if (url_.has_query) facts.set(Field::url_query, std::string_view(url_.query));
        if (!extension_.empty()) facts.set(Field::url_extension, std::string_view(extension_));
        if (policy.reads(Field::url_full)) {
            full_url_.clear();
            url_.append_canonical(full_url_);
            facts.set(Field::url_full, std::string_view(full_url_));
        }
    } else if (policy.reads(Field::url_full)) {
        facts.set(Field::url_full, std::string_view(host_key_));
    }
    if (const auto agent = head_.fields.find(KnownField::user_agent)) facts.set(Field::user_agent, *agent);
    if (const auto referrer = head_.fields.find(KnownField::referer)) facts.set(Field::request_referrer, *referrer);
    fill_tls_facts(facts);
    if (!request_type_.empty()) facts.set(Field::request_content_type, std::string_view(request_type_));
    if (head_.body.kind == http1::Framing::Kind::length) facts.set(Field::request_content_length, head_.body.length);
    facts.set_headers(Field::request_header, head_.fields.all());
}

void Exchange::set_server(policy::Facts& facts, const IpAddress& address, const Generation& generation) {
    facts.set(Field::server_ip, address);
    if (!generation.policy->reads(Field::server_country)) return;
    const std::string_view country = generation.settings->country_of(address);
    if (country.empty()) facts.clear(Field::server_country);
    else facts.set(Field::server_country, country);
}

void Exchange::fill_response_facts() {
    if (const auto type = response_.fields.find(KnownField::content_type)) {
        assign_mime_type(response_type_, *type);
        facts_.set(Field::response_content_type, std::string_view(response_type_));
    }
    facts_.set(Field::response_status_code, response_.status);
    if (response_.content_length) facts_.set(Field::response_content_length, *response_.content_length);
    facts_.set_headers(Field::response_header, response_.fields.all());
}

policy::Decision Exchange::evaluate(Phase phase, std::uint32_t from) {
    return generation_->policy->evaluate(phase, Protocol::http, facts_, service_->scratch(), effects_, service_->rate_limits(),
                                         Service::now_ns(), from);
}

// `connect` as it is at accept: once a connection, and again only where the policy has changed since. What its rules did to headers and
// tags holds for every request of the connection.
Exchange::Refused Exchange::judge_accept() {
    if (trusted_) return std::nullopt;
    Session::AtAccept& at_accept = session_->at_accept();
    if (!generation_->policy->has_rules(Phase::connect, Protocol::http)) return std::nullopt;
    if (at_accept.generation != generation_) {
        policy::Facts facts;
        fill_client_facts(facts, *generation_);
        at_accept = {};
        at_accept.generation = generation_;
        // Never `authenticate` nor `redirect`: those rules wait until there is a request.
        at_accept.decision = generation_->policy->evaluate(Phase::connect, Protocol::http, facts, service_->scratch(), at_accept.effects,
                                                           service_->rate_limits(), Service::now_ns());
        at_accept.tags.assign(facts.tags().begin(), facts.tags().end());
        for (const policy::Rule* rule : at_accept.effects.tags) count_rule(*rule);
        for (const policy::Rule* rule : at_accept.effects.shadows) count_rule(*rule);
    }
    for (const std::string_view tag : at_accept.tags) facts_.add_tag(tag);
    effects_ = at_accept.effects;
    counted_tags_ = effects_.tags.size();
    counted_shadows_ = effects_.shadows.size();
    Refused refused = settle(at_accept.decision, Phase::connect);
    if (refused) {
        refused->close = true;  // it was judged once for the whole connection: the next one is judged anew
        service_->metrics().refused(audit::Refusal::policy);
    }
    return refused;
}

net::Task<Exchange::Refused> Exchange::judge(Phase phase) {
    if (trusted_) co_return std::nullopt;
    if (generation_->policy->has_rules(phase, Protocol::http)) {
        policy::Decision decision = evaluate(phase);
        // Whether TLS is decrypted is asked for a CONNECT alone.
        const auto is_beside_the_point = [&] {
            return !is_connect() && (decision.action == Action::intercept || decision.action == Action::tunnel);
        };
        while (decision.action == Action::authenticate || is_beside_the_point()) {
            if (decision.action == Action::authenticate)
                if (const Refused refused = co_await authenticate(decision)) co_return refused;
            decision = evaluate(phase, decision.next);
        }
        if (Refused refused = settle(decision, phase)) co_return refused;
        if (trusted_ || decision.action == Action::allow) co_return std::nullopt;
    }
    if (phase == Phase::request && !allowed_ && generation_->policy->default_action() == Action::block) co_return refused_by_default();
    co_return std::nullopt;
}

// nullopt: the request goes on.
Exchange::Refused Exchange::settle(const policy::Decision& decision, Phase phase) {
    if (decision.action == Action::none) return std::nullopt;
    if (decision.rule) {
        count_rule(*decision.rule);
        rule_ = decision.rule->name;
    }
    switch (decision.action) {
        case Action::trust:                              // of the rules and the engines; who the server is, is another question
            trusted_ = true;
            excuses_server_ = excuses_server_ || decision.rule->reads_verification;
            return std::nullopt;
        case Action::allow:
            allowed_ = allowed_ || phase <= Phase::request;
            excuses_server_ = excuses_server_ || decision.rule->reads_verification;
            return std::nullopt;
        case Action::intercept:
        case Action::tunnel:                             // the earliest phase says which
            if (plan_ == TlsPlan::none) plan_ = decision.action == Action::tunnel ? TlsPlan::tunnel : TlsPlan::intercept;
            return std::nullopt;
        default: return refusal_of(decision, head_.method);
    }
}

void Exchange::count_rule(const policy::Rule& rule) {
    const auto index = static_cast<std::size_t>(&rule - generation_->policy->all_rules().data());
    if (index < generation_->rule_slots.size()) service_->metrics().rule_matched(generation_->rule_slots[index]);
}

// `protect-host` and the rules of phase `dial`, for one address: what they say holds for that address alone. Why not is kept in dial_refusal_.
std::optional<Exchange::Candidate> Exchange::may_dial(const IpPort& address) {
    const Settings& settings = *generation_->settings;
    if (settings.protect_host) {
        if (const auto why = settings.protect_host->refuses(session_->peer().address, address)) {
            Refusal refusal = refused(403, "destination_ip_prohibited", "This proxy does not connect to that address.");
            refusal.action = audit::Action::blocked;
            refusal.rule = "protect-host";
            refusal.reason = *why;
            dial_refusal_ = refusal;
            dial_refusal_effects_ = {};
            return std::nullopt;
        }
    }
    if (trusted_ || !generation_->policy->has_rules(Phase::dial, Protocol::http)) return Candidate{.address = address};
    forget_dial_effects();
    const std::size_t asked_before = effects_.tokens.size();
    set_server(facts_, address.address, *generation_);
    const policy::Decision decision = evaluate(Phase::dial);
    facts_.clear(Field::server_ip);
    facts_.clear(Field::server_country);

    DialEffects effects;
    const auto beyond = [](const auto& all, std::size_t first) { return std::span(all).subspan(first); };
    const auto edits = beyond(effects_.header_edits, before_dial_->edits);
    const auto tag_rules = beyond(effects_.tags, before_dial_->tag_rules);
    const auto shadows = beyond(effects_.shadows, before_dial_->shadows);
    const auto tags = beyond(facts_.tags(), before_dial_->tags);
    const auto tokens = beyond(effects_.tokens, asked_before);
    const auto inspections = beyond(effects_.inspections, before_dial_->inspections);
    effects.rules.header_edits.assign(edits.begin(), edits.end());
    effects.rules.tags.assign(tag_rules.begin(), tag_rules.end());
    effects.rules.shadows.assign(shadows.begin(), shadows.end());
    effects.rules.tokens.assign(tokens.begin(), tokens.end());
    effects.rules.inspections.assign(inspections.begin(), inspections.end());
    effects.tags.assign(tags.begin(), tags.end());
    forget_dial_effects();
    if (decision.action == Action::none || decision.action == Action::allow || decision.action == Action::trust)
        return Candidate{address, decision.action == Action::trust, decision.rule, std::move(effects)};
    if (decision.rule) count_rule(*decision.rule);
    dial_refusal_ = refusal_of(decision, head_.method);
    dial_refusal_effects_ = std::move(effects);
    return std::nullopt;
}

// Each address is judged as if it were the only one. Tokens stay: those of a request that comes to nothing are spent.
void Exchange::forget_dial_effects() {
    if (!before_dial_) {
        before_dial_ = {effects_.header_edits.size(),
                        effects_.shadows.size(),
                        effects_.tags.size(),
                        facts_.tags().size(),
                        effects_.tokens.size(),
                        effects_.inspections.size(),
                        trusted_,
                        rule_};
        return;
    }
    effects_.header_edits.resize(before_dial_->edits);
    effects_.shadows.resize(before_dial_->shadows);
    effects_.tags.resize(before_dial_->tag_rules);
    effects_.inspections.resize(before_dial_->inspections);
    facts_.keep_tags(before_dial_->tags);
    trusted_ = before_dial_->trusted;
    rule_ = before_dial_->rule;
}

void Exchange::keep_dial_effects(const DialEffects& effects) {
    if (!before_dial_) return;
    forget_dial_effects();
    const auto append = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
    append(effects_.header_edits, effects.rules.header_edits);
    append(effects_.shadows, effects.rules.shadows);
    append(effects_.tags, effects.rules.tags);
    append(effects_.inspections, effects.rules.inspections);
    for (const std::string_view tag : effects.tags) facts_.add_tag(tag);
}

// What was taken for addresses that are not connected to goes back, unless this one wanted it as well.
void Exchange::settle_tokens(const Candidate& candidate) {
    if (!before_dial_) return;
    auto& tokens = effects_.tokens;
    std::size_t kept = before_dial_->tokens;
    for (std::size_t i = kept; i < tokens.size(); ++i) {
        if (!tokens[i].taken) continue;
        const auto wanted = [&](const policy::RateLimits::Token& asked) { return asked.is_of_bucket_of(tokens[i]); };
        if (std::ranges::any_of(candidate.effects.rules.tokens, wanted)) tokens[kept++] = tokens[i];
        else service_->rate_limits().give_back(tokens[i]);
    }
    tokens.resize(kept);
}

void Exchange::take_candidate(const Candidate& candidate) {
    keep_dial_effects(candidate.effects);
    settle_tokens(candidate);
    trusted_ = trusted_ || candidate.trusted;
    if (candidate.rule) {
        rule_ = candidate.rule->name;
        count_rule(*candidate.rule);
    }
    set_server(facts_, candidate.address.address, *generation_);
}

net::Task<Exchange::Refused> Exchange::authenticate(const policy::Decision& decision) {
    if (!session_->user().empty() && decision.rule->users->has(session_->user())) {  // the CONNECT around this request proved it
        user_ = session_->user();
        facts_.set(Field::user_name, std::string_view(user_));
        co_return std::nullopt;
    }
    const Refusal refusal = refusal_of(decision, head_.method);
    const auto value = head_.fields.find(KnownField::proxy_authorization);
    if (!value || head_.fields.count(KnownField::proxy_authorization) != 1) co_return refusal;
    const auto credentials = parse_basic(*value);
    if (!credentials) co_return refusal;

    const auto& users = decision.rule->users;
    if (!service_->credentials().knows(*users, *credentials, start_ns_)) {
        policy::RateLimit attempts;
        attempts.rate = attempts.burst = static_cast<std::int64_t>(limits().password_attempts);
        attempts.period_ns = 60'000'000'000;
        attempts.per = {{Field::client_ip, {}}};
        attempts.identity = 0x70617373;  // of no rule
        policy::Facts client;
        fill_client_facts(client, *generation_);
        if (const std::int64_t wait = service_->rate_limits().take(attempts, client, Service::now_ns()); wait > 0) {
            Refusal slow = refused(429, "http_request_denied", "Too many attempts to log in: please wait a moment.");
            slow.action = audit::Action::limited;
            slow.rule = decision.rule->name;
            slow.retry_after = wait / 1'000'000'000 + 1;
            co_return slow;
        }
        const std::optional<bool> good = co_await service_->passwords().verify(worker_, users, *credentials);
        if (!good) co_return refused(503, "proxy_internal_error", "Too many people are logging in at this moment.");
        if (!*good) co_return refusal;
        service_->rate_limits().give_back(attempts, client);  // only failures count
        service_->credentials().remember(users, *credentials, Service::now_ns());
    }
    count_rule(*decision.rule);
    user_ = credentials->user;
    facts_.set(Field::user_name, std::string_view(user_));
    co_return std::nullopt;
}

}  // namespace sluice::http
