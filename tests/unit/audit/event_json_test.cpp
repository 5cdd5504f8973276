// SPDX-License-Identifier: Apache-2.0
#include "audit/event_json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <memory>
#include <random>

namespace sluice::audit {
namespace {

EventId id(std::string_view text) {
    EventId out;
    text.copy(out.text.data(), out.text.size());
    return out;
}

constexpr std::int64_t start = 1'769'903'999'250'000'000;           // 2026-01-31T23:59:59.25Z

Event blocked_request(std::span<const std::string_view> shadows, std::span<const std::string_view> tags) {
    Event event;
    event.id = id("0123456789ABCDEF");
    event.start_ns = start;
    event.end_ns = start + 750'000'001;
    event.action = Action::blocked;
    event.reason = "Advertising is blocked \"here\".";
    event.rule_name = "no-ads";
    event.shadow_rules = shadows;
    event.tags = tags;
    event.error_type = "http_request_denied";
    event.listener = "127.0.0.1:3128";
    event.client = *IpPort::parse("[2001:db8::1]:51234");
    event.client_bytes = 412;
    event.server_address = "ads.example.org";
    event.server = *IpPort::parse("192.0.2.1:8080");
    event.server_bytes = 7;
    event.user_name = "ann";
    event.url_scheme = "http";
    event.domain = "ads.example.org";
    event.registered_domain = "example.org";
    event.url_port = 8080;
    event.path = "/a/banner.js";
    event.query = "v=1&token=secret";
    event.extension = "js";
    event.method = "POST";
    event.referrer = "http://bo:secret@example.org/?password=secret#secret";
    event.user_agent = "curl/7.88.1";
    event.http_version = "1.1";
    event.request_content_type = "text/plain";
    event.response_content_type = "text/html";
    event.status = 403;
    event.request_body_bytes = 10;
    event.response_body_bytes = 0;
    event.scan_verdict = "skipped";
    event.scan_reason = "no-engine";
    event.policy_ns = 420;
    event.upstream_ns = 1'100'000;
    event.scan_ns = 1;
    return event;
}

std::string line_of(const Event& event, const Redaction& redaction = {}) {
    std::string out;
    write_json(event, redaction, out);
    return out;
}

nlohmann::json json_of(const Event& event, const Redaction& redaction = {}) {
    const std::string line = line_of(event, redaction);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    return nlohmann::json::parse(line);
}

TEST(EventJson, a_whole_event_to_the_byte) {
    const std::array<std::string_view, 2> shadows{"s1", "s\"2"};
    const std::array<std::string_view, 1> tags{"ads"};
    EXPECT_EQ(
        line_of(blocked_request(shadows, tags), Redaction({"token", "password"})),
        R"({"@timestamp":"2026-02-01T00:00:00.000Z","ecs.version":"8.11.0","event.id":"0123456789ABCDEF","event.start":"2026-01-31T23:59:59.250Z",)"
        R"("event.end":"2026-02-01T00:00:00.000Z","event.duration":750000001,"event.kind":"event","event.category":["web"],)"
        R"("event.type":["access","denied"],"event.outcome":"failure","event.action":"blocked","event.reason":"Advertising is blocked \"here\".",)"
        R"("rule.name":"no-ads","rule.shadow":["s1","s\"2"],"error.type":"http_request_denied","network.protocol":"http","network.transport":"tcp",)"
        R"("listener":"127.0.0.1:3128","client.ip":"2001:db8::1","client.port":51234,"client.bytes":412,"server.address":"ads.example.org",)"
        R"("server.ip":"192.0.2.1","server.port":8080,"server.bytes":7,"user.name":"ann",)"
        R"("url.full":"http://ads.example.org:8080/a/banner.js?v=1&token=REDACTED","url.scheme":"http","url.domain":"ads.example.org",)"
        R"("url.registered_domain":"example.org","url.port":8080,"url.path":"/a/banner.js","url.query":"v=1&token=REDACTED","url.extension":"js",)"
        R"("http.request.method":"POST","http.version":"1.1","http.request.referrer":"http://example.org/?password=REDACTED",)"
        R"("http.request.content_type":"text/plain","http.request.body.bytes":10,"user_agent.original":"curl/7.88.1","http.response.status_code":403,)"
        R"("http.response.content_type":"text/html","http.response.body.bytes":0,"scan.verdict":"skipped","scan.reason":"no-engine",)"
        R"("timing.policy":420,"timing.upstream":1100000,"timing.scan":1,"tags":["ads"]})"
        "\n");
}

