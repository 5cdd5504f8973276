// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/refusal.h"

#include <gtest/gtest.h>

#include "protocols/http1/head_parser.h"

namespace sluice::http {
namespace {

struct Case {
    Error error;
    Stage stage;
    int status;
    std::string_view type;                               // RFC 9209 2.3
};

TEST(Refusal, says_whose_fault_it_was) {
    const Case cases[] = {
        {{Errc::malformed, Side::client, "x"}, Stage::reading_head, 400, "http_request_error"},
        {{Errc::too_large, Side::client, "x"}, Stage::reading_head, 431, "http_request_error"},
        {{Errc::too_large, Side::client, http1::target_too_long}, Stage::reading_head, 414, "http_request_error"},
        {{Errc::unsupported, Side::client, "x"}, Stage::reading_head, 505, "http_request_error"},
        {{Errc::timed_out, Side::client, "x"}, Stage::reading_head, 408, "http_request_error"},
        {{Errc::malformed, Side::client, "x"}, Stage::reading_body, 400, "http_request_error"},
        {{Errc::timed_out, Side::client, "x"}, Stage::reading_body, 408, "http_request_error"},
        {{Errc::unresolved, Side::server, "x"}, Stage::resolving, 502, "dns_error"},
        {{Errc::timed_out, Side::server, "x"}, Stage::resolving, 504, "dns_timeout"},
        {{Errc::refused, Side::server, "x"}, Stage::dialling, 502, "connection_refused"},
        {{Errc::timed_out, Side::server, "x"}, Stage::dialling, 504, "connection_timeout"},
        {{Errc::unreachable, Side::server, "x"}, Stage::dialling, 502, "destination_ip_unroutable"},
        {{Errc::overloaded, Side::self, "x"}, Stage::dialling, 503, "connection_limit_reached"},
        {{Errc::io_failed, Side::server, "x"}, Stage::dialling, 502, "destination_unavailable"},
        {{Errc::timed_out, Side::server, "x"}, Stage::sending, 504, "connection_write_timeout"},
        {{Errc::timed_out, Side::server, "x"}, Stage::awaiting_response, 504, "http_response_timeout"},
        {{Errc::closed, Side::server, "x"}, Stage::awaiting_response, 502, "connection_terminated"},
        {{Errc::reset, Side::server, "x"}, Stage::awaiting_response, 502, "connection_terminated"},
        {{Errc::closed, Side::server, "x"}, Stage::relaying, 502, "http_response_incomplete"},
        {{Errc::too_large, Side::server, "x"}, Stage::awaiting_response, 502, "http_response_header_section_size"},
        {{Errc::malformed, Side::server, "x"}, Stage::awaiting_response, 502, "http_protocol_error"},
        {{Errc::overloaded, Side::self, "x"}, Stage::awaiting_response, 503, "connection_limit_reached"},
        {{Errc::io_failed, Side::self, "x"}, Stage::awaiting_response, 500, "proxy_internal_error"},
    };
    for (const Case& each : cases) {
        const Refusal refusal = refusal_of(each.error, each.stage);
        EXPECT_EQ(refusal.status, each.status) << each.type;
        EXPECT_EQ(refusal.error, each.type);
        EXPECT_EQ(refusal.reason, each.error.what);
        EXPECT_FALSE(refusal.what.empty());
        EXPECT_EQ(refusal.close, each.error.side == Side::client);
        EXPECT_EQ(refusal.action, each.error.side == Side::client ? audit::Action::refused : audit::Action::failed);
    }
}

TEST(Refusal, answers_nobody_who_has_left) {
    for (const Errc code : {Errc::closed, Errc::reset}) {
        const Refusal refusal = refusal_of({code, Side::client, "x"}, Stage::reading_head);
        EXPECT_EQ(refusal.status, 0);
        EXPECT_EQ(refusal.action, audit::Action::aborted);
    }
}

TEST(Refusal, says_what_a_rule_said) {
    policy::Rule rule;
    rule.name = "r";
    rule.reason = "Because.";
    rule.status = 451;
    const auto denied = [&](policy::Action action) {
        return sessions::denial_of({.action = action, .rule = &rule, .retry_after_seconds = 7});
    };
    Refusal refusal = refusal_of(denied(policy::Action::block), "GET");
    EXPECT_EQ(refusal.status, 451);
    EXPECT_EQ(refusal.action, audit::Action::blocked);
    EXPECT_EQ(refusal.error, "http_request_denied");
    EXPECT_EQ(refusal.rule, "r");
    EXPECT_EQ(refusal.reason, "Because.");
    EXPECT_FALSE(refusal.close);

    refusal = refusal_of(denied(policy::Action::reset), "GET");
    EXPECT_EQ(refusal.status, 0);
    EXPECT_EQ(refusal.action, audit::Action::reset);

    refusal = refusal_of(denied(policy::Action::limit), "GET");
    EXPECT_EQ(refusal.status, 429);
    EXPECT_EQ(refusal.action, audit::Action::limited);
    EXPECT_EQ(refusal.retry_after, 7);

    rule.realm = "ours";
    refusal = refusal_of(denied(policy::Action::authenticate), "GET");
    EXPECT_EQ(refusal.status, 407);
    EXPECT_EQ(refusal.realm, "ours");
}

TEST(Refusal, redirects_so_that_the_method_stays) {
    policy::Rule rule;
    rule.redirect_to = "http://elsewhere.test/";
    const sessions::Denial denial = sessions::denial_of({.action = policy::Action::redirect, .rule = &rule});
    EXPECT_EQ(refusal_of(denial, "GET").status, 302);
    EXPECT_EQ(refusal_of(denial, "HEAD").status, 302);
    EXPECT_EQ(refusal_of(denial, "POST").status, 307);
    EXPECT_EQ(refusal_of(denial, "POST").location, "http://elsewhere.test/");
    EXPECT_EQ(refusal_of(denial, "GET").action, audit::Action::redirected);
    const Refusal connect = refusal_of(denial, "CONNECT");
    EXPECT_EQ(connect.status, 403);
    EXPECT_EQ(connect.location, "");
    EXPECT_EQ(connect.action, audit::Action::blocked);
}

// A decision that nobody assigned blocks.
TEST(Refusal, fails_closed) {
    const Refusal refusal = refusal_of(sessions::denial_of(policy::Decision{}), "GET");
    EXPECT_EQ(refusal.status, 403);
    EXPECT_EQ(refusal.action, audit::Action::blocked);
}

TEST(Refusal, of_a_check_of_our_own) {
    Refusal refusal = refusal_of({.name = {}, .reason = sessions::no_rule_allows}, "GET");
    EXPECT_EQ(refusal.status, 403);
    EXPECT_EQ(refusal.error, "http_request_denied");
    EXPECT_EQ(refusal.reason, "No rule allows it.");
    EXPECT_EQ(refusal.rule, "");
    refusal = refusal_of({.name = sessions::protect_host_name, .reason = "loopback"}, "GET");
    EXPECT_EQ(refusal.status, 403);
    EXPECT_EQ(refusal.action, audit::Action::blocked);
    EXPECT_EQ(refusal.error, "destination_ip_prohibited");
    EXPECT_EQ(refusal.what, "This proxy does not connect to that address.");
    EXPECT_EQ(refusal.rule, "protect-host");
    EXPECT_EQ(refusal.reason, "loopback");
}

}  // namespace
}  // namespace sluice::http
