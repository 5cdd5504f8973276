// SPDX-License-Identifier: Apache-2.0
// Counts those who are there, for as long as they are. Shared, because a coroutine's frame may outlive who counts.
#pragma once

#include <cstddef>
#include <memory>

namespace sluice::app {

class Counted {
public:
    explicit Counted(std::shared_ptr<std::size_t> count) : count_(std::move(count)) { ++*count_; }
    ~Counted() { --*count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;

private:
    std::shared_ptr<std::size_t> count_;
};

}  // namespace sluice::app
