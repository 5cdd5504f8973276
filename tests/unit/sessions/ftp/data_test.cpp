// SPDX-License-Identifier: Apache-2.0
// Data connections, each side as it likes.
#include <gmock/gmock.h>

#include <cstdio>

#include "policy/protect_host.h"
#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(DataAddress, of_somebody_else_or_of_a_service_is_not_taken) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("PORT 192,0,2,1,200,10"), StartsWith("504 "));
    EXPECT_THAT(scene.ask("PORT 127,0,0,1,0,25"), StartsWith("504 "));
    EXPECT_THAT(scene.ask("PORT 127,0,0,1,3,255"), StartsWith("504 ")) << "1023";
    EXPECT_THAT(scene.ask("EPRT |1|192.0.2.1|51210|"), StartsWith("504 "));
    EXPECT_THAT(scene.ask("EPRT |2|::1|51210|"), StartsWith("504 "));
    EXPECT_THAT(scene.ask("EPRT |3|x|51210|"), StartsWith("522 "));
    EXPECT_THAT(scene.ask("PORT 127,0,0,1,256,1"), StartsWith("501 "));
    EXPECT_THAT(scene.ask("EPRT 127.0.0.1"), StartsWith("501 "));
    EXPECT_THAT(scene.ask("RETR a"), StartsWith("425 ")) << "none of them is one";
    EXPECT_THAT(scene.ask("PORT 127,0,0,1,4,0"), StartsWith("200 ")) << "1024";
    EXPECT_THAT(scene.ask("EPRT |2|::ffff:127.0.0.1|51210|"), StartsWith("200 ")) << "the same address";
    EXPECT_EQ(scene.server->nothing(), "");
    const auto& events = scene.bench.events();
    ASSERT_EQ(events.size(), 7U);
    EXPECT_EQ(value(events[1], "event.action"), "refused");
    EXPECT_EQ(value(events[1], "ftp.command"), "PORT");
    EXPECT_EQ(value(events[1], "ftp.reply"), "504");
}

TEST(DataAddress, the_last_one_that_was_said_counts) {
    Scene scene;
    scene.log_in();
    const std::uint16_t first = scene.passive();
    const std::uint16_t second = scene.passive();
    EXPECT_ANY_THROW(scene.bench.dial(first)) << "closed";
    scene.client_data = &scene.bench.dial(second);
    EXPECT_THAT(scene.ask("PORT 127,0,0,1,4,0"), StartsWith("200 "));
    EXPECT_TRUE(scene.is_data_broken());
}

TEST(DataAddress, after_epsv_all_nothing_else_is_taken) {
    Scene scene;
    scene.log_in();
    EXPECT_THAT(scene.ask("EPSV 2"), StartsWith("522 "));
    EXPECT_THAT(scene.ask("EPSV 3"), StartsWith("522 "));
    EXPECT_THAT(scene.ask("EPSV x"), StartsWith("501 "));
    EXPECT_THAT(scene.ask("EPSV 1"), AllOf(StartsWith("229 "), HasSubstr("(|||")));
    EXPECT_THAT(scene.ask("EPSV ALL"), StartsWith("200 "));
    EXPECT_THAT(scene.ask("PASV"), StartsWith("503 "));
    EXPECT_THAT(scene.ask("PORT 127,0,0,1,200,10"), StartsWith("503 "));
    EXPECT_THAT(scene.ask("EPRT |1|127.0.0.1|51210|"), StartsWith("503 "));
    EXPECT_THAT(scene.ask("EPSV"), StartsWith("229 "));
}

TEST(DataAddress, without_a_free_port) {
    const std::uint16_t port = Bench::dead_port();
    Scene scene({}, "allow", [&](Settings& settings) { settings.passive_ports = {port, port}; });
    scene.log_in();
    EXPECT_EQ(scene.passive(), port);
    Speaker other(scene.bench.client("127.0.0.1:40001"));
    other.reply();
    other.say("USER bo@" + scene.server_name());
    Speaker server(scene.bench.accept(scene.port));
    server.say("220 Hello.");
    server.line();
    server.say("230 Welcome.");
    server.line();
    server.say("257 \"/\"");
    EXPECT_EQ(other.reply(), "230 Welcome.");
    other.say("PASV");
    EXPECT_THAT(other.reply(), StartsWith("425 "));
    other.say("NOOP");
    EXPECT_THAT(other.reply(), StartsWith("200 "));
}

TEST(DataAddress, is_said_as_the_one_before_a_nat) {
    Scene scene({}, "allow", [](Settings& settings) { settings.passive_address = IpAddress::parse("203.0.113.5"); });
    scene.log_in();
    EXPECT_THAT(scene.ask("PASV"), HasSubstr("203,0,113,5,"));
}

TEST(ServerData, goes_to_the_server_whatever_it_says) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a");
    const std::uint16_t data = scene.bench.listen();
    EXPECT_EQ(scene.server->line(), "PASV");
    scene.server->say("227 =192,0,2,1," + std::to_string(data / 256) + "," + std::to_string(data % 256));
    Peer& connection = scene.bench.accept(data);
    EXPECT_EQ(scene.server->line(), "RETR a");
    scene.server->say("125 It is open already.");
    connection.send("hello");
    connection.close();
    scene.server->say("250 Done.");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    EXPECT_EQ(scene.client_data->wait_for_end(), "hello");
    EXPECT_EQ(scene.client.reply(), "250 Done.");
}

