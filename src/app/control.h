// SPDX-License-Identifier: Apache-2.0
// The control socket: `state_dir/control.sock`, 0600, and the peer must be root or our own user. One line of JSON asks, one answers:
//   {"command":"status"}          -> {"ok":true, …}
//   {"command":"reload"}          -> {"ok":false,"error":"…"}, or {"ok":true,"warnings":"…"}
//   {"command":"reopen"}, {"command":"stop"}
// After the answer to `stop` the connection stays open until the instance has ended.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json/object.hpp>

#include <sys/types.h>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sluice::app {

inline constexpr std::size_t control_line_most = 1024 * 1024;      // of an answer: faults of a reload may be many

std::filesystem::path control_socket_path(const std::filesystem::path& state_dir);

// The server's end, on the main thread.
class ControlSocket {
public:
    // Called with a command; `answer` is called once, then or later, on the main thread. For an unknown command `answer` is not
    // called and false returned.
    using Answer = std::function<void(boost::json::object)>;
    using Handler = std::function<bool(const std::string& command, Answer answer)>;

    ControlSocket(boost::asio::io_context& context, Handler handler) : context_(context), handler_(std::move(handler)) {}
    ~ControlSocket();
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;

    // Makes the folder where it is missing, and the socket; both belong to `owner` where one is given. A dead instance's socket is replaced; a
    // live one is the error "already running".
    std::expected<void, std::string> open(const std::filesystem::path& state_dir, std::optional<std::pair<uid_t, gid_t>> owner);
    void start();  // accept: after privileges were dropped
    void close();  // and take the socket's name away

private:
    using Protocol = boost::asio::local::stream_protocol;
    boost::asio::awaitable<void> accept();
    boost::asio::awaitable<void> serve(Protocol::socket socket);

    boost::asio::io_context& context_;
    Handler handler_;
    std::filesystem::path path_;
    std::optional<Protocol::acceptor> acceptor_;
    std::shared_ptr<std::size_t> open_ = std::make_shared<std::size_t>(0);
};

// The client's end: asks, and waits for the answer. `until_end`: then waits until the instance has closed the connection.
std::expected<boost::json::object, std::string> ask_instance(const std::filesystem::path& state_dir, const std::string& command,
                                                             bool until_end);

}  // namespace sluice::app
