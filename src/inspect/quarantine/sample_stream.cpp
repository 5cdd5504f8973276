// SPDX-License-Identifier: Apache-2.0
#include "inspect/quarantine/sample_stream.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sluice::inspect {

namespace {

constexpr std::size_t piece_size = 256 * 1024;               // bytes: small beside an object, large beside a system call

std::unexpected<Error> damaged() { return fail(Errc::malformed, Side::self, "the sample is damaged: it is not what was stored"); }
std::unexpected<Error> openssl_failed() { return fail(Errc::overloaded, Side::self, "OpenSSL could not process a sample"); }

}  // namespace

std::unexpected<Error> system_failure(std::string_view what, int cause) {
    const bool is_used_up = cause == ENOSPC || cause == EDQUOT || cause == EMFILE || cause == ENFILE || cause == ENOMEM;
    return fail(is_used_up ? Errc::overloaded : Errc::io_failed, Side::self, what, cause);
}

Result<void> write_whole(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return system_failure("a sample cannot be written", written < 0 ? errno : ENOSPC);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

void RunningDigest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

RunningDigest::RunningDigest(const char* algorithm) : context_(EVP_MD_CTX_new()), good_(false) {
    EVP_MD* const method = EVP_MD_fetch(nullptr, algorithm, nullptr);
    good_ = context_ != nullptr && method != nullptr && EVP_DigestInit_ex2(context_.get(), method, nullptr) == 1;
    EVP_MD_free(method);                                     // the context holds it
}

void RunningDigest::feed(std::string_view bytes) { good_ = good_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1; }

std::vector<std::uint8_t> RunningDigest::finish() {
    std::vector<std::uint8_t> value(EVP_MAX_MD_SIZE);
    unsigned size = 0;
    if (!good_ || EVP_DigestFinal_ex(context_.get(), value.data(), &size) != 1) size = 0;
    value.resize(size);
    good_ = false;
    return value;
}

void SampleCipher::Free::operator()(evp_cipher_ctx_st* context) const { EVP_CIPHER_CTX_free(context); }

SampleCipher::SampleCipher(const Metadata& metadata)
    : context_(EVP_CIPHER_CTX_new()),
      good_(context_ != nullptr &&
            EVP_EncryptInit_ex2(context_.get(), EVP_aes_256_ctr(), metadata.key.data(), metadata.nonce.data(), nullptr) == 1) {}

bool SampleCipher::apply(std::string_view in, char* out) {
    int size = 0;
    good_ = good_ && EVP_EncryptUpdate(context_.get(), reinterpret_cast<unsigned char*>(out), &size,
                                       reinterpret_cast<const unsigned char*>(in.data()), static_cast<int>(in.size())) == 1;
    return good_ && static_cast<std::size_t>(size) == in.size();
}

Result<void> SampleWriter::begin() {
    if (RAND_priv_bytes(metadata_.key.data(), static_cast<int>(metadata_.key.size())) != 1 ||
        RAND_bytes(metadata_.nonce.data(), static_cast<int>(metadata_.nonce.size())) != 1)
        return fail(Errc::io_failed, Side::self, "the system gives no random bytes");
    cipher_ = std::make_unique<SampleCipher>(metadata_);
    buffer_.resize(piece_size);
    return write_whole(file_, sample_magic);
}

Result<void> SampleWriter::append(std::string_view piece) {
    while (!piece.empty()) {
        const std::string_view part = piece.substr(0, buffer_.size());
        sha256_.feed(part);
        if (!cipher_->apply(part, buffer_.data())) return openssl_failed();
        TRY(write_whole(file_, {buffer_.data(), part.size()}));
        metadata_.size += part.size();
        piece.remove_prefix(part.size());
    }
    return {};
}

Result<Metadata> SampleWriter::finish() {
    const std::vector<std::uint8_t> hash = sha256_.finish();
    if (hash.size() != metadata_.sha256.size()) return openssl_failed();
    std::ranges::copy(hash, metadata_.sha256.begin());
    return metadata_;
}

Result<void> read_sample(int file, const Metadata& metadata, const std::function<Result<void>(std::string_view)>& each) {
    struct stat status{};
    if (::fstat(file, &status) != 0) return system_failure("a sample cannot be read", errno);
    // A lengthened or shortened file is known before any byte of it is handed out.
    if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) - sample_magic.size() != metadata.size) return damaged();

    std::vector<char> in(piece_size), out(piece_size);
    SampleCipher cipher(metadata);
    RunningDigest sha256("SHA256");
    const auto read_at = [&](std::uint64_t offset, std::size_t size) -> Result<std::string_view> {
        for (std::size_t have = 0; have < size;) {
            const ssize_t got = ::pread(file, in.data() + have, size - have, static_cast<off_t>(offset + have));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return system_failure("a sample cannot be read", errno);
            if (got == 0) return damaged();
            have += static_cast<std::size_t>(got);
        }
        return std::string_view(in.data(), size);
    };
    if (TRY(read_at(0, sample_magic.size())) != sample_magic) return damaged();
    for (std::uint64_t done = 0; done < metadata.size;) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, metadata.size - done));
        if (!cipher.apply(TRY(read_at(sample_magic.size() + done, size)), out.data())) return openssl_failed();
        const std::string_view piece(out.data(), size);
        sha256.feed(piece);
        TRY(each(piece));
        done += size;
    }
    const std::vector<std::uint8_t> hash = sha256.finish();
    if (hash.empty()) return openssl_failed();
    return std::ranges::equal(hash, metadata.sha256) ? Result<void>() : damaged();
}

}  // namespace sluice::inspect
