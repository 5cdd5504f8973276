// SPDX-License-Identifier: Apache-2.0
// Tunnels that carry the same number of bytes each way, as fast as they go.
//   tunnel_load serve PORT BYTES                                  the server: takes BYTES, sends BYTES, closes
//   tunnel_load run PROXY_PORT SERVER_PORT BYTES CONNECTIONS SECONDS connect|plain
// `connect` asks the proxy for a tunnel by CONNECT; `plain` is for a proxy in TCP mode. Prints "TRANSFERS SECONDS P50_US P99_US FAILURES".
#include "sockets.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace load;

constexpr std::size_t block = 256 * 1024;
std::vector<char> zeros(block, '\x17');      // not the first byte of an HTTP request, so that a proxy which looks knows it for opaque
std::vector<char> trash(block);

// One end of a transfer: what is still to send and to receive.
struct End {
    int fd = -1;
    std::size_t to_send = 0;
    std::size_t to_receive = 0;
    std::string greeting;                    // a CONNECT to send first; then its answer is awaited
    std::string answer;
    bool awaiting_answer = false;
    std::int64_t begun = 0;

    bool is_done() const { return to_send == 0 && to_receive == 0 && !awaiting_answer; }

    // false: the peer broke off.
    bool write_some() {
        if (!greeting.empty()) {
            const ssize_t sent = send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL);
            if (sent < 0) return errno == EAGAIN;
            greeting.erase(0, static_cast<std::size_t>(sent));
            if (!greeting.empty()) return true;
        }
        while (to_send > 0 && !awaiting_answer) {
            const ssize_t sent = send(fd, zeros.data(), std::min(block, to_send), MSG_NOSIGNAL);
            if (sent < 0) return errno == EAGAIN;
            to_send -= static_cast<std::size_t>(sent);
        }
        return true;
    }

    bool read_some() {
        for (;;) {
            const ssize_t got = recv(fd, trash.data(), block, 0);
            if (got < 0) return errno == EAGAIN;
            if (got == 0) return is_done();
            auto count = static_cast<std::size_t>(got);
            if (awaiting_answer) {
                answer.append(trash.data(), count);
                const std::size_t end = answer.find("\r\n\r\n");
                if (end == std::string::npos) continue;
                if (answer.compare(0, 7, "HTTP/1.") != 0 || answer.compare(8, 4, " 200") != 0) return false;
                awaiting_answer = false;
                count = answer.size() - end - 4;
                if (!write_some()) return false;
            }
            to_receive -= std::min(to_receive, count);
            if (to_receive == 0) return true;
        }
    }
};

int serve(int port, std::size_t bytes) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    const int listener = listen_on(port);
    watch(epoll, listener, EPOLLIN, nullptr);
    std::vector<epoll_event> events(256);
    for (;;) {
        const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            auto* end = static_cast<End*>(events[static_cast<std::size_t>(i)].data.ptr);
            if (!end) {
                for (int fd; (fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                    no_delay(fd);
                    auto* fresh = new End;
                    fresh->fd = fd;
                    fresh->to_send = fresh->to_receive = bytes;
                    watch(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLET, fresh);
                }
                continue;
            }
            // It sends only once the client has spoken, as servers do.
            const bool well = end->read_some() && (end->to_receive == bytes || end->write_some());
            if (!well || end->is_done()) {
                close(end->fd);
                delete end;
            }
        }
    }
}

int run(int proxy, int server, std::size_t bytes, int connections, double seconds, bool by_connect) {
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    const std::string target = "127.0.0.1:" + std::to_string(server);
    const std::string greeting = by_connect ? "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n\r\n" : "";
    std::vector<std::unique_ptr<End>> ends;
    const auto begin = [&](End& end) {
        end = End{};
        end.fd = connect_to(proxy);
        end.to_send = end.to_receive = bytes;
        end.greeting = greeting;
        end.awaiting_answer = by_connect;
        end.begun = now_ns();
        watch(epoll, end.fd, EPOLLIN | EPOLLOUT | EPOLLET, &end);
    };
    for (int i = 0; i < connections; ++i) {
        ends.push_back(std::make_unique<End>());
        begin(*ends.back());
    }
    std::vector<std::int64_t> times;
    std::vector<epoll_event> events(256);
    std::uint64_t failures = 0;
    const std::int64_t start = now_ns();
    const std::int64_t stop = start + static_cast<std::int64_t>(seconds * 1e9);
    std::int64_t now = start;
    while (now < stop) {
        const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 100);
        now = now_ns();
        for (int i = 0; i < count; ++i) {
            End& end = *static_cast<End*>(events[static_cast<std::size_t>(i)].data.ptr);
            const bool well = end.write_some() && end.read_some();
            if (well && !end.is_done()) continue;
            if (well) times.push_back(now_ns() - end.begun);
            else ++failures;
            close(end.fd);
            begin(end);
        }
    }
    std::sort(times.begin(), times.end());
    const auto at = [&times](double share) {
        return times.empty() ? 0.0
                             : static_cast<double>(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]) / 1e3;
    };
    std::printf("%zu %.3f %.1f %.1f %llu\n", times.size(), static_cast<double>(now - start) / 1e9, at(0.5), at(0.99),
                static_cast<unsigned long long>(failures));
    return failures > times.size() / 100 ? 1 : 0;
}

}  // namespace

int main(int count, char** words) {
    std::signal(SIGPIPE, SIG_IGN);
    const std::string mode = count > 1 ? words[1] : "";
    const auto number = [words](int index) { return std::strtol(words[index], nullptr, 10); };
    if (mode == "serve" && count == 4) return serve(static_cast<int>(number(2)), static_cast<std::size_t>(number(3)));
    if (mode == "run" && count == 8)
        return run(static_cast<int>(number(2)), static_cast<int>(number(3)), static_cast<std::size_t>(number(4)),
                   static_cast<int>(number(5)), std::strtod(words[6], nullptr), std::string(words[7]) == "connect");
    std::fprintf(stderr, "tunnel_load serve PORT BYTES | run PROXY_PORT SERVER_PORT BYTES CONNECTIONS SECONDS connect|plain\n");
    return 2;
}
