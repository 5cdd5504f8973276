// SPDX-License-Identifier: Apache-2.0
// What the event log says of a session.
#include <gmock/gmock.h>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<std::string> commands(Scene& scene) {
    std::vector<std::string> out;
    for (const Record& event : scene.bench.events()) out.push_back(value(event, "ftp.command"));
    return out;
}

TEST(Record, of_what_is_of_interest_and_of_nothing_else) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    scene.relay("CWD pub", "250 There.");
    scene.relay("PWD", "257 \"/home/ann/pub\"");
    scene.relay("TYPE I", "200 Binary.");
    scene.relay("SIZE a", "213 1");
    scene.ask("NOOP");
    scene.ask("FROB");
    scene.relay("MKD a", "257 \"a\"");
    scene.retrieve("a", "hello");
    scene.store("b", "hello");
    scene.relay("RNFR a", "350 To?");
    scene.relay("RNTO c", "250 Done.");
    scene.relay("DELE c", "250 Gone.");
    scene.relay("RMD a", "550 Not empty.");
    scene.ask("QUIT");
    EXPECT_THAT(commands(scene), ElementsAre("PASS", "MKD", "RETR", "STOR", "RNTO", "DELE", "RMD"));
}

TEST(Record, of_a_download) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    EXPECT_EQ(scene.retrieve("A.tXt", "hello"), "hello");
    const Record& event = scene.bench.events().back();
    EXPECT_EQ(value(event, "ftp.command"), "RETR");
    EXPECT_EQ(value(event, "ftp.argument"), "A.tXt");
    EXPECT_EQ(value(event, "ftp.reply"), "226");
    EXPECT_EQ(value(event, "event.action"), "allowed");
    EXPECT_EQ(value(event, "event.outcome"), "success");
    EXPECT_EQ(value(event, "event.category"), R"(["file","network"])");
    EXPECT_EQ(value(event, "network.protocol"), "ftp");
    EXPECT_EQ(value(event, "listener"), "127.0.0.1:2121");
    EXPECT_EQ(value(event, "client.ip"), "127.0.0.1");
    EXPECT_EQ(value(event, "client.port"), "40000");
    EXPECT_EQ(value(event, "server.ip"), "127.0.0.1");
    EXPECT_EQ(value(event, "server.port"), std::to_string(scene.port));
    EXPECT_EQ(value(event, "user.name"), "ann");
    EXPECT_EQ(value(event, "url.full"), "ftp://" + scene.server_name() + "/home/ann/A.tXt");
    EXPECT_EQ(value(event, "url.scheme"), "ftp");
    EXPECT_EQ(value(event, "url.domain"), "127.0.0.1");
    EXPECT_EQ(value(event, "url.port"), std::to_string(scene.port));
    EXPECT_EQ(value(event, "url.path"), "/home/ann/A.tXt");
    EXPECT_EQ(value(event, "url.extension"), "txt");
    EXPECT_EQ(value(event, "file.name"), "A.tXt");
    EXPECT_EQ(value(event, "file.extension"), "txt");
    EXPECT_EQ(value(event, "file.size"), "5");
    EXPECT_EQ(value(event, "scan.verdict"), "clean");
    EXPECT_EQ(value(event, "error.type"), "");
    EXPECT_NE(value(event, "event.id"), value(scene.bench.events().front(), "event.id"));
}

// The data, and the lines of both control connections that belong to the command.
TEST(Record, counts_octets_of_both_connections) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    const std::string content = lines(100);
    scene.store("a.txt", content);
    const Record stored = scene.bench.events().back();
    EXPECT_EQ(value(stored, "client.bytes"), std::to_string(content.size() + std::string_view("STOR a.txt\r\n").size()));
    EXPECT_THAT(std::stoul(value(stored, "server.bytes")), ::testing::AllOf(::testing::Gt(20U), ::testing::Lt(200U)));
    const std::uint64_t before = scene.bench.counter(audit::Counter::bytes_server_received);
    scene.retrieve("a.txt", content);
    const Record got = scene.bench.events().back();
    EXPECT_EQ(value(got, "client.bytes"), std::to_string(std::string_view("RETR a.txt\r\n").size()));
    EXPECT_THAT(std::stoul(value(got, "server.bytes")),
                ::testing::AllOf(::testing::Gt(content.size() + 20), ::testing::Lt(content.size() + 200)));
    EXPECT_GE(scene.bench.counter(audit::Counter::bytes_server_received) - before, content.size());
}

