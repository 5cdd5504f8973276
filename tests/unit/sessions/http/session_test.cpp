// SPDX-License-Identifier: Apache-2.0
// Every step of a session fails once: it ends each time, says so in exactly one event, and never hangs.
#include <gmock/gmock.h>

#include "unit/sessions/http/support.h"

namespace sluice::http {
namespace {

using namespace testing;

// What is left of a script's run.
struct Run {
    std::vector<Record> events;
    bool whole = false;                                  // the client saw all of it
    std::size_t operations = 0;
};

using Script = std::function<bool(Bench&)>;

Run run(const Script& script, Failure failure) {
    Run run;
    Bench bench;
    bench.fail(failure);
    run.whole = script(bench);
    EXPECT_TRUE(bench.wait_for_sessions()) << "step " << failure.at << " makes it hang";
    run.events = bench.events();
    run.operations = bench.operations();
    EXPECT_EQ(bench.gauge(audit::Gauge::tunnels), 0);
    EXPECT_EQ(bench.gauge(audit::Gauge::server_connections), 0);
    EXPECT_EQ(bench.gauge(audit::Gauge::client_connections), 0);
    return run;
}

// The first two steps look for a request, before it has come and then: where they fail, there was none.
void fail_every_step(const Script& script, Errc error) {
    const Run good = run(script, {});
    ASSERT_TRUE(good.whole);
    ASSERT_EQ(good.events.size(), 1U);
    ASSERT_GT(good.operations, 2U);
    for (std::size_t step = 1;; ++step) {
        const Run broken = run(script, {step, error});
        if (broken.operations < step) break;             // there was no such step: none fails any more
        ASSERT_LT(step, 200U);
        SCOPED_TRACE("step " + std::to_string(step) + " of about " + std::to_string(good.operations));
        if (step <= 2) {
            EXPECT_TRUE(broken.events.empty());
            continue;
        }
        ASSERT_EQ(broken.events.size(), 1U);
        const Record& event = broken.events.front();
        const std::string action = value(event, "event.action");
        if (broken.whole) {
            EXPECT_TRUE(action == value(good.events.front(), "event.action")) << action;
        } else if (action == "tunnelled") {
            EXPECT_NE(value(event, "event.reason"), "");
        } else {
            EXPECT_TRUE(action == "failed" || action == "aborted") << action;
            EXPECT_EQ(value(event, "event.outcome"), "failure");
            EXPECT_NE(value(event, "event.reason"), "");
        }
    }
}

// What a peer sends and hears does not matter here, as long as both go.
bool leave(Peer& client, Peer& server, bool whole) {
    client.close();
    server.close();
    return whole;
}

bool simple_get(Bench& bench) {
    const std::string origin = "127.0.0.1:" + std::to_string(Bench::dead_port());
    Peer& server = bench.server(origin, origin);
    Peer& client = bench.client();
    client.send("GET http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    if (server.take().ends_with("\r\n\r\n")) {
        server.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
        server.send("56789");
        return leave(client, server, client.take().ends_with("\r\n\r\n0123456789"));
    }
    server.close();  // what is broken, is so for both; a new connection is tried, and nobody is there
    client.wait_for("</html>");
    return leave(client, server, false);
}

bool chunked_post(Bench& bench) {
    Peer& server = bench.server();
    Peer& client = bench.client();
    client.send("POST http://server.test/ HTTP/1.1\r\nHost: server.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    std::string uploaded = server.take();
    client.send("5\r\nworld\r\n0\r\n\r\n");
    uploaded += server.take();
    bool whole = false;
    if (uploaded.ends_with("5\r\nworld\r\n0\r\n\r\n")) {
        server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
        std::string answer = client.take();
        server.send("0\r\n\r\n");
        answer += client.take();
        whole = answer.ends_with("2\r\nok\r\n0\r\n\r\n");
    }
    return leave(client, server, whole);
}

bool websocket(Bench& bench) {
    const std::string origin = "127.0.0.1:" + std::to_string(Bench::dead_port());
    Peer& server = bench.server(origin, origin);
    Peer& client = bench.client();
    client.send("GET http://" + origin + "/ HTTP/1.1\r\nHost: " + origin + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    server.take();
    server.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    if (!client.take().starts_with("HTTP/1.1 101 ")) return leave(client, server, false);
    client.send("ping");
    const bool there = server.take() == "ping";
    server.send("pong");
    const bool back = client.take() == "pong";
    client.shutdown_write();
    server.shutdown_write();
    return leave(client, server, there && back);
}

// The server's end is a socket, since tunnels get connections of their own: only the client's steps fail.
bool connect_tunnel(Bench& bench) {
    const std::string origin = "127.0.0.1:" + std::to_string(bench.listen());
    Peer& client = bench.client();
    client.send("CONNECT " + origin + " HTTP/1.1\r\nHost: " + origin + "\r\n\r\n");
    if (client.was_reset() || (bench.settle(), bench.live() == 0)) {
        client.close();
        return false;
    }
    Peer& server = bench.accept();
    client.wait_for("\r\n\r\n");
    client.send("\x16\x03\x01");
    const bool there = client.was_reset() || bench.live() == 0 || server.wait_for("\x01").ends_with("\x01");
    server.send("pong");
    server.shutdown_write();
    const bool back = client.wait_for_end() == "pong";
    client.shutdown_write();
    server.wait_for_end();
    return leave(client, server, there && back && !client.was_reset());
}

class EveryStep : public ::testing::TestWithParam<Errc> {};
INSTANTIATE_TEST_SUITE_P(Errors, EveryStep, ::testing::Values(Errc::reset, Errc::io_failed));

TEST_P(EveryStep, of_a_get_fails_once) { fail_every_step(simple_get, GetParam()); }
TEST_P(EveryStep, of_a_chunked_post_fails_once) { fail_every_step(chunked_post, GetParam()); }
TEST_P(EveryStep, of_a_websocket_fails_once) { fail_every_step(websocket, GetParam()); }
TEST_P(EveryStep, of_a_tunnel_fails_once) { fail_every_step(connect_tunnel, GetParam()); }

}  // namespace
}  // namespace sluice::http
