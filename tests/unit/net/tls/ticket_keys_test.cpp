// SPDX-License-Identifier: Apache-2.0
#include "net/tls/ticket_keys.h"

#include <gtest/gtest.h>

#include <openssl/evp.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

namespace sluice::net::tls {
namespace {

using namespace std::chrono_literals;

using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using MacPtr = std::unique_ptr<EVP_MAC_CTX, Freed<EVP_MAC_CTX_free>>;

constexpr std::string_view secret = "what a session says of itself";

// As libssl seals and opens: what was said is encrypted, then its seal is made.
struct Ticket {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, EVP_MAX_IV_LENGTH> iv{};
    std::array<unsigned char, 64> text{};
    int size = 0;
    std::array<unsigned char, 32> seal{};
};

class TicketKeysTest : public testing::Test {
protected:
    struct Work {
        CipherPtr cipher{EVP_CIPHER_CTX_new()};
        MacPtr mac;
        Work() {
            EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
            mac.reset(EVP_MAC_CTX_new(hmac));
            EVP_MAC_free(hmac);
        }
        std::array<unsigned char, 32> seal_of(const Ticket& ticket) {
            std::array<unsigned char, 32> seal{};
            std::size_t size = 0;
            EXPECT_EQ(EVP_MAC_update(mac.get(), ticket.text.data(), static_cast<std::size_t>(ticket.size)), 1);
            EXPECT_EQ(EVP_MAC_final(mac.get(), seal.data(), &size, seal.size()), 1);
            EXPECT_EQ(size, seal.size());
            return seal;
        }
    };
    Ticket seal(TicketKeys& keys, TicketKeys::Clock::time_point now) {
        Ticket ticket;
        Work work;
        EXPECT_EQ(keys.seal(ticket.name.data(), ticket.iv.data(), work.cipher.get(), work.mac.get(), now), 1);
        int last = 0;
        EVP_EncryptUpdate(work.cipher.get(), ticket.text.data(), &ticket.size, reinterpret_cast<const unsigned char*>(secret.data()),
                          static_cast<int>(secret.size()));
        EXPECT_EQ(EVP_EncryptFinal_ex(work.cipher.get(), ticket.text.data() + ticket.size, &last), 1);
        ticket.size += last;
        ticket.seal = work.seal_of(ticket);
        return ticket;
    }
    // What OpenSSL is told: 0 where the key is not there, 2 where the ticket is to be replaced.
    int open(TicketKeys& keys, const Ticket& ticket, TicketKeys::Clock::time_point now, bool is_used_once = false) {
        Work work;
        const int answer = keys.open(ticket.name.data(), ticket.iv.data(), work.cipher.get(), work.mac.get(), is_used_once, now);
        if (answer <= 0) return answer;
        EXPECT_EQ(work.seal_of(ticket), ticket.seal);
        std::array<unsigned char, 96> text{};
        int size = 0;
        int last = 0;
        EVP_DecryptUpdate(work.cipher.get(), text.data(), &size, ticket.text.data(), ticket.size);
        EXPECT_EQ(EVP_DecryptFinal_ex(work.cipher.get(), text.data() + size, &last), 1);
        EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size + last)), secret);
        return answer;
    }

    const TicketKeys::Clock::time_point start_ = TicketKeys::Clock::now();
};

TEST_F(TicketKeysTest, a_ticket_is_opened_for_its_period_and_the_next) {
    TicketKeys keys(1h);
    const Ticket first = seal(keys, start_);
    EXPECT_EQ(open(keys, first, start_), 1);
    EXPECT_EQ(open(keys, first, start_ + 59min), 1);
    EXPECT_EQ(open(keys, first, start_ + 59min, true), 2) << "used once: another one is due";
    EXPECT_EQ(open(keys, first, start_ + 60min), 2) << "of the previous key: another one is due";
    EXPECT_EQ(open(keys, first, start_ + 119min), 2);
    EXPECT_EQ(open(keys, first, start_ + 120min), 0);
    EXPECT_EQ(open(keys, first, start_ + 600min), 0);
}

TEST_F(TicketKeysTest, each_period_has_a_key_of_its_own) {
    TicketKeys keys(1h);
    const Ticket first = seal(keys, start_);
    const Ticket also_first = seal(keys, start_ + 59min);
    const Ticket second = seal(keys, start_ + 61min);
    EXPECT_EQ(first.name, also_first.name);
    EXPECT_NE(first.iv, also_first.iv);
    EXPECT_NE(first.text, also_first.text);
    EXPECT_NE(first.name, second.name);
    EXPECT_EQ(open(keys, second, start_ + 62min), 1);
    EXPECT_EQ(open(keys, also_first, start_ + 62min), 2);
}

// Nobody came for long: the key of then is none any more, however young it looks.
TEST_F(TicketKeysTest, time_passes_while_nobody_comes) {
    TicketKeys keys(1h);
    const Ticket old = seal(keys, start_);
    EXPECT_EQ(open(keys, old, start_ + 5h), 0);
    const Ticket later = seal(keys, start_ + 5h);
    EXPECT_EQ(open(keys, old, start_ + 5h), 0);
    EXPECT_EQ(open(keys, later, start_ + 5h), 1);
}

TEST_F(TicketKeysTest, what_others_sealed_is_not_ours) {
    TicketKeys keys(1h);
    TicketKeys others(1h);
    EXPECT_EQ(open(keys, seal(others, start_), start_), 0);
    EXPECT_EQ(open(keys, Ticket(), start_), 0) << "no name at all: there is no previous key yet";
}

TEST_F(TicketKeysTest, many_threads_may_ask) {
    TicketKeys keys(1ms);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int n = 0; n < 200; ++n) {
                const auto now = TicketKeys::Clock::now();
                const Ticket ticket = seal(keys, now);
                EXPECT_GE(open(keys, ticket, now), 0);
            }
        });
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sluice::net::tls
