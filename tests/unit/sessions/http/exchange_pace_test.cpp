// SPDX-License-Identifier: Apache-2.0
// How fast a client takes a response, and how much of it is counted.
#include <gmock/gmock.h>

#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;
using ::testing::EndsWith;
using ::testing::StartsWith;

// Four ticks without anything moved are too long.
void be_impatient(Settings& settings) { settings.limits.body_idle = std::chrono::milliseconds(400); }

TEST(SlowClient, that_takes_steadily_is_waited_for) {
    Bench bench({}, "allow", be_impatient);
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
    Bench bench({}, "allow", be_impatient);
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

std::string upload(std::size_t size) {
    return "PUT http://server.test/ HTTP/1.1\r\nHost: server.test\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
}

TEST(SlowServer, that_takes_no_more_of_an_upload_may_still_be_answering) {
    Bench bench({}, "allow", be_impatient);
    bench.set_server_capacity(1'000);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(upload(50'000));
    server.take();
    client.send(std::string(50'000, 'u'));
    server.send("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 10\r\n\r\n");
    std::string came = client.take();
    for (int i = 0; i < 10; ++i) {                       // for two seconds, five times as long as its upload may stand still
        bench.wait_ticks(2);
        server.send("x");
        came += client.take();
    }
    EXPECT_THAT(came, EndsWith("\r\n\r\nxxxxxxxxxx"));
    EXPECT_EQ(value(bench.event(), "event.action"), "allowed");
}

TEST(SlowServer, that_takes_nothing_and_says_nothing_is_given_up) {
    Bench bench({}, "allow", be_impatient);
    bench.set_server_capacity(1'000);
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send(upload(50'000));
    server.take();
    client.send(std::string(50'000, 'u'));
    bench.wait_ticks(12);
    EXPECT_THAT(client.take(), StartsWith("HTTP/1.1 504 "));
    EXPECT_EQ(value(bench.event(), "error.type"), "connection_write_timeout");
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
