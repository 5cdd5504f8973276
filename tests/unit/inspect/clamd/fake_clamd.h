// SPDX-License-Identifier: Apache-2.0
// What the tests of this folder share: objects in memory, a folder, and a clamd that says what a test wants.
#pragma once

#include "inspect/descriptor.h"
#include "inspect/object.h"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sluice::inspect {

using std::string_view_literals::operator""sv;

// An object; its descriptor's offset stands at its end.
class MemoryObject {
public:
    explicit MemoryObject(std::string_view content) : memory_(::memfd_create("object", MFD_CLOEXEC)), size_(content.size()) {
        EXPECT_EQ(::write(memory_.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
    }
    Object object() const { return {.descriptor = memory_.get(), .size = size_, .name = "object"}; }

private:
    Descriptor memory_;
    std::uint64_t size_;
};

class TemporaryFolder {
public:
    TemporaryFolder() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

private:
    std::string path_ = ::testing::TempDir() + "sluice-clamd-XXXXXX";
};

enum class Transport : std::uint8_t { local, remote };

// A listening socket: at the path, or where it is empty at a free port of 127.0.0.1, which is put into `port` (a port that is not 0 is kept).
inline Descriptor listen_at(const std::string& path, std::uint16_t& port) {
    Descriptor socket(::socket(path.empty() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (path.empty()) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        if (port == 0) port = ntohs(address.sin_port);
    } else {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), path.size());
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    EXPECT_EQ(::listen(socket.get(), 16), 0);
    return socket;
}

// One connection, as clamd sees it.
class Asker {
public:
    explicit Asker(int socket) : socket_(socket) {}

    // The command without its NUL, and the object: read through the descriptor that came, or put together from chunks.
    bool hear() {
        while (!bytes_.contains('\0'))
            if (!read()) return false;
        command = take(bytes_.find('\0'));
        if (take(1) != "\0"sv) return false;
        return command == "zFILDES" ? hear_descriptor() : command == "zINSTREAM" && hear_chunks();
    }
    bool hear_some(std::size_t size) {
        while (bytes_.size() < size)
            if (!read()) return false;
        return true;
    }
    void say(std::string_view reply) const { (void)!::send(socket_, reply.data(), reply.size(), MSG_NOSIGNAL); }
    // Until the other end goes away.
    void wait_for_end() {
        while (read()) bytes_.clear();
    }

    std::string command;
    std::string content;
    std::vector<std::size_t> chunks;

private:
    bool read() {
        char piece[100'000];
        iovec into{piece, sizeof piece};
        union {
            cmsghdr align;
            char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        msghdr message{};
        message.msg_iov = &into;
        message.msg_iovlen = 1;
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        const ssize_t got = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
        if (got <= 0) return false;
        if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
            descriptor_.reset(descriptor);
        }
        bytes_.append(piece, static_cast<std::size_t>(got));
        return true;
    }
    std::string take(std::size_t size) {
        std::string front = bytes_.substr(0, size);
        bytes_.erase(0, size);
        return front;
    }
    bool hear_descriptor() {
        if (!hear_some(1) || take(1) != "\0"sv || !descriptor_) return false;
        char piece[4096];
        for (ssize_t got = 0; (got = ::pread(descriptor_.get(), piece, sizeof piece, static_cast<off_t>(content.size()))) > 0;)
            content.append(piece, static_cast<std::size_t>(got));
        return true;
    }
    bool hear_chunks() {
        for (;;) {
            if (!hear_some(4)) return false;
            std::uint32_t length = 0;
            std::memcpy(&length, take(4).data(), sizeof length);
            length = ntohl(length);
            if (length == 0) return bytes_.empty();
            if (!hear_some(length)) return false;
            chunks.push_back(length);
            content += take(length);
        }
    }

    int socket_;
    std::string bytes_;
    Descriptor descriptor_;
};

// Serves one connection after another, on a thread of its own; the handler gets each with its number, from 0 on, and it is closed afterwards.
class FakeClamd {
public:
    using Handler = std::function<void(Asker&, int)>;

    FakeClamd(Descriptor listener, Handler handler)
        : listener_(std::move(listener)),
          handler_(std::move(handler)),
          thread_([this] { serve(); }) {}
    ~FakeClamd() { is_over_ = true; }
    int served() const { return served_; }  // connections, with the one it serves

private:
    void serve() {
        while (!is_over_) {
            pollfd watched{.fd = listener_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&watched, 1, 5) <= 0) continue;
            const Descriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            Asker asker(connection.get());
            handler_(asker, served_++);
        }
    }

    Descriptor listener_;
    Handler handler_;
    std::atomic<bool> is_over_ = false;
    std::atomic<int> served_ = 0;
    std::jthread thread_;
};

}  // namespace sluice::inspect
