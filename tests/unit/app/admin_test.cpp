// SPDX-License-Identifier: Apache-2.0
#include "app/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <atomic>
#include <thread>

namespace sluice::app {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Admin : public testing::Test {
protected:
    Admin() {
        auto socket = net::ListenSocket::open(IpPort{IpAddress::v4(0x7f000001), 0});
        port_ = socket->local().port;
        std::vector<net::ListenSocket> sockets;
        sockets.push_back(std::move(*socket));
        listener_.start(std::move(sockets));
        thread_ = std::thread([this] { context_.run(); });
    }
    ~Admin() override {
        context_.stop();
        thread_.join();
    }
    // All that comes until the end.
    std::string ask(const std::string& request) const {
        asio::io_context context;
        asio::ip::tcp::socket socket(context);
        socket.connect({asio::ip::address_v4::loopback(), port_});
        boost::system::error_code error;
        asio::write(socket, asio::buffer(request), error);
        std::string out;
        asio::read(socket, asio::dynamic_buffer(out), error);
        return out;
    }
    std::string get(const std::string& target, const std::string& method = "GET") const {
        return ask(method + " " + target + " HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n");
    }

    std::atomic<bool> ready_ = true;
    asio::io_context context_{1};
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
    AdminListener listener_{context_, {[this] { return ready_.load(); }, [] { return std::string("sluice_up 1\n"); }}};
    std::uint16_t port_ = 0;
    std::thread thread_;
};

TEST_F(Admin, health_and_readiness) {
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 200 "));
    ready_ = false;
    EXPECT_THAT(get("/readyz"), StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Admin, metrics) {
    const std::string answer = get("/metrics?x=1");
    EXPECT_THAT(answer, HasSubstr("text/plain; version=0.0.4"));
    EXPECT_THAT(answer, HasSubstr("\r\n\r\nsluice_up 1\n"));
    EXPECT_THAT(get("/metrics", "HEAD"), Not(HasSubstr("sluice_up")));
}

TEST_F(Admin, everything_else_is_not_there) {
    EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(get("/api/events"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(get("/metrics/"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(get("/healthz", "DELETE"), StartsWith("HTTP/1.1 405 "));
    EXPECT_THAT(get("http://127.0.0.1/healthz"), StartsWith("HTTP/1.1 404 "));
}

TEST_F(Admin, several_requests_on_one_connection) {
    const std::string answer = ask("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(answer, HasSubstr("HTTP/1.1 404 "));
}

TEST_F(Admin, what_is_not_a_request_is_refused) {
    EXPECT_THAT(ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x')), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(ask("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), HasSubstr("Connection: close"));
}

}  // namespace
}  // namespace sluice::app
