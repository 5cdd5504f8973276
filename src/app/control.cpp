// SPDX-License-Identifier: Apache-2.0
#include "app/control.h"

#include "app/counted.h"

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace sluice::app {

namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr std::size_t kConnectionsMost = 16;
constexpr std::size_t kRequestMost = 4096;                 // bytes of a command
constexpr std::chrono::seconds kRequestTime{10};

std::expected<sockaddr_un, std::string> address_of(const fs::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string text = path.string();
    if (text.size() >= sizeof address.sun_path) return std::unexpected(fmt::format("{}: the name is too long for a socket", text));
    std::memcpy(address.sun_path, text.data(), text.size());
    return address;
}

// Whether somebody accepts there.
bool is_alive(const sockaddr_un& address) {
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return false;
    const bool connected = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(descriptor);
    return connected;
}

bool is_trusted_peer(int descriptor) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

}  // namespace

fs::path control_socket_path(const fs::path& state_dir) { return state_dir / "control.sock"; }

ControlSocket::~ControlSocket() { close(); }

std::expected<void, std::string> ControlSocket::open(const fs::path& state_dir, std::optional<std::pair<uid_t, gid_t>> owner) {
    const auto failed = [](const fs::path& what) { return std::unexpected(fmt::format("{}: {}", what.string(), std::strerror(errno))); };
    std::error_code error;
    if (!fs::is_directory(state_dir, error)) {
        fs::create_directories(state_dir.parent_path(), error);
        if (mkdir(state_dir.c_str(), 0750) != 0) return failed(state_dir);
        if (owner && chown(state_dir.c_str(), owner->first, owner->second) != 0) return failed(state_dir);
    }
    const fs::path path = control_socket_path(state_dir);
    const auto address = address_of(path);
    if (!address) return std::unexpected(address.error());
    if (is_alive(*address)) return std::unexpected(fmt::format("already running: somebody answers at {}", path.string()));
    unlink(path.c_str());

    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return failed(path);
    const mode_t before = umask(0177);
    const int bound = bind(descriptor, reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
    umask(before);
    if (bound != 0 || listen(descriptor, 16) != 0 || (owner && chown(path.c_str(), owner->first, owner->second) != 0)) {
        const int cause = errno;
        ::close(descriptor);
        errno = cause;
        return failed(path);
    }
    path_ = path;
    acceptor_.emplace(context_);
    acceptor_->assign(Protocol(), descriptor);
    return {};
}

void ControlSocket::start() { asio::co_spawn(context_, accept(), asio::detached); }

void ControlSocket::close() {
    if (!acceptor_) return;
    boost::system::error_code ignored;
    acceptor_->close(ignored);
    acceptor_.reset();
    unlink(path_.c_str());
}

asio::awaitable<void> ControlSocket::accept() {
    while (acceptor_ && acceptor_->is_open()) {
        boost::system::error_code error;
        Protocol::socket socket = co_await acceptor_->async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted || !acceptor_) co_return;
        if (error) {                                       // out of descriptors: leave it a moment
            asio::steady_timer pause(context_, std::chrono::milliseconds(200));
            co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
            continue;
        }
        if (!is_trusted_peer(socket.native_handle()) || *open_ >= kConnectionsMost) continue;
        asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
    }
}

asio::awaitable<void> ControlSocket::serve(Protocol::socket accepted) {
    // Shared with the deadline, whose call may be under way when this ends.
    const auto shared = std::make_shared<Protocol::socket>(std::move(accepted));
    Protocol::socket& socket = *shared;
    const Counted counted(open_);
    boost::system::error_code error;
    std::string text;
    asio::steady_timer deadline(context_, kRequestTime);
    deadline.async_wait([shared](boost::system::error_code cancelled) {
        boost::system::error_code ignored;
        if (!cancelled) shared->close(ignored);
    });
    co_await asio::async_read_until(socket, asio::dynamic_buffer(text, kRequestMost), '\n',
                                    asio::redirect_error(asio::use_awaitable, error));
    deadline.cancel();
    if (error) co_return;

    const json::value request = json::parse(text.substr(0, text.find('\n')), error);
    const json::object* const object = error ? nullptr : request.if_object();
    const json::value* const word = object == nullptr ? nullptr : object->if_contains("command");
    const std::string command = word != nullptr && word->is_string() ? std::string(word->as_string().c_str()) : std::string();

    // The answer may come later (a reload takes its time): the timer is what this waits at until then.
    auto answer = std::make_shared<std::optional<json::object>>();
    auto answered = std::make_shared<asio::steady_timer>(context_, asio::steady_timer::time_point::max());
    const bool known = handler_(command, [answer, answered](json::object with) {
        *answer = std::move(with);
        answered->cancel();
    });
    if (!known) *answer = json::object{{"ok", false}, {"error", "unknown command"}};
    if (!*answer) co_await answered->async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (!*answer) co_return;
    std::string line = json::serialize(**answer) + "\n";
    co_await asio::async_write(socket, asio::buffer(line), asio::redirect_error(asio::use_awaitable, error));
    // Until the asker leaves, or we end.
    char byte = 0;
    co_await socket.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(asio::use_awaitable, error));
}

std::expected<json::object, std::string> ask_instance(const fs::path& state_dir, const std::string& command, bool until_end) {
    const fs::path path = control_socket_path(state_dir);
    const auto address = address_of(path);
    if (!address) return std::unexpected(address.error());
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return std::unexpected(std::string(std::strerror(errno)));
    struct Closed {
        int descriptor;
        ~Closed() { ::close(descriptor); }
    } const closed{descriptor};
    if (connect(descriptor, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        const bool absent = errno == ENOENT || errno == ECONNREFUSED;
        return std::unexpected(absent ? fmt::format("not running: nobody answers at {}", path.string())
                                      : fmt::format("{}: {}", path.string(), std::strerror(errno)));
    }
    const std::string line = json::serialize(json::object{{"command", command}}) + "\n";
    if (send(descriptor, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
        return std::unexpected(fmt::format("{}: {}", path.string(), std::strerror(errno)));
    std::string text;
    char block[4096];
    while (text.find('\n') == std::string::npos && text.size() < control_line_most) {
        const ssize_t got = recv(descriptor, block, sizeof block, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return std::unexpected("the instance closed the connection without an answer (is this its user, or root?)");
        text.append(block, static_cast<std::size_t>(got));
    }
    if (until_end)
        while (recv(descriptor, block, sizeof block, 0) > 0 || errno == EINTR) errno = 0;
    boost::system::error_code error;
    json::value answer = json::parse(text.substr(0, text.find('\n')), error);
    if (error || !answer.is_object()) return std::unexpected("the instance's answer is not JSON");
    return std::move(answer.as_object());
}

}  // namespace sluice::app
