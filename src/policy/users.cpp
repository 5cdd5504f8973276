// SPDX-License-Identifier: Apache-2.0
#include "policy/users.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <crypt.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/text.h"
#include "policy/apr1.h"

namespace sluice::policy {
namespace {

// An htpasswd file of a size that a person keeps; beyond, it is some other file.
constexpr std::size_t file_limit = 16 << 20;
// A password is measured in full by every kind of hash; a longer one is wrong.
constexpr std::size_t password_limit = 1024;

enum class Kind { unknown, sha1, apr1, md5, sha256, sha512, bcrypt };       // by rising cost

Kind kind_of(std::string_view hash) {
    const auto body_of = [&](std::size_t digest) {       // after the salt: exactly the digest, in crypt's alphabet
        const std::size_t dollar = hash.rfind('$');
        const std::string_view body = hash.substr(dollar + 1);
        return body.size() == digest &&
               std::ranges::all_of(body, [](char c) { return is_alpha(c) || is_digit(c) || c == '.' || c == '/'; });
    };
    const auto dollars = std::ranges::count(hash, '$');
    if (hash.starts_with("{SHA}")) return hash.size() == 5 + 28 && hash.ends_with('=') ? Kind::sha1 : Kind::unknown;
    if (hash.starts_with("$apr1$")) return dollars == 3 && body_of(22) ? Kind::apr1 : Kind::unknown;
    if (hash.starts_with("$1$")) return dollars == 3 && body_of(22) ? Kind::md5 : Kind::unknown;
    if (hash.starts_with("$5$")) return (dollars == 3 || hash.starts_with("$5$rounds=")) && body_of(43) ? Kind::sha256 : Kind::unknown;
    if (hash.starts_with("$6$")) return (dollars == 3 || hash.starts_with("$6$rounds=")) && body_of(86) ? Kind::sha512 : Kind::unknown;
    for (const std::string_view prefix : {"$2y$", "$2a$", "$2b$"})
        if (hash.starts_with(prefix)) return hash.size() == 60 && body_of(53) ? Kind::bcrypt : Kind::unknown;
    return Kind::unknown;
}

bool same(std::string_view a, std::string_view b) { return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

bool sha1_matches(std::string_view hash, std::string_view password) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int length = 0;
    if (EVP_Digest(password.data(), password.size(), digest.data(), &length, EVP_sha1(), nullptr) != 1) return false;
    std::array<unsigned char, 64> text;
    const int written = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(length));
    return same(hash.substr(5), {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(written)});
}

bool matches(const std::string& hash, const std::string& password) {
    switch (kind_of(hash)) {
        case Kind::unknown: return false;
        case Kind::sha1: return sha1_matches(hash, password);
        case Kind::apr1: return same(hash, apr1(password, hash));
        default: break;
    }
    const auto data = std::make_unique<crypt_data>();    // 32 KiB
    const char* const made = crypt_r(password.c_str(), hash.c_str(), data.get());
    const bool good = made != nullptr && made[0] != '*' && same(hash, made);
    OPENSSL_cleanse(data.get(), sizeof *data);
    return good;
}

}  // namespace

std::shared_ptr<const UserFile> UserFile::load(const std::string& path, Diagnostics& diagnostics) {
    const auto unreadable = [&](std::string_view why) {
        diagnostics.push_back({{path}, fmt::format("the file of users cannot be read: {}", why), {}});
        return nullptr;
    };
    std::ifstream file(path, std::ios::binary);
    if (!file) return unreadable(std::strerror(errno));
    std::string text(file_limit + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) return unreadable(std::strerror(errno));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > file_limit) return unreadable("it is larger than 16 MiB");
    return parse(text, path, diagnostics);
}

std::shared_ptr<const UserFile> UserFile::parse(std::string_view text, const std::string& file_name, Diagnostics& diagnostics) {
    auto users = std::make_shared<UserFile>();
    std::size_t number = 0;
    bool good = true;
    Kind costliest = Kind::unknown;
    for (std::string_view line : split(text, '\n')) {
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (trim(line).empty() || line.starts_with('#')) continue;
        // The line is not shown: it holds a hash.
        const auto fault = [&](std::string message) {
            diagnostics.push_back({{file_name, number, 0}, std::move(message), {}});
            good = false;
        };
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) {
            fault("a line is `user:hash`");
            continue;
        }
        const std::string_view user = line.substr(0, colon);
        const std::string hash(line.substr(colon + 1));
        const Kind kind = kind_of(hash);
        if (kind == Kind::unknown) {
            fault(fmt::format("the hash of `{}` is of no known kind; there are bcrypt, SHA-512, SHA-256 and MD5 crypt, $apr1$ and {{SHA}}",
                              user));
            continue;
        }
        if (!users->hashes_.try_emplace(std::string(user), hash).second) fault(fmt::format("`{}` is in this file twice", user));
        if (kind > costliest) {
            costliest = kind;
            users->decoy_ = hash;
        }
    }
    if (!good) return nullptr;
    return users;
}

bool UserFile::verify(std::string_view user, std::string_view password) const {
    if (password.size() > password_limit || password.contains('\0')) return false;
    const auto found = hashes_.find(std::string(user));
    const bool known = found != hashes_.end();
    const bool good = matches(known ? found->second : decoy_, std::string(password));
    return known && good;
}

}  // namespace sluice::policy
