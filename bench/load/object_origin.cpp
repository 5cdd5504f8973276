// SPDX-License-Identifier: Apache-2.0
// An origin whose objects are new to whoever has seen all others, or always the same:  object_origin PORT [FILE]
//   /fresh/SIZE   SIZE bytes of which some are different each time: no two answers are alike
//   /same/SIZE    SIZE bytes, always the same
//   /half/SIZE    in turn one of each
// Optional between the two, as in /fresh/exe/SIZE: what it begins like (exe, zip, json, text, html), or `file`: FILE's content,
// over and over; else noise. One thread, one loop, no log.
#include "sockets.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace load;

constexpr std::size_t largest = 64U << 20U;

std::string noise(std::size_t size) {
    std::string out(size, '\0');
    std::uint64_t state = 88172645463325252ULL;
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        std::memcpy(out.data() + i, &state, 8);
    }
    return out;
}

// A template of the object, and where what makes it another one is written.
struct Object {
    std::string bytes;
    std::size_t stamp = 0;
    std::string type = "application/octet-stream";
};

Object make(std::string_view kind, std::size_t size, const std::string& file) {
    Object out;
    out.bytes = noise(size);
    out.stamp = size > 64 ? size - 48 : 0;
    const auto begin_with = [&](std::string_view first) { std::memcpy(out.bytes.data(), first.data(), std::min(first.size(), size)); };
    const auto fill_with = [&](std::string_view text, std::string_view type) {
        for (std::size_t i = 0; i < size; ++i) out.bytes[i] = text[i % text.size()];
        out.type = type;
    };
    if (kind == "exe") {
        std::string head = "MZ" + std::string(58, '\0') + std::string("\x80\0\0\0", 4) + std::string(64, '\0') + std::string("PE\0\0", 4);
        begin_with(head);
        out.type = "application/vnd.microsoft.portable-executable";
    } else if (kind == "file" && !file.empty()) {
        fill_with(file, "application/octet-stream");
    } else if (kind == "json") {
        fill_with(R"({"name":"value","count":12345,"list":[1,2,3,4],"text":"lorem ipsum dolor sit amet"},)", "application/json");
    } else if (kind == "text") {
        fill_with("The quick brown fox jumps over the lazy dog, again and again and again.\n", "text/plain");
    } else if (kind == "html") {
        fill_with("<p>The quick brown fox jumps over the <b>lazy</b> dog.</p>\n", "text/html");
        begin_with("<!doctype html><html><body>");
    }
    return out;
}

class Connection {
public:
    Connection(int fd, const std::string& file) : fd_(fd), file_(file) {}
    ~Connection() { close(fd_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // False: it is over.
    bool on_readable(std::map<std::string, Object>& objects, std::uint64_t& serial) {
        char buffer[16384];
        const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EAGAIN) return true;
        if (got <= 0) return false;
        unread_.append(buffer, static_cast<std::size_t>(got));
        for (std::size_t end = unread_.find("\r\n\r\n"); end != std::string::npos; end = unread_.find("\r\n\r\n")) {
            answer(std::string_view(unread_).substr(0, end), objects, serial);
            unread_.erase(0, end + 4);
        }
        return on_writable();
    }
    bool on_writable() {
        while (sent_ < out_.size()) {
            const ssize_t went = send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
            if (went < 0) return errno == EAGAIN;
            sent_ += static_cast<std::size_t>(went);
        }
        out_.clear();
        sent_ = 0;
        return true;
    }
    bool has_more() const { return sent_ < out_.size(); }
    bool was_watched = false;

private:
    void answer(std::string_view head, std::map<std::string, Object>& objects, std::uint64_t& serial) {
        const std::size_t begin = head.find(' ') + 1;
        const std::string path(head.substr(begin, head.find(' ', begin) - begin));
        const std::size_t slash = path.find('/', 1);
        const std::size_t last = path.rfind('/');
        auto found = objects.find(path);
        if (found == objects.end()) {
            const std::string kind = last > slash ? path.substr(slash + 1, last - slash - 1) : std::string();
            found =
                objects
                    .emplace(path, make(kind, std::min<std::size_t>(std::strtoull(path.c_str() + last + 1, nullptr, 10), largest), file_))
                    .first;
        }
        Object& object = found->second;
        const std::string_view how = std::string_view(path).substr(1, slash - 1);
        char stamp[32];
        ++serial;
        const bool is_new = how == "fresh" || (how == "half" && serial % 2 == 0);
        std::snprintf(stamp, sizeof stamp, "%016llx", static_cast<unsigned long long>(is_new ? serial : 0));
        if (object.bytes.size() >= object.stamp + 16) std::memcpy(object.bytes.data() + object.stamp, stamp, 16);
        out_ +=
            "HTTP/1.1 200 OK\r\nContent-Type: " + object.type + "\r\nContent-Length: " + std::to_string(object.bytes.size()) + "\r\n\r\n";
        out_ += object.bytes;
    }

    int fd_;
    const std::string& file_;
    std::string unread_;
    std::string out_;
    std::size_t sent_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 3) return 2;
    std::string file;
    if (argc == 3) {
        std::ifstream in(argv[2], std::ios::binary);
        file.assign(std::istreambuf_iterator<char>(in), {});
    }
    const int epoll = epoll_create1(0);
    const int listener = listen_on(std::atoi(argv[1]));
    std::map<int, std::unique_ptr<Connection>> connections;
    std::map<std::string, Object> objects;
    std::uint64_t serial = 0;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = listener;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    std::array<epoll_event, 256> ready;
    for (;;) {
        const int count = epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = ready[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int client = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (client < 0) continue;
                connections[client] = std::make_unique<Connection>(client, file);
                event.events = EPOLLIN;
                event.data.fd = client;
                epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
                continue;
            }
            Connection& connection = *connections[fd];
            bool lives = true;
            if (ready[static_cast<std::size_t>(i)].events & EPOLLOUT) lives = connection.on_writable();
            if (lives && ready[static_cast<std::size_t>(i)].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                lives = connection.on_readable(objects, serial);
            if (!lives) {
                connections.erase(fd);
                continue;
            }
            if (connection.has_more() == connection.was_watched) continue;
            connection.was_watched = connection.has_more();
            event.events = EPOLLIN | (connection.was_watched ? EPOLLOUT : 0U);
            event.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
        }
    }
}