TEST(EventJson, countries_stand_with_their_addresses) {
    Event event;
    event.client_country = "DE";
    event.server_country = "FR";
    EXPECT_EQ(json_of(event)["client.geo.country_iso_code"], "DE");
    EXPECT_FALSE(json_of(event).contains("server.geo.country_iso_code"));
    event.server = IpPort::parse("192.0.2.1:80");
    EXPECT_EQ(json_of(event)["server.geo.country_iso_code"], "FR");
}

TEST(EventJson, a_payload_has_its_file_and_what_the_scan_said) {
    const std::array<std::string_view, 2> matches{"card-number", "i\"ban"};
    Event event;
    event.method = "PUT";
    event.action = Action::quarantined;
    event.file_name = "In\"voice.EXE";
    event.file_extension = "exe";
    event.file_mime_type = "application/x-dosexec";
    event.file_size = 68;
    event.sha256 = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";
    event.scan_verdict = "infected";
    event.scan_threat = "Eicar-Test";
    event.scan_engine = "signatures";
    event.scan_match = matches;
    event.scan_ns = 5;
    const std::string line = line_of(event);
    EXPECT_NE(
        line.find(R"("file.name":"In\"voice.EXE","file.extension":"exe","file.mime_type":"application/x-dosexec","file.size":68,)"
                  R"("file.hash.sha256":"275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f","scan.verdict":"infected",)"
                  R"("scan.threat":"Eicar-Test","scan.engine":"signatures","scan.match":["card-number","i\"ban"],"timing.scan":5})"),
        std::string::npos)
        << line;
    EXPECT_EQ(json_of(event)["event.action"], "quarantined");
}

TEST(EventJson, a_refused_connection_has_nothing_of_http) {
    Event event;
    event.id = id("0123456789ABCDEF");
    event.start_ns = event.end_ns = start;
    event.action = Action::refused;
    event.reason = "the client is not allowed";
    event.client = *IpPort::parse("10.1.2.3:1");
    EXPECT_EQ(
        line_of(event),
        R"({"@timestamp":"2026-01-31T23:59:59.250Z","ecs.version":"8.11.0","event.id":"0123456789ABCDEF","event.start":"2026-01-31T23:59:59.250Z",)"
        R"("event.end":"2026-01-31T23:59:59.250Z","event.duration":0,"event.kind":"event","event.category":["network"],"event.type":["connection","denied"],)"
        R"("event.outcome":"failure","event.action":"refused","event.reason":"the client is not allowed","network.protocol":"http","network.transport":"tcp",)"
        R"("client.ip":"10.1.2.3","client.port":1,"client.bytes":0})"
        "\n");
}

TEST(EventJson, type_and_outcome_follow_the_action) {
    struct Row {
        Action action;
        std::string_view type;
        std::string_view outcome;
    };
    for (const Row& row :
         {Row{Action::allowed, R"(["access","allowed"])", "success"}, Row{Action::blocked, R"(["access","denied"])", "failure"},
          Row{Action::reset, R"(["access","denied"])", "failure"}, Row{Action::quarantined, R"(["access","denied"])", "failure"},
          Row{Action::redirected, R"(["access","denied"])", "failure"}, Row{Action::limited, R"(["access","denied"])", "failure"},
          Row{Action::tunnelled, R"(["connection","allowed"])", "success"},
          Row{Action::failed, R"(["access","allowed","error"])", "failure"}, Row{Action::aborted, R"(["access","allowed"])", "failure"},
          Row{Action::refused, R"(["access","denied"])", "failure"}}) {
        Event event;
        event.method = "GET";
        event.action = row.action;
        const auto json = json_of(event);
        EXPECT_EQ(json["event.type"].dump(), row.type);
        EXPECT_EQ(json["event.outcome"], row.outcome);
        EXPECT_EQ(json["event.action"], to_string(row.action));
        EXPECT_EQ(json["event.category"][0], row.action == Action::tunnelled ? "network" : "web");
    }
}

