// SPDX-License-Identifier: Apache-2.0
// Hashes over payloads as they pass. An object is one worker's, keeps its context, and is used for one payload after another; `finish` gives the
// hash of what was fed since the last one. OpenSSL failing (it has no memory) is an error that is kept until then: a hash of less than all
// the bytes is never given out.
#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

struct evp_cipher_ctx_st;
struct evp_md_ctx_st;

namespace sluice::inspect {

class Sha256 {
public:
    using Digest = std::array<std::uint8_t, 32>;

    Sha256();
    void feed(std::string_view bytes);
    Result<Digest> finish();

private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    bool start();

    std::unique_ptr<evp_md_ctx_st, Free> context_;
    bool good_;
};

// What the verdict cache knows a content by: GMAC (NIST SP 800-38D) under a key that nobody outside the process knows, and one nonce. The length
// is hashed too: it is GHASH's last block. Only under these conditions is it a hash without collisions that anybody could construct: a value is
// never shown, logged or sent, since two of them would tell about the key.
class ContentHash {
public:
    using Key = std::array<std::uint8_t, 16>;
    using Value = std::array<std::uint8_t, 16>;

    // From the system's random source. One a process, for all its workers: the same content has the same value in each.
    static Result<Key> random_key();

    explicit ContentHash(const Key& key);
    void feed(std::string_view bytes);
    Result<Value> finish();

private:
    struct Free {
        void operator()(evp_cipher_ctx_st* context) const;
    };
    bool start();

    std::unique_ptr<evp_cipher_ctx_st, Free> context_;
    bool good_;
};

}  // namespace sluice::inspect
