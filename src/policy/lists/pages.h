// SPDX-License-Identifier: Apache-2.0
// Anonymous memory straight from the kernel, for the few large tables: it grows without a copy (mremap), shrinks to what is used, is zero
// at first, and asks for huge pages, which halves the cost of a random access into tens of megabytes.
#pragma once

#include <cstddef>
#include <utility>

namespace sluice::policy {

class Pages {
public:
    Pages() = default;
    explicit Pages(std::size_t bytes) { resize(bytes); }
    Pages(Pages&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Pages& operator=(Pages&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~Pages();

    // Keeps the contents up to the smaller size; new bytes are zero. Throws std::bad_alloc.
    void resize(std::size_t bytes);
    std::byte* data() { return data_; }
    const std::byte* data() const { return data_; }
    std::size_t size() const { return size_; }                  // bytes, whole pages

private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sluice::policy
