// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace sluice::policy {

namespace {

constexpr std::size_t chunk_bytes = 128 * 1024;

FileIdentity identity_of(const struct stat& status) {
    const auto ns = [](const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
    return {status.st_dev, status.st_ino, status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
}

struct Descriptor {
    int fd;
    explicit Descriptor(int descriptor) : fd(descriptor) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd >= 0) close(fd);
    }
};

// Cuts what it is given into lines.
class LineSplitter {
public:
    LineSplitter(const ReadBounds& bounds, const std::function<void(std::string_view, bool)>& each) : bounds_(bounds), each_(each) {}

    Result<void> feed(std::string_view chunk) {
        total_ += chunk.size();
        if (total_ > bounds_.file) return fail(Errc::too_large, Side::self, "the file is too large");
        while (!chunk.empty()) {
            const std::size_t end = chunk.find('\n');
            if (pending_.empty() && end != std::string_view::npos) {
                emit(chunk.substr(0, end));
            } else {
                // Never more than one byte over the bound, however long the line is.
                const std::string_view part = chunk.substr(0, end);
                pending_.append(part.substr(0, bounds_.line + 2 - std::min(pending_.size(), bounds_.line + 2)));
                open_ = true;
                if (end == std::string_view::npos) return {};
                finish();
            }
            chunk.remove_prefix(end + 1);
        }
        return {};
    }
    void finish() {
        if (!open_) return;
        emit(pending_);
        pending_.clear();
        open_ = false;
    }

private:
    void emit(std::string_view line) {
        if (first_ && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
        first_ = false;
        if (line.ends_with('\r')) line.remove_suffix(1);
        const bool too_long = line.size() > bounds_.line;
        each_(line.substr(0, bounds_.line), too_long);
    }

    const ReadBounds& bounds_;
    const std::function<void(std::string_view, bool)>& each_;
    std::string pending_;                                       // a line that began in an earlier chunk
    std::size_t total_ = 0;
    bool first_ = true, open_ = false;
};

// RFC 1952: one member after the other.
class Gunzip {
public:
    Gunzip() { inflateInit2(&stream_, 15 + 16); }
    Gunzip(const Gunzip&) = delete;
    Gunzip& operator=(const Gunzip&) = delete;
    ~Gunzip() { inflateEnd(&stream_); }

    Result<void> feed(std::string_view in, LineSplitter& lines) {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
        stream_.avail_in = static_cast<uInt>(in.size());
        while (stream_.avail_in > 0) {
            if (ended_) {
                if (padding_ || *stream_.next_in == 0) {        // zeros after the last member, as tapes and block devices leave them
                    padding_ = true;
                    if (*stream_.next_in != 0) return fail(Errc::malformed, Side::self, "the compressed data is damaged");
                    ++stream_.next_in;
                    --stream_.avail_in;
                    continue;
                }
                inflateReset(&stream_);
                ended_ = false;
            }
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            const int result = inflate(&stream_, Z_NO_FLUSH);
            if (result != Z_OK && result != Z_STREAM_END)
                return fail(Errc::malformed, Side::self, "the compressed data is damaged", result);
            ended_ = result == Z_STREAM_END;
            TRY(lines.feed({out_.data(), out_.size() - stream_.avail_out}));
        }
        return {};
    }
    // What inflate could not give out for want of room.
    Result<void> drain(LineSplitter& lines) {
        while (!ended_) {
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            const int result = inflate(&stream_, Z_NO_FLUSH);
            ended_ = result == Z_STREAM_END;
            if (result != Z_OK && !ended_) return fail(Errc::malformed, Side::self, "the compressed data ends too early", result);
            TRY(lines.feed({out_.data(), out_.size() - stream_.avail_out}));
        }
        return {};
    }

private:
    z_stream stream_{};
    std::vector<char> out_ = std::vector<char>(chunk_bytes);
    bool ended_ = false, padding_ = false;
};

}  // namespace

FileIdentity identify(const std::string& path) {
    struct stat status{};
    return stat(path.c_str(), &status) == 0 ? identity_of(status) : FileIdentity{};
}

Result<FileIdentity> read_lines(const std::string& path, const ReadBounds& bounds,
                                const std::function<void(std::string_view line, bool too_long)>& each) {
    // Without O_NONBLOCK a FIFO would hold the reload for ever.
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status{};
    if (file.fd < 0 || fstat(file.fd, &status) != 0) return fail(Errc::io_failed, Side::self, "cannot be opened", errno);
    if (!S_ISREG(status.st_mode)) return fail(Errc::io_failed, Side::self, "is not a regular file", S_ISDIR(status.st_mode) ? EISDIR : 0);
    const FileIdentity identity = identity_of(status);

    LineSplitter lines(bounds, each);
    std::unique_ptr<Gunzip> gunzip;
    std::vector<char> chunk(chunk_bytes);
    for (bool first = true;; first = false) {
        // Filled as far as the file goes, so that the first one holds the two bytes that tell gzip.
        std::size_t size = 0;
        while (size < chunk.size()) {
            const ssize_t got = read(file.fd, chunk.data() + size, chunk.size() - size);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return fail(Errc::io_failed, Side::self, "cannot be read", errno);
            if (got == 0) break;
            size += static_cast<std::size_t>(got);
        }
        if (first && size >= 2 && std::memcmp(chunk.data(), "\x1f\x8b", 2) == 0) gunzip = std::make_unique<Gunzip>();
        if (size == 0) break;
        if (gunzip) TRY(gunzip->feed({chunk.data(), size}, lines));
        else TRY(lines.feed({chunk.data(), size}));
    }
    if (gunzip) TRY(gunzip->drain(lines));
    lines.finish();
    if (fstat(file.fd, &status) != 0 || identity_of(status) != identity) return FileIdentity{};
    return identity;
}

}  // namespace sluice::policy
