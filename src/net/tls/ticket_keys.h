// SPDX-License-Identifier: Apache-2.0
// The keys by which clients' sessions are sealed into tickets (RFC 5077 4, RFC 8446 4.6.1). They change, so that what is found in our memory opens tickets
// of this period and the one before, and none that is older. Made at random, never written, overwritten where they end.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>

#include "net/tls/openssl.h"

namespace sluice::net::tls {

// From any thread. The lock is held for as long as copying 80 octets takes, once for each ticket.
class TicketKeys {
public:
    using Clock = std::chrono::steady_clock;

    explicit TicketKeys(Clock::duration period) : period_(period) {}
    TicketKeys(const TicketKeys&) = delete;
    TicketKeys& operator=(const TicketKeys&) = delete;

    // What OpenSSL asks for (SSL_CTX_set_tlsext_ticket_key_evp_cb), and is to be told. A new ticket is sealed:
    int seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, Clock::time_point now);
    // One that a client brought is opened. Another one is due where the key is not the present one, or where `is_used_once`.
    int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool is_used_once,
             Clock::time_point now);

private:
    static constexpr std::size_t name_size = 16;
    struct Key {
        std::array<unsigned char, name_size> name{};
        std::array<unsigned char, 32> cipher{};  // AES-256-CBC
        std::array<unsigned char, 32> mac{};  // HMAC-SHA-256
        bool is_there = false;
        ~Key();
    };
    bool turn(Clock::time_point now);  // false: no random numbers
    bool use(const Key& key, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, bool is_sealing) const;

    const Clock::duration period_;
    const std::unique_ptr<EVP_CIPHER, Freed<EVP_CIPHER_free>> cipher_{EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)};
    std::mutex mutex_;
    Clock::time_point next_{};  // when the present one is the previous one
    Key present_;
    Key previous_;
};

}  // namespace sluice::net::tls
