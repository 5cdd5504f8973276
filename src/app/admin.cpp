// SPDX-License-Identifier: Apache-2.0
#include "app/admin.h"

#include "app/counted.h"
#include "audit/prometheus.h"
#include "protocols/http1/encoder.h"
#include "protocols/http1/head_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>

namespace sluice::app {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kConnectionsMost = 64;
constexpr std::chrono::seconds kTime{15};                  // a request and its answer, or the wait for the next

// A head that a health check or Prometheus sends is far smaller.
Limits head_limits() {
    Limits limits;
    limits.header_bytes = 8 * 1024;
    limits.request_target = 2 * 1024;
    limits.header_fields = 64;
    return limits;
}

std::string response(int status, std::string_view type, std::string_view body, bool with_body, bool keep_alive, bool with_allow = false) {
    std::string out;
    http1::HeadWriter head(out);
    head.status_line(status);
    head.field("Content-Type", type);
    head.field("Content-Length", body.size());
    head.field("Cache-Control", "no-store");
    head.field("X-Content-Type-Options", "nosniff");
    if (with_allow) head.field("Allow", "GET, HEAD");
    if (!keep_alive) head.field("Connection", "close");
    head.end();
    if (with_body) out += body;
    return out;
}

constexpr std::string_view kText = "text/plain; charset=utf-8";

}  // namespace

void AdminListener::start(std::vector<net::ListenSocket> sockets) {
    for (net::ListenSocket& socket : sockets) {
        const bool v4 = socket.local().address.is_v4();
        auto acceptor = std::make_shared<Tcp::acceptor>(context_);
        // The socket closes its descriptor itself; the acceptor needs one of its own.
        const int descriptor = fcntl(socket.descriptor(), F_DUPFD_CLOEXEC, 0);
        if (descriptor < 0) continue;
        acceptor->assign(v4 ? Tcp::v4() : Tcp::v6(), descriptor);
        acceptors_.push_back(std::move(acceptor));
        asio::co_spawn(context_, accept(acceptors_.back()), asio::detached);
    }
}

void AdminListener::close() {
    boost::system::error_code ignored;
    for (const auto& acceptor : acceptors_) acceptor->close(ignored);
}

asio::awaitable<void> AdminListener::accept(std::shared_ptr<Tcp::acceptor> shared) {
    Tcp::acceptor& acceptor = *shared;
    while (acceptor.is_open()) {
        boost::system::error_code error;
        Tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) co_return;
        if (error) {                                       // out of descriptors: leave it a moment
            asio::steady_timer pause(context_, std::chrono::milliseconds(200));
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
            continue;
        }
        if (*open_ >= kConnectionsMost) continue;           // closed at once
        asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
    }
}

asio::awaitable<void> AdminListener::serve(Tcp::socket accepted) {
    // Shared with the deadline, whose call may be under way when this ends.
    const auto shared = std::make_shared<Tcp::socket>(std::move(accepted));
    Tcp::socket& socket = *shared;
    const Counted counted(open_);
    boost::system::error_code error;
    const Limits limits = head_limits();
    http1::RequestParser parser(limits);
    http1::RequestHead head;
    std::string buffer;
    asio::steady_timer deadline(context_);
    for (;;) {
        deadline.expires_after(kTime);
        deadline.async_wait([shared](boost::system::error_code cancelled) {
            boost::system::error_code ignored;
            if (!cancelled) shared->close(ignored);
        });
        Result<std::optional<std::size_t>> parsed = std::optional<std::size_t>();
        while (parsed = parser.parse(buffer, head), parsed && !*parsed) {
            char block[4096];
            const std::size_t got = co_await socket.async_read_some(asio::buffer(block), asio::redirect_error(asio::use_awaitable, error));
            if (error || got == 0) co_return;
            buffer.append(block, got);
        }
        // A body is not wanted; without reading it the connection cannot be used again.
        const bool keep_alive = parsed && head.keep_alive && head.body.kind == http1::Framing::Kind::none;
        std::string out = parsed ? answer(head.method, head.target, keep_alive) : response(400, kText, "bad request\n", true, false);
        co_await asio::async_write(socket, asio::buffer(out), asio::redirect_error(asio::use_awaitable, error));
        if (error || !keep_alive) break;
        buffer.erase(0, **parsed);
        parser.reset();
        head.clear();
    }
    socket.shutdown(Tcp::socket::shutdown_send, error);
}

std::string AdminListener::answer(std::string_view method, std::string_view target, bool keep_alive) const {
    const bool get = method == "GET";
    const std::string_view path = target.substr(0, target.find('?'));
    const bool known = path == "/healthz" || path == "/readyz" || path == "/metrics";
    if (!known) return response(404, kText, "not found\n", method != "HEAD", keep_alive);
    if (!get && method != "HEAD") return response(405, kText, "GET and HEAD only\n", true, keep_alive, true);
    if (path == "/metrics") return response(200, audit::prometheus_content_type, answers_.metrics(), get, keep_alive);
    if (path == "/readyz" && !answers_.is_ready()) return response(503, kText, "not ready\n", get, keep_alive);
    return response(200, kText, "ok\n", get, keep_alive);
}

}  // namespace sluice::app
