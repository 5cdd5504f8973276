// SPDX-License-Identifier: Apache-2.0
// Where clients come in. Sockets are bound first (ListenSocket), before privileges are dropped, one for each worker and address: the
// kernel spreads clients over them (SO_REUSEPORT). Each is then given to its worker (Listener).
#pragma once

#include "base/ip.h"
#include "base/result.h"
#include "net/connection_limits.h"
#include "net/tcp_stream.h"
#include "net/timer.h"

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::net {

class ListenSocket {
public:
    // Bound and listening. An IPv6 address takes IPv6 only. Port 0: the system chooses; see `local`. Errors are ours (Side::self), their
    // cause the errno.
    static Result<ListenSocket> open(const IpPort& address);
    // One for each worker, on the same port.
    static Result<std::vector<ListenSocket>> open(const IpPort& address, std::size_t workers);

    ListenSocket(ListenSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), local_(other.local_) {}
    ListenSocket& operator=(ListenSocket&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        std::swap(local_, other.local_);
        return *this;
    }
    ~ListenSocket();
    const IpPort& local() const { return local_; }
    int descriptor() const { return descriptor_; }

private:
    ListenSocket(int descriptor, const IpPort& local) : descriptor_(descriptor), local_(local) {}
    int descriptor_;
    IpPort local_;
};

struct Accepted {
    std::unique_ptr<TcpStream> stream;  // TCP_NODELAY; side client; its peer unmapped
    ConnectionPermit permit;  // keep it as long as the connection
    IpPort listener;
};

// Accepts on its worker. At the total of connections it leaves clients in the backlog until there is room; out of descriptors or memory it
// pauses for 100 ms and says so. Made before the worker runs, or on it; destroyed before the worker is.
class Listener final : private EventSource {
public:
    using Handler = std::function<void(Accepted)>;
    using Trouble = std::function<void(const Error&)>;  // accepting failed and pauses; called on the worker

    Listener(Worker& worker, ListenSocket socket, ConnectionLimits& limits, Handler handler, Trouble trouble = {});
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    void close();
    bool is_accepting() const { return watching_; }
    const IpPort& local() const { return local_; }
    std::uint64_t pauses() const { return pauses_; }  // for want of descriptors or memory
    std::uint64_t waits() const { return waits_; }  // at the total of connections

private:
    void on_ready(std::uint32_t events) override;
    bool accept_one();  // false: nothing more for now
    void watch();
    void unwatch();
    void pause();

    Worker& worker_;
    std::optional<ListenSocket> socket_;
    IpPort local_;
    ConnectionLimits& limits_;
    Handler handler_;
    Trouble trouble_;
    Timer resume_;
    bool watching_ = false;
    unsigned burst_ = 1;
    std::uint64_t last_round_ = 0;
    std::uint64_t pauses_ = 0;
    std::uint64_t waits_ = 0;
};

}  // namespace sluice::net
