// SPDX-License-Identifier: Apache-2.0
// One content coding being undone: what the decoder needs of zlib, Brotli and Zstandard. For this folder.
#pragma once

#include "inspect/content/coding.h"
#include "inspect/verdict.h"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace sluice::inspect {

class Codec {
public:
    struct Step {
        std::size_t written = 0;          // octets at the front of `out`; good also with a fault
        bool has_more = false;            // there may be more without any further input: step again
        Reason fault = Reason::none;      // final: corrupt, undecodable, or overloaded (no memory)
    };

    virtual ~Codec() = default;
    // Takes from the front of `in`, all of it or until `out` (not empty) is full; to be called until `in` is empty and has_more is false.
    virtual Step step(std::string_view& in, std::span<char> out) = 0;
    // Whether the input may end here. True before the first octet: servers label empty bodies too, and nothing hides in them.
    virtual bool may_end() const = 0;
};

std::unique_ptr<Codec> make_gzip();
std::unique_ptr<Codec> make_deflate();
std::unique_ptr<Codec> make_brotli();
std::unique_ptr<Codec> make_zstd();

}  // namespace sluice::inspect
