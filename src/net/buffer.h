// SPDX-License-Identifier: Apache-2.0
// Buffers that are lent, so that an idle connection holds none.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sluice::net {

class BufferPool;

enum class BufferSize : unsigned char { small, large };

// Uninitialised bytes, given back to the pool when destroyed. Empty after a move or `release`. The pool outlives it.
class Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), pool_(other.pool_), size_class_(other.size_class_) {}
    Buffer& operator=(Buffer&& other) noexcept {
        if (this != &other) {
            release();
            data_ = std::exchange(other.data_, nullptr);
            pool_ = other.pool_;
            size_class_ = other.size_class_;
        }
        return *this;
    }
    ~Buffer() { release(); }

    explicit operator bool() const { return data_ != nullptr; }
    char* data() const { return data_; }
    std::size_t size() const;
    std::span<char> span() const { return {data_, size()}; }
    void release();

private:
    friend class BufferPool;
    Buffer(char* data, BufferPool* pool, BufferSize size_class) : data_(data), pool_(pool), size_class_(size_class) {}
    char* data_ = nullptr;
    BufferPool* pool_ = nullptr;
    BufferSize size_class_ = BufferSize::small;
};

// One a worker. Keeps a few of each size for the next one.
class BufferPool {
public:
    static constexpr std::size_t small_size = 16 * 1024;
    static constexpr std::size_t large_size = 256 * 1024;

    BufferPool() = default;
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool();

    Buffer borrow(BufferSize size_class = BufferSize::small);
    std::size_t lent() const { return lent_; }

private:
    friend class Buffer;
    struct Class {
        std::size_t size;
        std::size_t kept;                                // at most so many wait for the next user
        std::vector<char*> free;
    };
    Class& of(BufferSize size_class) { return size_class == BufferSize::small ? small_ : large_; }
    void give_back(char* data, BufferSize size_class);

    Class small_{small_size, 128, {}};
    Class large_{large_size, 8, {}};
    std::size_t lent_ = 0;
};

inline std::size_t Buffer::size() const {
    if (!data_) return 0;
    return size_class_ == BufferSize::small ? BufferPool::small_size : BufferPool::large_size;
}

}  // namespace sluice::net
