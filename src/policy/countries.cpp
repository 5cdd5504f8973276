// SPDX-License-Identifier: Apache-2.0
#include "policy/countries.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace sluice::policy {

struct Countries::Database {
    MMDB_s mmdb{};
    bool is_open = false;
    ~Database() {
        if (is_open) MMDB_close(&mmdb);
    }
};

namespace {

// Databases of countries have less than 20 MB; beyond, it is some other file.
constexpr std::size_t file_limit = std::size_t{256} << 20;

// A file in memory that has no name, with its path for libraries that open files.
class Copy {
public:
    Copy() : descriptor_(::memfd_create("countries", MFD_CLOEXEC)) {}
    Copy(const Copy&) = delete;
    Copy& operator=(const Copy&) = delete;
    ~Copy() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    bool write(const char* bytes, std::size_t size) {
        while (size > 0) {
            const ssize_t written = ::write(descriptor_, bytes, size);
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) return false;
            bytes += written;
            size -= static_cast<std::size_t>(written);
        }
        return true;
    }
    bool is_there() const { return descriptor_ >= 0; }
    std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

private:
    int descriptor_;
};

}  // namespace

Countries::Countries(std::unique_ptr<Database> database) : database_(std::move(database)) {}

Countries::~Countries() = default;

Result<std::shared_ptr<const Countries>> Countries::load(const std::string& path) {
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    if (!in) return fail(Errc::io_failed, Side::self, "cannot be read", errno);
    Copy copy;
    if (!copy.is_there()) return fail(Errc::io_failed, Side::self, "cannot be copied into memory", errno);
    std::array<char, 65536> block;
    for (std::size_t size = 0; in.read(block.data(), block.size()) || in.gcount() > 0;) {
        const auto got = static_cast<std::size_t>(in.gcount());
        size += got;
        if (size > file_limit) return fail(Errc::too_large, Side::self, "is larger than 256MiB");
        if (!copy.write(block.data(), got)) return fail(Errc::io_failed, Side::self, "cannot be copied into memory", errno);
    }
    auto database = std::make_unique<Database>();
    if (MMDB_open(copy.path().c_str(), MMDB_MODE_MMAP, &database->mmdb) != MMDB_SUCCESS)
        return fail(Errc::malformed, Side::self, "is no MaxMind database");
    database->is_open = true;
    return std::shared_ptr<const Countries>(new Countries(std::move(database)));
}

std::string_view Countries::of(const IpAddress& address) const {
    sockaddr_storage storage{};
    if (address.is_v4()) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        v4.sin_family = AF_INET;
        std::memcpy(&v4.sin_addr, address.bytes().data(), sizeof v4.sin_addr);
    } else {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        v6.sin6_family = AF_INET6;
        std::memcpy(&v6.sin6_addr, address.bytes().data(), sizeof v6.sin6_addr);
    }
    int error = MMDB_SUCCESS;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&database_->mmdb, reinterpret_cast<const sockaddr*>(&storage), &error);
    if (error != MMDB_SUCCESS || !found.found_entry) return {};
    static constexpr std::array<const char*, 3> path{"country", "iso_code", nullptr};
    MMDB_entry_data_s data{};
    if (MMDB_aget_value(&found.entry, &data, path.data()) != MMDB_SUCCESS || !data.has_data || data.type != MMDB_DATA_TYPE_UTF8_STRING)
        return {};
    return {data.utf8_string, data.data_size};
}

}  // namespace sluice::policy
