// SPDX-License-Identifier: Apache-2.0
#include "policy/apr1.h"

#include <array>
#include <cstdint>
#include <memory>

#include <openssl/evp.h>

namespace sluice::policy {
namespace {

using Digest = std::array<unsigned char, 16>;

class Md5 {
public:
    Md5() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) { good_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_md5(), nullptr) == 1; }
    void add(std::string_view text) { good_ = good_ && EVP_DigestUpdate(context_.get(), text.data(), text.size()) == 1; }
    void add(const Digest& digest, std::size_t size = 16) { add({reinterpret_cast<const char*>(digest.data()), size}); }
    bool finish(Digest& out) {
        good_ = good_ && EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1;
        return good_;
    }

private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
    bool good_ = false;
};

constexpr std::string_view magic = "$apr1$";

// Three bytes as four characters, lowest six bits first.
void encode(std::string& out, unsigned a, unsigned b, unsigned c, int characters) {
    constexpr std::string_view alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    std::uint32_t bits = a << 16 | b << 8 | c;
    for (; characters > 0; --characters, bits >>= 6) out += alphabet[bits & 63];
}

}  // namespace

// The steps are those of Apache's apr_md5_encode (apr-util, crypto/apr_md5.c).
std::string apr1(std::string_view password, std::string_view setting) {
    if (!setting.starts_with(magic)) return {};
    std::string_view salt = setting.substr(magic.size());
    salt = salt.substr(0, salt.find('$'));
    salt = salt.substr(0, 8);

    Digest digest;
    Md5 inner;
    inner.add(password);
    inner.add(salt);
    inner.add(password);
    if (!inner.finish(digest)) return {};

    Md5 outer;
    outer.add(password);
    outer.add(magic);
    outer.add(salt);
    for (std::size_t left = password.size(); left > 0; left -= std::min<std::size_t>(left, 16))
        outer.add(digest, std::min<std::size_t>(left, 16));
    for (std::size_t i = password.size(); i != 0; i >>= 1) outer.add((i & 1) != 0 ? std::string_view("\0", 1) : password.substr(0, 1));
    if (!outer.finish(digest)) return {};

    for (int round = 0; round < 1000; ++round) {
        Md5 next;
        if ((round & 1) != 0) next.add(password);
        else next.add(digest);
        if (round % 3 != 0) next.add(salt);
        if (round % 7 != 0) next.add(password);
        if ((round & 1) != 0) next.add(digest);
        else next.add(password);
        if (!next.finish(digest)) return {};
    }

    std::string out(magic);
    out += salt;
    out += '$';
    for (const auto& [a, b, c] :
         {std::array{0, 6, 12}, std::array{1, 7, 13}, std::array{2, 8, 14}, std::array{3, 9, 15}, std::array{4, 10, 5}})
        encode(out, digest[static_cast<std::size_t>(a)], digest[static_cast<std::size_t>(b)], digest[static_cast<std::size_t>(c)], 4);
    encode(out, 0, 0, digest[11], 2);
    return out;
}

}  // namespace sluice::policy
