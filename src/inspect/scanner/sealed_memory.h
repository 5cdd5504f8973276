// SPDX-License-Identifier: Apache-2.0
// An object in memory that another process may read and nobody can change: filled in pieces, then sealed (memfd_create(2), fcntl(2) F_ADD_SEALS).
// A scanner that maps it knows that no byte changes and none goes away under it.
#pragma once

#include "base/result.h"
#include "inspect/descriptor.h"

#include <cstdint>
#include <string_view>

namespace sluice::inspect {

class SealedMemory {
public:
    // overloaded: no descriptor or no memory is left.
    static Result<SealedMemory> create();

    // Behind what is there. overloaded: no memory is left; the object is of no use then.
    Result<void> append(std::string_view piece);
    std::uint64_t size() const { return size_; }

    // Ends the filling. The descriptor can be mapped and read, and written, grown or shrunk by nobody any more.
    Result<Descriptor> seal() &&;

private:
    explicit SealedMemory(Descriptor memory) : memory_(std::move(memory)) {}

    Descriptor memory_;
    std::uint64_t size_ = 0;
};

}  // namespace sluice::inspect
