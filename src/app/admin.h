// SPDX-License-Identifier: Apache-2.0
// The admin listener: /healthz, /readyz and /metrics, for supervisors and Prometheus. Loopback only, on the main thread, with our own codec; GET and
// HEAD without a body, a few connections, short deadlines. Everything else is 404.
#pragma once

#include "base/ip.h"
#include "net/listener.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sluice::app {

class AdminListener {
public:
    struct Answers {
        std::function<bool()> is_ready;  // neither starting nor draining
        std::function<std::string()> metrics;  // Prometheus text
    };

    AdminListener(boost::asio::io_context& context, Answers answers) : context_(context), answers_(std::move(answers)) {}

    // Takes over sockets that were bound before privileges were dropped.
    void start(std::vector<net::ListenSocket> sockets);
    void close();

private:
    using Tcp = boost::asio::ip::tcp;
    boost::asio::awaitable<void> accept(std::shared_ptr<Tcp::acceptor> shared);
    boost::asio::awaitable<void> serve(Tcp::socket socket);
    std::string answer(std::string_view method, std::string_view target, bool keep_alive) const;

    boost::asio::io_context& context_;
    Answers answers_;
    std::vector<std::shared_ptr<Tcp::acceptor>> acceptors_;
    std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
};

}  // namespace sluice::app
