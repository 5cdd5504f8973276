// SPDX-License-Identifier: Apache-2.0
#include "net/tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <span>

namespace sluice::net::tls {

namespace {

// What the callback may answer.
constexpr int failed = -1;
constexpr int is_not_ours = 0;
constexpr int is_good = 1;
constexpr int is_to_be_renewed = 2;

bool fill(std::span<unsigned char> room) { return RAND_bytes(room.data(), static_cast<int>(room.size())) == 1; }

}  // namespace

TicketKeys::Key::~Key() {
    OPENSSL_cleanse(cipher.data(), cipher.size());
    OPENSSL_cleanse(mac.data(), mac.size());
}

// Time moves on also while nobody comes: what is older than one period is no key any more.
bool TicketKeys::turn(Clock::time_point now) {
    if (present_.is_there && now < next_) return true;
    Key made;
    if (!fill(made.name) || RAND_priv_bytes(made.cipher.data(), static_cast<int>(made.cipher.size())) != 1 ||
        RAND_priv_bytes(made.mac.data(), static_cast<int>(made.mac.size())) != 1)
        return false;
    made.is_there = true;
    previous_ = present_.is_there && now < next_ + period_ ? present_ : Key();
    present_ = made;
    next_ = now + period_;
    return true;
}

bool TicketKeys::use(const Key& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool is_sealing) const {
    std::array<char, 7> sha256{"SHA256"};
    const std::array<OSSL_PARAM, 2> digest{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256.data(), 0),
                                           OSSL_PARAM_construct_end()};
    return EVP_CipherInit_ex2(cipher, cipher_.get(), key.cipher.data(), iv, is_sealing ? 1 : 0, nullptr) == 1 &&
           EVP_MAC_init(mac, key.mac.data(), key.mac.size(), digest.data()) == 1;
}

int TicketKeys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, Clock::time_point now) {
    Key key;
    {
        const std::lock_guard lock(mutex_);
        if (!turn(now)) return failed;
        key = present_;
    }
    std::ranges::copy(key.name, name);
    const bool has_iv = fill({iv, static_cast<std::size_t>(EVP_CIPHER_get_iv_length(cipher_.get()))});
    return has_iv && use(key, iv, cipher, mac, true) ? is_good : failed;
}

int TicketKeys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool is_used_once,
                     Clock::time_point now) {
    Key key;
    bool is_present = false;
    {
        const std::lock_guard lock(mutex_);
        if (!turn(now)) return failed;
        const auto is_of = [&](const Key& one) { return one.is_there && std::ranges::equal(one.name, std::span(name, name_size)); };
        is_present = is_of(present_);
        if (!is_present && !is_of(previous_)) return is_not_ours;
        key = is_present ? present_ : previous_;
    }
    if (!use(key, iv, cipher, mac, false)) return failed;
    return is_present && !is_used_once ? is_good : is_to_be_renewed;
}

}  // namespace sluice::net::tls
