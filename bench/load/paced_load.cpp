// SPDX-License-Identifier: Apache-2.0
// Requests at a fixed rate, whatever the answers do (an open loop): a request's time counts from when it was due, so a server that stalls is not
// excused from those that it kept from being asked.
//   paced_load PORT URL RATE CONNECTIONS SECONDS        URL is the request target as it is sent: a path, or an absolute URL for a proxy
// Prints "DONE FAILED P50_US P99_US P999_US MAX_US".
#include "sockets.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace load;

struct Connection {
    int fd = -1;
    std::int64_t due = 0;
    std::string answer;
    std::size_t wanted = 0;  // octets of the whole answer, once its head is there
};

class Pace {
public:
    Pace(int port, std::string_view url, double rate, int connections, double seconds)
        : port_(port),
          rate_(rate),
          total_(static_cast<std::uint64_t>(rate * seconds)) {
        request_ = "GET " + std::string(url) + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: paced_load\r\nAccept: */*\r\n\r\n";
        times_.reserve(total_);
        for (int i = 0; i < connections; ++i) {
            connections_.push_back(std::make_unique<Connection>());
            open(*connections_.back());
            idle_.push_back(connections_.back().get());
        }
    }

    int run() {
        timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        watch(epoll_, timer_, EPOLLIN, nullptr);
        const std::int64_t start = now_ns() + 50'000'000;
        const std::int64_t give_up = start + static_cast<std::int64_t>(static_cast<double>(total_) / rate_ * 1e9) + 5'000'000'000;
        std::vector<epoll_event> events(256);
        std::uint64_t begun = 0;
        while (times_.size() + failed_ < total_) {
            std::int64_t now = now_ns();
            if (now > give_up) break;
            while (begun < total_ && due(start, begun) <= now) waiting_.push_back(due(start, begun++));
            while (!waiting_.empty() && !idle_.empty()) {
                Connection& connection = *idle_.back();
                idle_.pop_back();
                connection.due = waiting_.front();
                waiting_.pop_front();
                send_request(connection);
            }
            if (begun < total_) arm(due(start, begun));
            const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
            for (int i = 0; i < count; ++i) {
                auto* connection = static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
                if (connection) receive(*connection);
                else drain_timer();
            }
        }
        failed_ = total_ - times_.size();
        std::sort(times_.begin(), times_.end());
        std::printf("%zu %llu %.1f %.1f %.1f %.1f\n", times_.size(), static_cast<unsigned long long>(failed_), at(0.5), at(0.99), at(0.999),
                    at(1.0));
        return failed_ == 0 ? 0 : 1;
    }

private:
    std::int64_t due(std::int64_t start, std::uint64_t index) const {
        return start + static_cast<std::int64_t>(static_cast<double>(index) / rate_ * 1e9);
    }

    double at(double share) const {
        if (times_.empty()) return 0;
        return static_cast<double>(times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))]) / 1e3;
    }

    void arm(std::int64_t when) const {
        itimerspec timer{};
        timer.it_value.tv_sec = when / 1'000'000'000;
        timer.it_value.tv_nsec = std::max<std::int64_t>(when % 1'000'000'000, 1);
        timerfd_settime(timer_, TFD_TIMER_ABSTIME, &timer, nullptr);
    }

    void drain_timer() const {
        std::uint64_t expirations = 0;
        if (read(timer_, &expirations, sizeof expirations) < 0 && errno != EAGAIN) die("timerfd");
    }

    void open(Connection& connection) {
        connection = Connection{};
        connection.fd = connect_to(port_);
        watch(epoll_, connection.fd, EPOLLIN, &connection);
    }

    void send_request(Connection& connection) {
        connection.answer.clear();
        connection.wanted = 0;
        for (int tries = 0; tries < 1000; ++tries) {
            const ssize_t sent = send(connection.fd, request_.data(), request_.size(), MSG_NOSIGNAL);
            if (sent == static_cast<ssize_t>(request_.size())) return;
            if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN)) {  // still connecting: only at the very beginning
                usleep(1000);
                continue;
            }
            break;
        }
        fail(connection);
    }

    void fail(Connection& connection) {
        ++failed_;
        close(connection.fd);
        open(connection);
        idle_.push_back(&connection);
    }

    void receive(Connection& connection) {
        char buffer[65536];
        const ssize_t got = recv(connection.fd, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) return fail(connection);
        connection.answer.append(buffer, static_cast<std::size_t>(got));
        if (connection.wanted == 0) {
            const std::size_t end = connection.answer.find("\r\n\r\n");
            if (end == std::string::npos) return;
            const std::size_t field = connection.answer.find("Content-Length: ");
            if (connection.answer.compare(8, 4, " 200") != 0 || field > end) return fail(connection);
            connection.wanted = end + 4 + static_cast<std::size_t>(std::strtoul(connection.answer.c_str() + field + 16, nullptr, 10));
        }
        if (connection.answer.size() < connection.wanted) return;
        times_.push_back(now_ns() - connection.due);
        idle_.push_back(&connection);
    }

    int port_;
    double rate_;
    std::uint64_t total_;
    std::uint64_t failed_ = 0;
    std::string request_;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    int timer_ = -1;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<Connection*> idle_;
    std::deque<std::int64_t> waiting_;
    std::vector<std::int64_t> times_;
};

}  // namespace

int main(int count, char** words) {
    if (count != 6) {
        std::fprintf(stderr, "paced_load PORT URL RATE CONNECTIONS SECONDS\n");
        return 2;
    }
    Pace pace(static_cast<int>(std::strtol(words[1], nullptr, 10)), words[2], std::strtod(words[3], nullptr),
              static_cast<int>(std::strtol(words[4], nullptr, 10)), std::strtod(words[5], nullptr));
    return pace.run();
}
