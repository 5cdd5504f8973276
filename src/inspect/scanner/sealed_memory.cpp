// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

namespace sluice::inspect {

namespace {

// Since Linux 6.3, which is younger than the headers of Debian 12: nobody can make the memory executable, nor run it.
constexpr unsigned noexec_seal = 0x0008U;

std::unexpected<Error> failed(std::string_view what, int cause) {
    const bool is_used_up = cause == EMFILE || cause == ENFILE || cause == ENOMEM || cause == ENOSPC;
    return fail(is_used_up ? Errc::overloaded : Errc::io_failed, Side::self, what, cause);
}

}  // namespace

Result<SealedMemory> SealedMemory::create() {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    Descriptor memory(::memfd_create("sluice-payload", flags | noexec_seal));
    if (!memory && errno == EINVAL) memory.reset(::memfd_create("sluice-payload", flags));
    if (!memory) return failed("no memory for an object to scan", errno);
    return SealedMemory(std::move(memory));
}

Result<void> SealedMemory::append(std::string_view piece) {
    while (!piece.empty()) {
        const ssize_t written = ::write(memory_.get(), piece.data(), piece.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return failed("an object to scan does not fit into memory", errno);
        size_ += static_cast<std::uint64_t>(written);
        piece.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<Descriptor> SealedMemory::seal() && {
    if (::fcntl(memory_.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return failed("an object to scan cannot be sealed", errno);
    return std::move(memory_);
}

}  // namespace sluice::inspect
