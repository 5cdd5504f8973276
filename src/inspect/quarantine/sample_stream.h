// SPDX-License-Identifier: Apache-2.0
// An object on its way into the file of a sample, and out of it. Blocking; in pieces, whatever the object's size.
#pragma once

#include "base/result.h"
#include "inspect/quarantine/sample.h"

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

struct evp_cipher_ctx_st;
struct evp_md_ctx_st;

namespace sluice::inspect {

// The system's word for what went wrong: overloaded where a disk, a quota or a table is full, io_failed otherwise.
std::unexpected<Error> system_failure(std::string_view what, int cause);

// Writes all of it to a file.
Result<void> write_whole(int file, std::string_view bytes);

// A hash of OpenSSL's. A failure is kept until the end.
class RunningDigest {
public:
    explicit RunningDigest(const char* algorithm);                  // "SHA256"
    void feed(std::string_view bytes);
    // Empty: OpenSSL has not this one (a policy of the system's forbids it), or no memory.
    std::vector<std::uint8_t> finish();

private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Free> context_;
    bool good_;
};

// AES-256-CTR in either direction: they are the same.
class SampleCipher {
public:
    explicit SampleCipher(const Metadata& metadata);
    // `in` has at most a gigabyte; `out` room for as much. False: OpenSSL failed.
    bool apply(std::string_view in, char* out);

private:
    struct Free {
        void operator()(evp_cipher_ctx_st* context) const;
    };
    std::unique_ptr<evp_cipher_ctx_st, Free> context_;
    bool good_;
};

// Into a new file, under a new key.
class SampleWriter {
public:
    explicit SampleWriter(int file) : file_(file) {}

    Result<void> begin();                                    // the magic; a key and a nonce from the system's random source
    Result<void> append(std::string_view piece);
    Result<Metadata> finish();                               // without the event. Nothing is synced

private:
    int file_;
    Metadata metadata_;
    std::unique_ptr<SampleCipher> cipher_;
    RunningDigest sha256_{"SHA256"};
    std::vector<char> buffer_;
};

// Hands the object of a sample's file to `each`, piece by piece, whose error ends it and is returned. malformed: the file is damaged, which
// is known for sure only at the end; until then `each` may have got other bytes than those that were stored.
Result<void> read_sample(int file, const Metadata& metadata, const std::function<Result<void>(std::string_view)>& each);

}  // namespace sluice::inspect
