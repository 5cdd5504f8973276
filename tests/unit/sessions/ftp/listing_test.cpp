// SPDX-License-Identifier: Apache-2.0
// LIST and its like: no engine looks at them, and they have a bound.
#include <gmock/gmock.h>

#include "unit/sessions/ftp/support.h"

namespace sluice::ftp {
namespace {

using namespace testing;
using ::testing::StartsWith;

std::string list(Scene& scene, std::string_view command, std::string_view content) {
    scene.open_data();
    scene.client.say(command);
    scene.serve_data(command, "150 Here comes the listing.");
    scene.server_data->send(content);
    scene.server_data->close();
    scene.server->say("226 Listed.");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    std::string got = scene.client_data->wait_for_end();
    EXPECT_FALSE(scene.client_data->was_reset());
    EXPECT_EQ(scene.client.reply(), "226 Listed.");
    return got;
}

TEST(Listing, goes_through) {
    Scene scene({}, "allow", inspecting());
    scene.log_in();
    const std::string content = "-rw-r--r-- 1 ann ann 5 Nov 27 10:00 a file\r\n";
    for (const std::string_view command : {"LIST", "LIST -la pub", "NLST", "MLSD pub"})
        EXPECT_EQ(list(scene, command, content), content) << command;
    EXPECT_EQ(list(scene, "LIST none", ""), "");
    const auto& events = scene.bench.events();
    ASSERT_EQ(events.size(), 6U);
    EXPECT_EQ(value(events[1], "url.path"), "/home/ann");
    EXPECT_EQ(value(events[2], "url.path"), "/home/ann/pub") << "options are none of it";
    EXPECT_EQ(value(events[2], "ftp.argument"), "-la pub");
    EXPECT_EQ(value(events[2], "scan.verdict"), "") << "a listing is no file";
    EXPECT_EQ(value(events[2], "ftp.reply"), "226");
}

TEST(Listing, that_has_no_end_is_cut) {
    Scene scene({}, "allow", [](Settings& settings) { settings.limits.ftp_listing = 100'000; });
    scene.log_in();
    scene.open_data();
    scene.client.say("LIST");
    scene.serve_data("LIST");
    scene.server_data->send(lines(1000));
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.server_data->send(lines(6000));
    scene.server_data->wait_for_end();
    EXPECT_TRUE(scene.server_data->was_reset());
    scene.hear_abort();
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_LE(scene.client_data->wait_for_end().size(), 100'000U);
    EXPECT_TRUE(scene.client_data->was_reset());
    EXPECT_EQ(value(scene.bench.events().back(), "event.action"), "failed");
}

TEST(Listing, that_the_server_does_not_have) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("NLST none");
    scene.serve_data("NLST none", "550 No such directory.");
    EXPECT_EQ(scene.client.reply(), "550 No such directory.");
    EXPECT_TRUE(scene.is_data_broken());
    EXPECT_EQ(list(scene, "LIST", "a\r\n"), "a\r\n") << "the session goes on";
}

TEST(Listing, is_aborted) {
    Scene scene;
    scene.log_in();
    scene.open_data();
    scene.client.say("LIST");
    scene.serve_data("LIST");
    scene.server_data->send("a\r\n");
    EXPECT_THAT(scene.client.reply(), StartsWith("150 "));
    scene.client.say("ABOR");
    scene.server_data->wait_for_end();
    scene.hear_abort();
    EXPECT_THAT(scene.client.reply(), StartsWith("426 "));
    EXPECT_THAT(scene.client.reply(), StartsWith("226 "));
    EXPECT_EQ(value(scene.bench.events().back(), "event.action"), "aborted");
}

}  // namespace
}  // namespace sluice::ftp
