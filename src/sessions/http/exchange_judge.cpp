// SPDX-License-Identifier: Apache-2.0
// What the rules see, phase by phase, and what they say.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "policy/registered_domain.h"
#include "policy/users.h"
#include "sessions/http/credentials.h"
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

void Exchange::fill_client_facts(sessions::Judgement& judgement) const {
    judgement.set_client(session_->peer(), session_->listener(), "http", service_->unix_ns(start_ns_));
    if (!session_->user().empty()) judgement.facts.set(Field::user_name, std::string_view(session_->user()));
    if (!session_->client_issuer().empty()) judgement.facts.set(Field::tls_client_issuer, session_->client_issuer());
}

void Exchange::fill_request_facts() {
    if (const auto type = head_.fields.find(KnownField::content_type)) assign_mime_type(request_type_, *type);
    constexpr std::array phases{Phase::connect, Phase::tls, Phase::request, Phase::dial, Phase::response, Phase::payload, Phase::verdict};
    const policy::Policy& policy = judgement_.policy();
    if (std::ranges::none_of(phases, [&](Phase phase) { return policy.has_own_rules(phase, Protocol::http); })) return;
    fill_request_facts(judgement_);
}

void Exchange::fill_request_facts(sessions::Judgement& judgement) {
    policy::Facts& facts = judgement.facts;
    const policy::Policy& policy = judgement.policy();
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

void Exchange::fill_response_facts() {
    policy::Facts& facts = judgement_.facts;
    if (const auto type = response_.fields.find(KnownField::content_type)) {
        assign_mime_type(response_type_, *type);
        facts.set(Field::response_content_type, std::string_view(response_type_));
    }
    facts.set(Field::response_status_code, response_.status);
    if (response_.content_length) facts.set(Field::response_content_length, *response_.content_length);
    facts.set_headers(Field::response_header, response_.fields.all());
}

// `connect` as it is at accept: once a connection, and again only where the policy has changed since. What its rules did to headers and
// tags holds for every request of the connection.
Exchange::Refused Exchange::judge_accept() {
    if (judgement_.trusted || !judgement_.has_rules(Phase::connect)) return std::nullopt;
    Session::AtAccept& at_accept = session_->at_accept();
    if (at_accept.generation != generation_) {
        sessions::Judgement accept(Protocol::http, service_->judging());
        accept.begin(*generation_->settings, generation_->rules);
        fill_client_facts(accept);
        at_accept = {};
        at_accept.generation = generation_;
        // Never `authenticate` nor `redirect`: those rules wait until there is a request.
        at_accept.decision = accept.evaluate(Phase::connect);
        at_accept.effects = std::move(accept.effects);
        at_accept.tags.assign(accept.facts.tags().begin(), accept.facts.tags().end());
        judgement_.count_rules(at_accept.effects);
    }
    for (const std::string_view tag : at_accept.tags) judgement_.facts.add_tag(tag);
    judgement_.effects = at_accept.effects;
    counted_tags_ = judgement_.effects.tags.size();
    counted_shadows_ = judgement_.effects.shadows.size();
    Refused refused = settle(at_accept.decision, Phase::connect);
    if (refused) {
        refused->close = true;  // it was judged once for the whole connection: the next one is judged anew
        service_->metrics().refused(audit::Refusal::policy);
    }
    return refused;
}

net::Task<Exchange::Refused> Exchange::judge(Phase phase) {
    if (judgement_.trusted) co_return std::nullopt;
    if (judgement_.has_rules(phase)) {
        policy::Decision decision = judgement_.evaluate(phase);
        // Whether TLS is decrypted is asked for a CONNECT alone.
        const auto is_beside_the_point = [&] {
            return !is_connect() && (decision.action == Action::intercept || decision.action == Action::tunnel);
        };
        while (decision.action == Action::authenticate || is_beside_the_point()) {
            if (decision.action == Action::authenticate)
                if (const Refused refused = co_await authenticate(decision)) co_return refused;
            decision = judgement_.evaluate(phase, decision.next);
        }
        if (Refused refused = settle(decision, phase)) co_return refused;
        if (judgement_.trusted || decision.action == Action::allow) co_return std::nullopt;
    }
    if (const auto denial = judgement_.denial_by_default(phase)) co_return refusal_of(*denial, head_.method);
    co_return std::nullopt;
}

// nullopt: the request goes on.
Exchange::Refused Exchange::settle(const policy::Decision& decision, Phase phase) {
    if (decision.action == Action::intercept || decision.action == Action::tunnel) {
        judgement_.count_rule(*decision.rule);
        judgement_.rule = decision.rule->name;
        // The earliest phase says which.
        if (plan_ == TlsPlan::none) plan_ = decision.action == Action::tunnel ? TlsPlan::tunnel : TlsPlan::intercept;
        return std::nullopt;
    }
    const auto denial = judgement_.settle(decision, phase);
    if (!denial) return std::nullopt;
    return refusal_of(*denial, head_.method);
}

net::Task<Exchange::Refused> Exchange::authenticate(const policy::Decision& decision) {
    if (!session_->user().empty() && decision.rule->users->has(session_->user())) {  // the CONNECT around this request proved it
        user_ = session_->user();
        judgement_.facts.set(Field::user_name, std::string_view(user_));
        co_return std::nullopt;
    }
    const Refusal refusal = refusal_of(sessions::denial_of(decision), head_.method);
    const auto value = head_.fields.find(KnownField::proxy_authorization);
    if (!value || head_.fields.count(KnownField::proxy_authorization) != 1) co_return refusal;
    const auto credentials = parse_basic(*value);
    if (!credentials) co_return refusal;

    using Kind = sessions::Checked::Kind;
    const sessions::Checked checked =
        co_await sessions::check_password(worker_, service_->passwords(), service_->credentials(), service_->rate_limits(),
                                          decision.rule->users, *credentials, session_->peer().address, limits());
    if (checked.kind == Kind::too_many) {
        Refusal slow = refused(429, "http_request_denied", "Too many attempts to log in: please wait a moment.");
        slow.action = audit::Action::limited;
        slow.rule = decision.rule->name;
        slow.retry_after = checked.retry_after_seconds;
        co_return slow;
    }
    if (checked.kind == Kind::busy) co_return refused(503, "proxy_internal_error", "Too many people are logging in at this moment.");
    if (checked.kind == Kind::bad) co_return refusal;
    judgement_.count_rule(*decision.rule);
    user_ = credentials->user;
    judgement_.facts.set(Field::user_name, std::string_view(user_));
    co_return std::nullopt;
}

}  // namespace sluice::http
