// SPDX-License-Identifier: Apache-2.0
// Requests at a fixed rate, whatever the answers do (an open loop): a request's time counts from when it was due, so a server that stalls is not
// excused from those that it kept from being asked.
//   paced_load PORT URL RATE CONNECTIONS SECONDS ORIGIN_PORT        URL is the request target as it is sent: a path, or an absolute URL for a proxy
// The origin that answers 1 KiB is in here too, on ORIGIN_PORT and in the same loop: on a machine with one core for load and origin two processes
// would wait for each other, and the times would be the scheduler's. Asked directly (PORT is ORIGIN_PORT) it is what a proxy's times are held against.
// Prints "DONE FAILED P50_US P99_US P999_US MAX_US".
#include "sockets.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace load;

class Source {
public:
    virtual ~Source() = default;
    virtual void on_readable() = 0;
};

// One connection to the origin: an answer for every head that comes.
class Answering final : public Source {
public:
    Answering(int fd, std::string_view answer) : fd_(fd), answer_(answer) {}
    ~Answering() override { close(fd_); }

    void on_readable() override {
        char buffer[16384];
        const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN) shutdown(fd_, SHUT_RDWR);  // what is left of it goes with the process
            return;
        }
        unread_.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end = unread_.find("\r\n\r\n"); end != std::string::npos; end = unread_.find("\r\n\r\n")) {
            unread_.erase(0, end + 4);
            if (send(fd_, answer_.data(), answer_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer_.size())) shutdown(fd_, SHUT_RDWR);
        }
    }

private:
    int fd_;
    std::string_view answer_;
    std::string unread_;
};

class Origin final : public Source {
public:
    Origin(int epoll, int port) : epoll_(epoll), fd_(listen_on(port)) {
        answer_ = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + std::string(1024, 'x');
        watch(epoll_, fd_, EPOLLIN, this);
    }
    ~Origin() override { close(fd_); }

    void on_readable() override {
        const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        no_delay(fd);
        connections_.push_back(std::make_unique<Answering>(fd, answer_));
        watch(epoll_, fd, EPOLLIN | EPOLLET, connections_.back().get());
    }

private:
    int epoll_;
    int fd_;
    std::string answer_;
    std::vector<std::unique_ptr<Answering>> connections_;
};

class Pace {
public:
    Pace(int port, std::string_view url, double rate, int connections, double seconds, int origin_port)
        : port_(port),
          rate_(rate),
          total_(static_cast<std::uint64_t>(rate * seconds)),
          origin_(epoll_, origin_port) {
        request_ = "GET " + std::string(url) + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: paced_load\r\nAccept: */*\r\n\r\n";
        times_.reserve(total_);
        for (int i = 0; i < connections; ++i) {
            connections_.push_back(std::make_unique<Asking>(*this));
            idle_.push_back(connections_.back().get());
        }
    }

    int run() {
        const std::int64_t start = now_ns() + 50'000'000;
        const std::int64_t give_up = start + static_cast<std::int64_t>(static_cast<double>(total_) / rate_ * 1e9) + 5'000'000'000;
        std::vector<epoll_event> events(256);
        std::uint64_t begun = 0;
        while (times_.size() + failed_ < total_) {
            const std::int64_t now = now_ns();
            if (now > give_up) break;
            while (begun < total_ && due(start, begun) <= now) waiting_.push_back(due(start, begun++));
            while (!waiting_.empty() && !idle_.empty()) {
                Asking& connection = *idle_.back();
                idle_.pop_back();
                connection.ask(waiting_.front());
                waiting_.pop_front();
            }
            const std::int64_t until = begun < total_ ? std::max<std::int64_t>(due(start, begun) - now_ns(), 0) : 100'000'000;
            const timespec timeout{until / 1'000'000'000, until % 1'000'000'000};
            const int count = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
            for (int i = 0; i < count; ++i) static_cast<Source*>(events[static_cast<std::size_t>(i)].data.ptr)->on_readable();
        }
        failed_ = total_ - times_.size();
        std::sort(times_.begin(), times_.end());
        std::printf("%zu %llu %.1f %.1f %.1f %.1f\n", times_.size(), static_cast<unsigned long long>(failed_), at(0.5), at(0.99), at(0.999),
                    at(1.0));
        return failed_ == 0 ? 0 : 1;
    }

private:
    class Asking final : public Source {
    public:
        explicit Asking(Pace& pace) : pace_(pace) { open(); }
        ~Asking() override { close(fd_); }

        void ask(std::int64_t due) {
            due_ = due;
            answer_.clear();
            wanted_ = 0;
            for (int tries = 0; tries < 1000; ++tries) {
                const ssize_t sent = send(fd_, pace_.request_.data(), pace_.request_.size(), MSG_NOSIGNAL);
                if (sent == static_cast<ssize_t>(pace_.request_.size())) return;
                if (sent >= 0 || (errno != EAGAIN && errno != ENOTCONN)) break;
                usleep(1000);  // still connecting: only at the very beginning
            }
            fail();
        }

        void on_readable() override {
            char buffer[65536];
            const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
            if (got < 0 && errno == EAGAIN) return;
            if (got <= 0) return fail();
            answer_.append(buffer, static_cast<std::size_t>(got));
            if (wanted_ == 0) {
                const std::size_t end = answer_.find("\r\n\r\n");
                if (end == std::string::npos) return;
                const char* const field = strcasestr(answer_.c_str(), "\r\nContent-Length: ");
                if (answer_.compare(8, 4, " 200") != 0 || !field || field > answer_.c_str() + end) return fail();
                wanted_ = end + 4 + static_cast<std::size_t>(std::strtoul(field + 18, nullptr, 10));
            }
            if (answer_.size() < wanted_) return;
            pace_.times_.push_back(now_ns() - due_);
            pace_.idle_.push_back(this);
        }

    private:
        void open() {
            fd_ = connect_to(pace_.port_);
            watch(pace_.epoll_, fd_, EPOLLIN, this);
        }

        void fail() {
            ++pace_.failed_;
            close(fd_);
            open();
            pace_.idle_.push_back(this);
        }

        Pace& pace_;
        int fd_ = -1;
        std::int64_t due_ = 0;
        std::string answer_;
        std::size_t wanted_ = 0;  // octets of the whole answer, once its head is there
    };

    std::int64_t due(std::int64_t start, std::uint64_t index) const {
        return start + static_cast<std::int64_t>(static_cast<double>(index) / rate_ * 1e9);
    }

    double at(double share) const {
        if (times_.empty()) return 0;
        return static_cast<double>(times_[static_cast<std::size_t>(share * static_cast<double>(times_.size() - 1))]) / 1e3;
    }

    int port_;
    double rate_;
    std::uint64_t total_;
    std::uint64_t failed_ = 0;
    std::string request_;
    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    Origin origin_;
    std::vector<std::unique_ptr<Asking>> connections_;
    std::vector<Asking*> idle_;
    std::deque<std::int64_t> waiting_;
    std::vector<std::int64_t> times_;
};

}  // namespace

int main(int count, char** words) {
    if (count != 7) {
        std::fprintf(stderr, "paced_load PORT URL RATE CONNECTIONS SECONDS ORIGIN_PORT\n");
        return 2;
    }
    const auto number = [&](int i) { return static_cast<int>(std::strtol(words[i], nullptr, 10)); };
    Pace pace(number(1), words[2], std::strtod(words[3], nullptr), number(4), std::strtod(words[5], nullptr), number(6));
    return pace.run();
}
