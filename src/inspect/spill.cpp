// SPDX-License-Identifier: Apache-2.0
#include "inspect/spill.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace sluice::inspect {

namespace {

std::unexpected<Error> failed(const char* what) {
    const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    return fail(full ? Errc::overloaded : Errc::io_failed, Side::self, what, errno);
}

}  // namespace

Result<std::shared_ptr<Spill>> Spill::create(const std::string& folder, Budget& disk) {
    // Not O_TMPFILE, which some file systems lack (overlayfs before Linux 6.2).
    std::string name = folder + "/held-XXXXXX";
    Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
    if (!file || ::unlink(name.c_str()) != 0) return failed("a file for held payloads cannot be made");
    return std::shared_ptr<Spill>(new Spill(std::move(file), disk));
}

Spill::~Spill() { disk_.give_back(size_); }

Result<void> Spill::append(std::span<const std::string_view> pieces) {
    std::uint64_t wanted = 0;
    for (const std::string_view piece : pieces) wanted += piece.size();
    if (!disk_.take(wanted)) return fail(Errc::overloaded, Side::self, "the files of held payloads have reached inspect.disk");
    std::uint64_t offset = size_;
    for (std::string_view piece : pieces) {
        while (!piece.empty()) {
            const ssize_t written = ::pwrite(file_.get(), piece.data(), piece.size(), static_cast<off_t>(offset));
            if (written < 0 && errno == EINTR) continue;
            if (written <= 0) {
                auto error = failed("a held payload cannot be written to its file");
                disk_.give_back(wanted);
                return error;
            }
            offset += static_cast<std::uint64_t>(written);
            piece.remove_prefix(static_cast<std::size_t>(written));
        }
    }
    size_ = offset;
    return {};
}

Result<std::size_t> Spill::read(std::uint64_t offset, std::span<char> into) const {
    std::size_t got = 0;
    while (got < into.size()) {
        const ssize_t read = ::pread(file_.get(), into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
        if (read < 0 && errno == EINTR) continue;
        if (read < 0) return failed("a held payload cannot be read from its file");
        if (read == 0) break;
        got += static_cast<std::size_t>(read);
    }
    return got;
}

Result<Descriptor> Spill::reopen() const {
    Descriptor file(::open(fmt::format("/proc/self/fd/{}", file_.get()).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return failed("a held payload's file cannot be opened again");
    return file;
}

}  // namespace sluice::inspect