TEST(Record, has_no_password_and_no_account) {
    Scene scene({rule("odd", "ftp.argument contains \"hunter2\"", "block")});
    scene.client.say("USER ann@" + scene.server_name());
    Speaker server(scene.bench.accept());
    server.say("220 Hello.");
    server.line();
    server.say("331 Password?");
    scene.client.reply();
    for (const std::string_view wrong : {"PASS hunter2", "PASS hunter2 "}) {
        scene.client.say(wrong);
        EXPECT_EQ(server.line(), wrong) << "rules see none either";
        server.say("530 hunter2 is wrong.");
        EXPECT_THAT(scene.client.reply(), StartsWith("530 "));
    }
    scene.client.say("PASS hunter2");
    server.line();
    server.say("332 Account?");
    scene.client.reply();
    scene.client.say("ACCT hunter2");
    server.line();
    server.say("421 No.");
    scene.client.reply();
    EXPECT_GE(scene.bench.events().size(), 3U);
    for (const Record& event : scene.bench.events())
        for (const auto& [key, text] : event) EXPECT_THAT(text, Not(HasSubstr("hunter2"))) << key;
}

TEST(Record, of_what_the_server_refuses) {
    Scene scene;
    scene.log_in();
    scene.relay("RMD a", "550 Not empty.");
    const Record& event = scene.bench.events().back();
    EXPECT_EQ(value(event, "ftp.reply"), "550");
    EXPECT_EQ(value(event, "event.action"), "allowed") << "we let it through";
    EXPECT_THAT(value(event, "event.reason"), HasSubstr("550"));
    EXPECT_EQ(value(event, "rule.name"), "");
}

// Octets of a peer's choosing stay inside their text.
TEST(Record, of_odd_names) {
    Scene scene;
    scene.log_in();
    scene.relay("DELE a\"b\\c\x01 d", "250 Gone.");
    EXPECT_EQ(value(scene.bench.events().back(), "url.path"), "/home/ann/a\"b\\c\x01 d");
    EXPECT_EQ(value(scene.bench.events().back(), "ftp.argument"), "a\"b\\c\x01 d");
}

TEST(Record, of_where_the_time_went) {
    Scene scene;
    scene.log_in();
    scene.client.say("MKD a");
    EXPECT_EQ(scene.server->line(), "MKD a");
    scene.bench.breathe();
    scene.server->say("257 \"a\"");
    scene.client.reply();
    const Record& event = scene.bench.events().back();
    EXPECT_GE(std::stoll(value(event, "timing.upstream")), 25'000'000);
    EXPECT_GE(std::stoll(value(event, "event.duration")), std::stoll(value(event, "timing.upstream")));
}

TEST(Record, of_every_payload_has_a_verdict) {
    Scene scene({rule("trusted", "url.path ends_with \".iso\"", "trust")}, "allow", inspecting());
    scene.log_in();
    scene.retrieve("a.txt", "hello");
    EXPECT_EQ(value(scene.bench.events().back(), "scan.verdict"), "clean");
    scene.retrieve("a.iso", "hello");
    EXPECT_EQ(value(scene.bench.events().back(), "scan.verdict"), "skipped");
    EXPECT_EQ(value(scene.bench.events().back(), "rule.name"), "trusted");
    scene.relay("DELE a.txt", "250 Gone.");
    EXPECT_EQ(value(scene.bench.events().back(), "scan.verdict"), "") << "no payload";
    EXPECT_EQ(value(scene.bench.events().back(), "file.name"), "") << "nor what is left of the last";
}

}  // namespace
}  // namespace sluice::ftp
