// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace sluice::policy {

namespace {
constexpr std::size_t huge_page = 2 * 1024 * 1024;

// The kernel places a mapping of whole huge pages at a multiple of them; of others the end would stay small pages.
std::size_t rounded(std::size_t bytes) {
    const std::size_t unit = bytes >= huge_page ? huge_page : static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (bytes + unit - 1) / unit * unit;
}
}  // namespace

Pages::~Pages() {
    if (data_ != nullptr) munmap(data_, size_);
}

void Pages::resize(std::size_t bytes) {
    const std::size_t wanted = rounded(bytes);
    if (wanted == size_) return;
    if (wanted == 0) {
        munmap(data_, size_);
        data_ = nullptr;
        size_ = 0;
        return;
    }
    void* moved = data_ == nullptr ? mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                   : mremap(data_, size_, wanted, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(moved);
    size_ = wanted;
    // A kernel without huge pages refuses; small ones do as well.
    if (size_ >= huge_page) (void)madvise(data_, size_, MADV_HUGEPAGE);
}

}  // namespace sluice::policy
