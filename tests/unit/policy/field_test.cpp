// SPDX-License-Identifier: Apache-2.0
#include "policy/field.h"

#include <gtest/gtest.h>

#include "policy/facts.h"

namespace sluice::policy {
namespace {

TEST(Field, every_name_of_the_vocabulary_is_known) {
    for (const std::string_view name : {"client.ip",
                                        "client.port",
                                        "client.bytes",
                                        "client.geo.country_iso_code",
                                        "server.address",
                                        "server.ip",
                                        "server.port",
                                        "server.bytes",
                                        "server.geo.country_iso_code",
                                        "user.name",
                                        "network.protocol",
                                        "network.transport",
                                        "url.full",
                                        "url.scheme",
                                        "url.domain",
                                        "url.registered_domain",
                                        "url.port",
                                        "url.path",
                                        "url.query",
                                        "url.extension",
                                        "http.request.method",
                                        "http.request.referrer",
                                        "http.request.body.bytes",
                                        "http.response.status_code",
                                        "http.response.body.bytes",
                                        "http.version",
                                        "user_agent.original",
                                        "tls.client.server_name",
                                        "tls.version",
                                        "tls.cipher",
                                        "tls.client.issuer",
                                        "tls.server.issuer",
                                        "tls.resumed",
                                        "file.name",
                                        "file.extension",
                                        "file.mime_type",
                                        "file.size",
                                        "file.hash.sha256",
                                        "email.from.address",
                                        "email.to.address",
                                        "email.subject",
                                        "email.message_id",
                                        "tags",
                                        "listener",
                                        "http.request.headers",
                                        "http.response.headers",
                                        "http.request.content_type",
                                        "http.response.content_type",
                                        "http.request.content_length",
                                        "http.response.content_length",
                                        "tls.client.ja4",
                                        "ftp.command",
                                        "ftp.argument",
                                        "ftp.reply",
                                        "smtp.helo",
                                        "smtp.mail_from",
                                        "smtp.rcpt_to",
                                        "smtp.reply",
                                        "email.ambiguous",
                                        "email.ambiguities",
                                        "tls.server.verified",
                                        "payload.direction",
                                        "scan.verdict",
                                        "scan.threat",
                                        "scan.engine",
                                        "scan.reason",
                                        "scan.match",
                                        "body",
                                        "time.hour",
                                        "time.weekday",
                                        "timing.policy",
                                        "timing.upstream",
                                        "timing.scan"}) {
        const auto field = find_field(name);
        ASSERT_TRUE(field) << name;
        EXPECT_EQ(info(*field).name, name);
    }
    for (const std::string_view name : {"event.action", "event.id", "rule.name", "error.type", "email.attachments"}) {
        EXPECT_FALSE(find_field(name)) << name;
        EXPECT_TRUE(is_log_only(name)) << name;
    }
    EXPECT_FALSE(find_field("url"));
}

TEST(Field, every_one_has_a_protocol) {
    for (const FieldInfo& field : fields()) {
        bool any = false;
        for (const Moment moment : field.known) any |= moment != Moment::never;
        EXPECT_TRUE(any) << field.name;
    }
}

TEST(Facts, keep_what_is_set_until_it_is_cleared) {
    Facts facts;
    EXPECT_FALSE(facts.has(Field::url_path));
    facts.set(Field::url_path, "/a");
    facts.set(Field::url_port, 80);
    facts.set(Field::tls_resumed, true);
    facts.set(Field::client_ip, *IpAddress::parse("10.0.0.1"));
    EXPECT_EQ(facts.text(Field::url_path), "/a") << "a literal is a text, not a truth";
    EXPECT_EQ(facts.number(Field::url_port), 80);
    EXPECT_TRUE(facts.boolean(Field::tls_resumed));
    EXPECT_EQ(facts.ip(Field::client_ip).to_string(), "10.0.0.1");
    facts.clear(Field::url_path);
    EXPECT_FALSE(facts.has(Field::url_path));
    EXPECT_TRUE(facts.add_tag("a"));
    EXPECT_FALSE(facts.add_tag("a"));
    EXPECT_TRUE(facts.add_tag("b"));
    facts.keep_tags(1);
    EXPECT_EQ(facts.tags().size(), 1U);
    facts.clear();
    EXPECT_FALSE(facts.has(Field::url_port));
    EXPECT_FALSE(facts.has(Field::tags));
    const std::vector<std::string_view> none;
    facts.set_many(Field::smtp_rcpt_to, none);
    EXPECT_FALSE(facts.has(Field::smtp_rcpt_to)) << "no value is no value";
}

}  // namespace
}  // namespace sluice::policy