TEST(EventJson, a_long_transaction_starts_and_ends) {
    Event event;
    event.method = "CONNECT";
    event.action = Action::tunnelled;
    event.start_ns = start;
    event.end_ns = start + 60'000'000'000;
    event.stage = Stage::start;
    auto json = json_of(event);
    EXPECT_EQ(json["event.type"].dump(), R"(["connection","start","allowed"])");
    EXPECT_EQ(json["event.outcome"], "unknown");
    EXPECT_EQ(json["@timestamp"], "2026-02-01T00:00:59.250Z");
    EXPECT_FALSE(json.contains("event.end"));
    EXPECT_FALSE(json.contains("event.duration"));
    event.stage = Stage::end;
    json = json_of(event);
    EXPECT_EQ(json["event.type"].dump(), R"(["connection","end","allowed"])");
    EXPECT_EQ(json["event.duration"], 60'000'000'000);
}

TEST(EventJson, the_full_url_is_composed_or_given) {
    Event event;
    event.url_scheme = "https";
    event.domain = "2001:db8::2";
    event.url_port = 443;
    event.path = "/";
    EXPECT_EQ(json_of(event)["url.full"], "https://[2001:db8::2]/");
    event.url_port = 80;
    EXPECT_EQ(json_of(event)["url.full"], "https://[2001:db8::2]:80/");
    event.url_full = "ftp://ann:secret@host/f?token=1";
    EXPECT_EQ(json_of(event, Redaction({"token"}))["url.full"], "ftp://host/f?token=REDACTED");
    event.url_full = {};
    event.url_scheme = {};
    EXPECT_FALSE(json_of(event).contains("url.full"));              // a CONNECT has only a domain and a port
}

TEST(EventJson, secrets_appear_nowhere) {
    Event event = blocked_request({}, {});
    event.url_full = "http://ann:secret@h/?token=secret&PASSWORD=secret";
    event.query = "%74oken=secret&password=secret";
    EXPECT_EQ(line_of(event, Redaction({"token", "password"})).find("secret"), std::string::npos);
}

TEST(EventJson, hostile_text_stays_inside_its_string) {
    Event event;
    event.method = "GET";
    event.user_agent = "x\",\"event.action\":\"allowed\"}\n{\"\xff\x1b[2J";
    event.path = "/\xc3\x28";
    const auto json = json_of(event);
    EXPECT_EQ(json["user_agent.original"], "x\",\"event.action\":\"allowed\"}\n{\"\xef\xbf\xbd\x1b[2J");
    EXPECT_EQ(json["event.action"], "failed");
}

TEST(EventJson, long_texts_are_cut_between_characters) {
    Event event;
    event.method = "GET";
    const std::string agent = std::string(31, 'a') + "\xe2\x82\xac" + "tail";
    event.user_agent = agent;
    event.url_scheme = "http";
    event.domain = "h";
    const std::string path = "/" + std::string(100, 'p');
    event.path = path;
    event.query = "token=secret";
    EventEncoder encoder(32);
    std::string room(encoder.bound(event), '\0');
    const auto json = nlohmann::json::parse(std::string(room.data(), encoder.encode(event, Redaction({"token"}), room.data())));
    EXPECT_EQ(json["user_agent.original"], std::string(31, 'a') + "\xe2\x80\xa6");
    EXPECT_EQ(json["url.path"], "/" + std::string(31, 'p') + "\xe2\x80\xa6");
    EXPECT_EQ(json["url.full"], "http://h/" + std::string(23, 'p') + "\xe2\x80\xa6");
    EXPECT_EQ(json["url.query"], "token=REDACTED");
}

// Every member as long and as bad as it can be; the sanitizer watches the bound.
TEST(EventJson, no_line_is_longer_than_its_bound) {
    std::mt19937 random(2);
    for (const std::size_t limit : {std::size_t{5}, std::size_t{64}, std::size_t{32'766}}) {
        for (int round = 0; round < 300; ++round) {
            std::vector<std::string> texts(36);
            for (std::string& text : texts) {
                text.resize(random() % (round % 3 == 0 ? 300 : 20));
                static constexpr std::string_view alphabet = "\x01\"\\k=&;?#/@:\xff\xc2\x80t";
                for (char& c : text) c = alphabet[random() % alphabet.size()];
            }
            std::string hides;
            for (int i = 0; i < 60; ++i) hides += "k=&";
            std::size_t next = 0;
            const auto text = [&] { return std::string_view(texts[next++]); };
            const std::array<std::string_view, 3> many{text(), text(), text()};
            Event event;
            event.start_ns = INT64_MIN / 4;
            event.end_ns = INT64_MAX / 4;
            event.stage = Stage::end;
            event.shadow_rules = event.tags = event.scan_match = many;
            event.client = {IpAddress::v6({255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}), 65535};
            event.server = event.client;
            event.client_bytes = event.server_bytes = event.file_size = event.request_body_bytes = event.response_body_bytes = UINT64_MAX;
            event.policy_ns = event.upstream_ns = event.scan_ns = INT64_MAX;
            event.status = 65535;
            event.url_port = 65535;
            for (std::string_view* member : {&event.reason,
                                             &event.rule_name,
                                             &event.error_type,
                                             &event.protocol,
                                             &event.listener,
                                             &event.server_address,
                                             &event.user_name,
                                             &event.client_country,
                                             &event.server_country,
                                             &event.url_scheme,
                                             &event.domain,
                                             &event.registered_domain,
                                             &event.path,
                                             &event.extension,
                                             &event.method,
                                             &event.referrer,
                                             &event.user_agent,
                                             &event.http_version,
                                             &event.request_content_type,
                                             &event.response_content_type,
                                             &event.file_name,
                                             &event.file_extension,
                                             &event.file_mime_type,
                                             &event.sha256,
                                             &event.scan_verdict,
                                             &event.scan_threat,
                                             &event.scan_engine,
                                             &event.scan_reason})
                *member = text();
            event.query = hides;
            if (round % 2 == 0) event.url_full = text();
            EventEncoder encoder(limit);
            const std::size_t bound = encoder.bound(event);
            const auto out = std::make_unique<char[]>(bound);
            const char* end = encoder.encode(event, Redaction({"k", "t"}), out.get());
            ASSERT_LE(static_cast<std::size_t>(end - out.get()), bound);
            ASSERT_NO_THROW((void)nlohmann::json::parse(std::string(static_cast<const char*>(out.get()), end)));
        }
    }
}

TEST(Timestamps, are_utc_with_milliseconds) {
    Timestamps timestamps;
    char text[Timestamps::size];
    const auto written = [&](std::int64_t ns) { return std::string_view(text, timestamps.write(text, ns)); };
    EXPECT_EQ(written(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(written(1), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(written(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(written(951'782'399'999'999'999), "2000-02-28T23:59:59.999Z");
    EXPECT_EQ(written(951'782'400'000'000'000), "2000-02-29T00:00:00.000Z");
    EXPECT_EQ(written(951'782'399'999'999'999), "2000-02-28T23:59:59.999Z");
    EXPECT_EQ(written(4'000'000'000), "1970-01-01T00:00:04.000Z");  // shares a place in memory with second 0
    EXPECT_EQ(written(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(written(INT64_MAX), "2262-04-11T23:47:16.854Z");
}

}  // namespace
}  // namespace sluice::audit