TEST(ServerData, is_asked_for_with_epsv_where_there_is_no_pasv) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a");
    EXPECT_EQ(scene.server->line(), "PASV");
    scene.server->say("502 What?");
    EXPECT_EQ(scene.server->line(), "EPSV");
    const std::uint16_t data = scene.bench.listen();
    scene.server->say("229 Extended (|||" + std::to_string(data) + "|)");
    scene.bench.accept(data).close();
    EXPECT_EQ(scene.server->line(), "RETR a");
    scene.server->say("550 No.");
    EXPECT_EQ(scene.client.reply(), "550 No.");
}

TEST(ServerData, that_cannot_be_had) {
    const std::uint16_t dead = Bench::dead_port();
    const std::vector<std::string> answers{"227 (127,0,0,1," + std::to_string(dead / 256) + "," + std::to_string(dead % 256) + ")",
                                           "227 (127,0,0,1,0,25)"};
    for (const std::string& answer : answers) {
        Scene scene;
        scene.log_in();
        scene.open_data();
        scene.client.say("RETR a");
        EXPECT_EQ(scene.server->line(), "PASV");
        scene.server->say(answer);
        EXPECT_THAT(scene.client.reply(), StartsWith("425 ")) << answer;
        EXPECT_TRUE(scene.is_data_broken());
        EXPECT_EQ(scene.server->nothing(), "") << "it was not asked for the file";
        EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
    }
}

TEST(ServerData, of_a_server_that_has_neither) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a");
    EXPECT_EQ(scene.server->line(), "PASV");
    scene.server->say("502 What?");
    EXPECT_EQ(scene.server->line(), "EPSV");
    scene.server->say("500 What?");
    EXPECT_THAT(scene.client.reply(), StartsWith("425 "));
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

TEST(ServerData, comes_from_the_server_where_that_is_wanted) {
    Scene scene({}, "allow", [](Settings& settings) { settings.upstream_mode = DataMode::active; });
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a");
    const std::string wanted = scene.server->line();
    ASSERT_THAT(wanted, StartsWith("PORT 127,0,0,1,"));
    unsigned high = 0;
    unsigned low = 0;
    ASSERT_EQ(std::sscanf(wanted.c_str(), "PORT 127,0,0,1,%u,%u", &high, &low), 2);
    scene.server->say("200 I will.");
    EXPECT_EQ(scene.server->line(), "RETR a");
    Peer& data = scene.bench.dial(static_cast<std::uint16_t>(high * 256 + low));
    scene.server->say("150 Here it comes.");
    data.send("hello");
    data.close();
    scene.server->say("226 That was all.");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    EXPECT_EQ(scene.client_data->wait_for_end(), "hello");
    EXPECT_EQ(scene.client.reply(), "226 That was all.");
}

TEST(ClientData, goes_to_the_client_where_it_listens) {
    for (const bool is_inspected : {false, true}) {
        Scene scene({}, "allow", is_inspected ? inspecting() : Bench::Adjust{});
        scene.log_in();
        const std::uint16_t mine = scene.bench.listen();
        EXPECT_THAT(scene.ask("PORT 127,0,0,1," + std::to_string(mine / 256) + "," + std::to_string(mine % 256)), StartsWith("200 "));
        scene.client.say("RETR a");
        scene.serve_data("RETR a");
        scene.server_data->send("hello");
        scene.server_data->close();
        scene.server->say("226 That was all.");
        Peer& data = scene.bench.accept(mine);
        EXPECT_EQ(data.wait_for_end(), "hello");
        EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
        EXPECT_EQ(scene.client.reply(), "226 That was all.");
    }
}

TEST(ClientData, of_a_client_that_does_not_listen) {
    Scene scene;
    scene.log_in();
    const std::uint16_t dead = Bench::dead_port();
    scene.ask("PORT 127,0,0,1," + std::to_string(dead / 256) + "," + std::to_string(dead % 256));
    scene.client.say("RETR a");
    scene.serve_data("RETR a");
    scene.server_data->wait_for_end();
    scene.hear_abort();
    EXPECT_THAT(scene.client.reply(), StartsWith("425 "));
    EXPECT_EQ(scene.relay("SIZE a", "213 1"), "213 1");
}

// What rules cannot lift holds for data connections too.
TEST(ServerData, does_not_go_where_the_host_is_protected) {
    const std::uint16_t own = Bench::dead_port();
    Scene scene({}, "allow", [&](Settings& settings) {
        settings.protect_host = std::make_shared<const policy::ProtectHost>(
            policy::ProtectHost::Self{.interface_addresses = {}, .listeners = {{IpAddress::v4(0x7f000001), own}}});
    });
    scene.log_in();
    scene.open_data();
    scene.client.say("RETR a");
    EXPECT_EQ(scene.server->line(), "PASV");
    scene.server->say("227 (127,0,0,1," + std::to_string(own / 256) + "," + std::to_string(own % 256) + ")");
    EXPECT_THAT(scene.client.reply(), StartsWith("425 "));
    const Record& event = scene.bench.events().back();
    EXPECT_EQ(value(event, "event.action"), "blocked");
    EXPECT_EQ(value(event, "rule.name"), "protect-host");
}

}  // namespace
}  // namespace sluice::ftp
