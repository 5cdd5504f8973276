// SPDX-License-Identifier: Apache-2.0
#include "net/dial.h"

#include "net/error.h"
#include "net/socket_address.h"
#include "net/timer.h"
#include "net/worker.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cerrno>

namespace sluice::net {

// Several attempts and who waits for them. Attempts that lost outlive the call, until they noticed.
class Dialler {
public:
    static Task<Result<std::unique_ptr<TcpStream>>> connect(Worker& worker, IpPort address, Limits::Duration at_most) {
        auto opened = open(worker, address);
        if (!opened) co_return std::unexpected(opened.error());
        co_return co_await finish(std::move(*opened), at_most);
    }

    struct Race {
        Waiter parent;
        std::size_t running = 0;
        std::unique_ptr<TcpStream> winner;
        IpPort winner_address;
        Error last{Errc::unreachable, Side::server, "no address to connect to"};
        std::vector<TcpStream*> pending;
    };

    // The caller has counted it as running: the task may begin only when the loop comes to it.
    static Task<void> attempt(std::shared_ptr<Race> race, Worker& worker, IpPort address, Limits::Duration at_most) {
        Result<std::unique_ptr<TcpStream>> outcome = open(worker, address);
        if (outcome) {
            TcpStream* const stream = outcome->get();
            race->pending.push_back(stream);
            outcome = co_await finish(std::move(*outcome), at_most);
            std::erase(race->pending, stream);
        }
        --race->running;
        if (!outcome) {
            race->last = outcome.error();
        } else if (!race->winner) {
            race->winner = std::move(*outcome);
            race->winner_address = address;
        }
        race->parent.wake();
    }

private:
    // A socket that connects, or has.
    static Result<std::unique_ptr<TcpStream>> open(Worker& worker, const IpPort& address) {
        const int descriptor = ::socket(address.address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (descriptor < 0) return std::unexpected(error_from_errno(errno, Side::self, "no socket"));
        auto stream = std::make_unique<TcpStream>(worker, descriptor, Side::server, address);
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const SocketAddress to(address);
        if (::connect(descriptor, to.get(), to.length()) == 0) return stream;
        if (errno != EINPROGRESS) return std::unexpected(error_from_errno(errno, Side::server, "cannot connect"));
        stream->writable_ = false;
        stream->readable_ = false;
        return stream;
    }

    static Task<Result<std::unique_ptr<TcpStream>>> finish(std::unique_ptr<TcpStream> stream, Limits::Duration at_most) {
        if (!stream->writable_) {
            stream->expires_in(at_most);
            CO_TRY(co_await stream->wait_writable());
            stream->expires_never();
            int error = 0;
            socklen_t length = sizeof error;
            ::getsockopt(stream->native_handle(), SOL_SOCKET, SO_ERROR, &error, &length);
            if (error != 0) co_return std::unexpected(error_from_errno(error, Side::server, "cannot connect"));
        }
        // A socket of this host can be given the very port that it connects to, and then talks to itself.
        if (stream->peer().address.is_loopback() && stream->local() == stream->peer())
            co_return fail(Errc::refused, Side::server, "cannot connect", ECONNREFUSED);
        co_return stream;
    }
};

Task<Result<Dialled>> dial(Worker& worker, std::span<const IpPort> addresses, const Limits& limits) {
    const auto begin = Worker::now();
    const Limits::Duration each = std::min(limits.connect_attempt, limits.connect);
    if (addresses.size() == 1) {
        const IpPort address = addresses.front();
        std::unique_ptr<TcpStream> stream = CO_TRY(co_await Dialler::connect(worker, address, each));
        co_return Dialled{std::move(stream), address, Worker::now() - begin};
    }
    const auto race = std::make_shared<Dialler::Race>();
    Timer head_start(worker.timers(), [&] { race->parent.wake(); });
    Timer whole(worker.timers(), [&] { race->parent.wake(); });
    whole.set(limits.connect);
    std::size_t begun = 0;
    while (!race->winner && whole.is_set()) {
        if (begun < addresses.size() && (race->running == 0 || !head_start.is_set())) {
            head_start.set(limits.happy_eyeballs);
            ++race->running;
            spawn(worker, Dialler::attempt(race, worker, addresses[begun++], each));
        } else if (race->running == 0) {
            break;
        } else {
            co_await race->parent.wait();
        }
    }
    for (TcpStream* stream : race->pending) stream->cancel();
    if (race->winner) co_return Dialled{std::move(race->winner), race->winner_address, Worker::now() - begin};
    if (race->running != 0) co_return fail(Errc::timed_out, Side::server, "cannot connect: time is up");
    co_return std::unexpected(race->last);
}

// A connection to a local socket is there at once, or its listener's backlog is full.
Task<Result<std::unique_ptr<TcpStream>>> dial_local(Worker& worker, std::string path, const Limits&) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) co_return fail(Errc::unreachable, Side::self, "the socket's path is too long");
    path.copy(address.sun_path, path.size());
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) co_return std::unexpected(error_from_errno(errno, Side::self, "no socket"));
    auto stream = std::make_unique<TcpStream>(worker, descriptor, Side::server, IpPort{});
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) co_return stream;
    co_return std::unexpected(error_from_errno(errno == EAGAIN ? ECONNREFUSED : errno, Side::server, "cannot connect"));
}

}  // namespace sluice::net
