// SPDX-License-Identifier: Apache-2.0
#include "audit/log_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>
#include <utility>

namespace sluice::audit {

namespace {

constexpr int stall_milliseconds = 100;                            // how long one call waits for a slow reader

// Bytes after the last line's end among those that were written.
std::size_t partial_line(const Chunk& chunk) {
    const std::string_view written(chunk.bytes.get(), chunk.taken);
    const std::size_t newline = written.rfind('\n');
    return newline == std::string_view::npos ? written.size() : written.size() - newline - 1;
}

}  // namespace

Result<LogSink> LogSink::open(const std::string& destination) {
    if (destination == "-") {
        LogSink sink(STDOUT_FILENO, false);
        if (fcntl(STDOUT_FILENO, F_GETFL) < 0)
            return fail(Errc::io_failed, Side::self, "standard output is closed: the event log cannot be written", errno);
        return sink;
    }
    constexpr int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
    struct stat status{};
    const bool is_pipe = ::stat(destination.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    // To read too: for a look at how a file ends, and so that a pipe whose reader is away is not an error.
    int descriptor = ::open(destination.c_str(), O_RDWR | flags | (is_pipe ? O_NONBLOCK : 0), 0640);
    if (descriptor < 0 && errno == EACCES) descriptor = ::open(destination.c_str(), O_WRONLY | flags | (is_pipe ? O_NONBLOCK : 0), 0640);
    if (descriptor < 0) return fail(Errc::io_failed, Side::self, "the event log cannot be opened", errno);
    return LogSink(descriptor, true);
}

LogSink::LogSink(int descriptor, bool owned) : descriptor_(descriptor), owned_(owned), kind_(Kind::other) {
    struct stat status{};
    if (fstat(descriptor, &status) == 0) {
        if (S_ISREG(status.st_mode)) kind_ = Kind::file;
        if (S_ISFIFO(status.st_mode)) kind_ = Kind::pipe;
        if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
    }
    const int flags = fcntl(descriptor, F_GETFL);
    appends_ = flags >= 0 && (flags & O_APPEND) != 0;
    nonblocking_ = flags >= 0 && (flags & O_NONBLOCK) != 0;
}

LogSink::LogSink(LogSink&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      owned_(other.owned_),
      appends_(other.appends_),
      nonblocking_(other.nonblocking_),
      at_line_start_(other.at_line_start_),
      kind_(other.kind_) {}

LogSink& LogSink::operator=(LogSink&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(owned_, other.owned_);
    appends_ = other.appends_;
    nonblocking_ = other.nonblocking_;
    at_line_start_ = other.at_line_start_;
    kind_ = other.kind_;
    return *this;
}

LogSink::~LogSink() {
    if (owned_ && descriptor_ >= 0) ::close(descriptor_);
}

long LogSink::write_some(const char* bytes, std::size_t size) const {
    if (kind_ == Kind::file || kind_ == Kind::other) return ::write(descriptor_, bytes, size);
    pollfd ready{.fd = descriptor_, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, stall_milliseconds) == 0) {
        errno = EAGAIN;
        return -1;
    }
    if (kind_ == Kind::socket) return ::send(descriptor_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    // A pipe that polls writable takes PIPE_BUF bytes without blocking. Standard output is shared, so it is not made non-blocking.
    return ::write(descriptor_, bytes, nonblocking_ || size < PIPE_BUF ? size : PIPE_BUF);
}

int LogSink::write(Chunk& chunk) {
    if (!at_line_start_ && !end_last_line()) return errno;
    at_line_start_ = true;
    while (chunk.left() > 0) {
        const long written = write_some(chunk.unwritten(), chunk.left());
        if (written >= 0) {
            chunk.taken += static_cast<std::size_t>(written);
            continue;
        }
        if (errno == EINTR) continue;
        const int error = errno;
        if (error != EAGAIN) cut_partial_line(chunk);
        return error;
    }
    return 0;
}

// Only if nobody wrote behind us: the file ends where we stopped.
void LogSink::cut_partial_line(Chunk& chunk) const {
    const std::size_t partial = partial_line(chunk);
    if (partial == 0 || kind_ != Kind::file) return;
    struct stat status{};
    const off_t position = lseek(descriptor_, 0, SEEK_CUR);
    if (fstat(descriptor_, &status) != 0 || position != status.st_size) return;
    const off_t line_start = position - static_cast<off_t>(partial);
    if (line_start < 0 || ftruncate(descriptor_, line_start) != 0) return;
    if (!appends_) lseek(descriptor_, line_start, SEEK_SET);
    chunk.taken -= partial;
}

void LogSink::leave(Chunk& chunk) {
    const std::size_t partial = partial_line(chunk);
    if (partial == 0) return;
    cut_partial_line(chunk);
    if (partial_line(chunk) == 0) return;
    // Whether this works or not, the line is whole at the next destination.
    if (write_some("\n", 1) < 0) errno = 0;
    chunk.taken -= partial;
}

// A former process may have ended in the middle of a line. Looked at only when this sink is the one that writes: before, the file may be
// growing.
bool LogSink::end_last_line() const {
    struct stat status{};
    char last = '\n';
    if (kind_ != Kind::file || fstat(descriptor_, &status) != 0 || status.st_size == 0) return true;
    if (pread(descriptor_, &last, 1, status.st_size - 1) != 1 || last == '\n') return true;
    return ::write(descriptor_, "\n", 1) == 1;
}

}  // namespace sluice::audit
