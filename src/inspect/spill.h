// SPDX-License-Identifier: Apache-2.0
// A file without a name, in which bytes of a payload wait. BLOCKING: for threads of a net::Aside. One call at a time.
#pragma once

#include "base/result.h"
#include "inspect/budget.h"
#include "inspect/descriptor.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::inspect {

class Spill {
public:
    // In a folder that must be there. The budget outlives it. io_failed: `cause` is errno.
    static Result<std::shared_ptr<Spill>> create(const std::string& folder, Budget& disk);
    ~Spill();
    Spill(const Spill&) = delete;
    Spill& operator=(const Spill&) = delete;

    // All of them, behind what is there. overloaded: the budget or the disk is full; the file is as it was.
    Result<void> append(std::span<const std::string_view> pieces);
    // Up to `into.size()` bytes from `offset` on; less at the end alone.
    Result<std::size_t> read(std::uint64_t offset, std::span<char> into) const;
    // The same file, for reading alone.
    Result<Descriptor> reopen() const;
    std::uint64_t size() const { return size_; }

private:
    Spill(Descriptor file, Budget& disk) : file_(std::move(file)), disk_(disk) {}

    Descriptor file_;
    Budget& disk_;
    std::uint64_t size_ = 0;
};

}  // namespace sluice::inspect
