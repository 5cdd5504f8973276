// SPDX-License-Identifier: Apache-2.0
// How fast a client takes a response, and how much of it is counted.
#include <gmock/gmock.h>

#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;

TEST(SlowClient, that_takes_steadily_is_waited_for) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(400); });
    bench.set_client_capacity(40);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 400\r\n\r\n");
    server.send(std::string(400, 'x'));
    std::size_t came = 0;
    for (int i = 0; i < 40 && !client.was_reset(); ++i) {
        bench.wait_ticks(2);
        came += client.take_some(40).size();
    }
    EXPECT_FALSE(client.was_reset());
    EXPECT_GT(came, 400U);
    EXPECT_EQ(value(bench.event(), "event.action"), "allowed");
}

TEST(SlowClient, that_takes_nothing_is_cut) {
    Bench bench({}, "allow", [](Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(400); });
    bench.set_client_capacity(40);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(get());
    server.take();
    server.send(ok(std::string(400, 'x')));
    client.take_some(40);
    EXPECT_TRUE(bench.wait_for_sessions());
    EXPECT_EQ(value(bench.event(), "event.action"), "aborted");
    EXPECT_EQ(value(bench.event(), "event.reason"), "nothing was taken in time");
}

TEST(Counters, of_bytes_sent_are_exact) {
    Bench bench;
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    const std::size_t sent_on = server.take().size();
    server.send("HTTP/1.1 103 Early Hints\r\n\r\n");
    std::size_t answered = client.take().size();
    server.send("HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n\r\nhello");
    server.close();
    answered += client.take().size() + std::string_view("Date: Tue, 15 Nov 1994 08:12:31 GMT\r\n").size();
    EXPECT_EQ(bench.counter(audit::Counter::bytes_server_sent), sent_on);
    EXPECT_EQ(bench.counter(audit::Counter::bytes_client_sent), answered);
}

}  // namespace
}  // namespace sluice::http
