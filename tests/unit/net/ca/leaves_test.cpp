// SPDX-License-Identifier: Apache-2.0
#include "net/ca/leaves.h"
#include "unit/net/ca/support.h"

#include <atomic>
#include <functional>
#include <vector>

namespace sluice::net::ca {
namespace {

using LeafPtr = std::shared_ptr<const Leaf>;

// Hands questions on to a signer, counts them, and can hold them back or answer that they are refused.
class LeavesTest : public AuthorityTest {
protected:
    LeavesTest() {
        const auto [ours, theirs] = packets();
        maker_ = std::move(*LeafMaker::start(std::make_unique<Signer>(ours)));
        const auto [mine, signers] = packets();
        signer_ = std::thread([this, socket = signers] {
            EXPECT_EQ(run_signer(socket, authority_), 0);
            ::close(socket);
        });
        between_ = std::thread([this, theirs, mine] {
            std::string packet(200'000, 0);
            for (;;) {
                const ssize_t got = ::recv(theirs, packet.data(), packet.size(), 0);
                if (got <= 0) break;
                ++asked_;
                while (is_held_) std::this_thread::yield();
                if (is_refusing_) {
                    const std::string refusal = packet.substr(0, 8) + "R";
                    ::send(theirs, refusal.data(), refusal.size(), 0);
                    continue;
                }
                ::send(mine, packet.data(), static_cast<std::size_t>(got), 0);
                const ssize_t answered = ::recv(mine, packet.data(), packet.size(), 0);
                ::send(theirs, packet.data(), static_cast<std::size_t>(answered), 0);
            }
            ::close(mine);
            ::close(theirs);
        });
    }
    ~LeavesTest() override {
        maker_.reset();
        between_.join();
        signer_.join();
    }

    Result<LeafPtr> get(LeafCache& cache, std::string_view name, X509* server = nullptr, KeyKind kind = KeyKind::ecdsa) {
        Result<LeafPtr> leaf;
        worker_.run([](LeafCache& from, std::string_view wanted, X509* of, KeyKind of_kind, Result<LeafPtr>& out) -> Task<void> {
            out = co_await from.get(std::string(wanted), of, of_kind);
        }(cache, name, server, kind, leaf));
        return leaf;
    }
    // All at once: they are asked for before the first is made.
    std::vector<Result<LeafPtr>> get_together(LeafCache& cache, const std::vector<std::pair<std::string, X509*>>& wanted) {
        std::vector<Result<LeafPtr>> leaves(wanted.size());
        is_held_ = true;
        worker_.run([](LeavesTest& self, LeafCache& from, const auto& all, std::vector<Result<LeafPtr>>& out) -> Task<void> {
            std::size_t left = all.size();
            Gate done;
            for (std::size_t i = 0; i < all.size(); ++i)
                spawn(self.worker_,
                      [](LeafCache& of, const auto& each, Result<LeafPtr>& leaf, std::size_t& still, Gate& gate) -> Task<void> {
                          leaf = co_await of.get(each.first, each.second, KeyKind::ecdsa);
                          if (--still == 0) gate.open();
                      }(from, all[i], out[i], left, done));
            co_await self.worker_.sleep(std::chrono::milliseconds(20));
            self.is_held_ = false;
            co_await done.wait();
        }(*this, cache, wanted, leaves));
        return leaves;
    }

    std::atomic<int> asked_{0};
    std::atomic<bool> is_held_{false};
    std::atomic<bool> is_refusing_{false};
    std::unique_ptr<LeafMaker> maker_;
    std::thread signer_;
    std::thread between_;
    Worker worker_;
};

TEST_F(LeavesTest, are_kept_by_name_and_kind) {
    LeafCache cache(*maker_, worker_, 10);
    const auto first = get(cache, "a.test");
    ASSERT_TRUE(first);
    EXPECT_EQ(verify(*(*first)->certificate, "a.test"), X509_V_OK);
    EXPECT_EQ(X509_check_private_key((*first)->certificate.get(), (*first)->key.get()), 1);
    EXPECT_EQ(EVP_PKEY_is_a((*first)->key.get(), "EC"), 1);
    EXPECT_EQ(*get(cache, "a.test"), *first);
    const auto rsa = get(cache, "a.test", nullptr, KeyKind::rsa);
    ASSERT_TRUE(rsa);
    EXPECT_EQ(EVP_PKEY_is_a((*rsa)->key.get(), "RSA"), 1);
    EXPECT_EQ(X509_check_private_key((*rsa)->certificate.get(), (*rsa)->key.get()), 1);
    EXPECT_EQ(*get(cache, "a.test"), *first);
    EXPECT_NE(*get(cache, "b.test"), *first);
    EXPECT_EQ(asked_, 3);
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_EQ(cache.counters().made, 3U);
    EXPECT_EQ(cache.counters().found, 2U);
    EXPECT_EQ(cache.counters().failed, 0U);
}

TEST_F(LeavesTest, another_certificate_of_the_server_makes_another) {
    LeafCache cache(*maker_, worker_, 10);
    const tls::Identity old = tls::make_certificate({.names = "DNS:a.test,DNS:old.test"});
    const tls::Identity renewed = tls::make_certificate({.names = "DNS:a.test,DNS:new.test"});
    const auto alone = get(cache, "a.test");
    const auto like_old = get(cache, "a.test", old.certificate.get());
    ASSERT_TRUE(alone && like_old);
    EXPECT_NE(*alone, *like_old);
    EXPECT_EQ(verify(*(*like_old)->certificate, "old.test"), X509_V_OK);
    EXPECT_NE(verify(*(*alone)->certificate, "old.test"), X509_V_OK);
    EXPECT_EQ(*get(cache, "a.test"), *alone);
    EXPECT_EQ(*get(cache, "a.test", old.certificate.get()), *like_old);
    const auto like_new = get(cache, "a.test", renewed.certificate.get());
    ASSERT_TRUE(like_new);
    EXPECT_EQ(verify(*(*like_new)->certificate, "new.test"), X509_V_OK);
    EXPECT_NE(verify(*(*like_new)->certificate, "old.test"), X509_V_OK);
    EXPECT_EQ(cache.size(), 2U) << "the old one is replaced";
    EXPECT_EQ(*get(cache, "a.test", renewed.certificate.get()), *like_new);
    EXPECT_EQ(*get(cache, "a.test"), *alone);
    EXPECT_EQ(asked_, 3);
}

TEST_F(LeavesTest, what_was_used_longest_ago_goes) {
    LeafCache cache(*maker_, worker_, 3);
    std::vector<LeafPtr> leaves;
    for (const std::string_view name : {"a.test", "b.test", "c.test"}) leaves.push_back(*get(cache, name));
    EXPECT_EQ(*get(cache, "a.test"), leaves[0]);
    EXPECT_TRUE(get(cache, "d.test"));
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_EQ(*get(cache, "a.test"), leaves[0]);
    EXPECT_EQ(*get(cache, "c.test"), leaves[2]);
    EXPECT_NE(*get(cache, "b.test"), leaves[1]) << "it had gone";
    EXPECT_EQ(X509_check_private_key(leaves[1]->certificate.get(), leaves[1]->key.get()), 1) << "who has it keeps it";
    EXPECT_EQ(cache.size(), 3U);
}

TEST_F(LeavesTest, who_asks_meanwhile_waits_for_the_same) {
    LeafCache cache(*maker_, worker_, 10);
    const tls::Identity server = tls::make_certificate({});
    std::vector<std::pair<std::string, X509*>> wanted(20, {"a.test", nullptr});
    wanted[5].first = wanted[6].first = "b.test";
    wanted[7].second = wanted[8].second = server.certificate.get();
    const auto leaves = get_together(cache, wanted);
    EXPECT_EQ(asked_, 3);
    for (std::size_t i = 0; i < leaves.size(); ++i) {
        ASSERT_TRUE(leaves[i]);
        EXPECT_EQ(*leaves[i] == *leaves[0], i < 5 || i > 8) << i;
    }
    EXPECT_EQ(*leaves[5], *leaves[6]);
    EXPECT_EQ(*leaves[7], *leaves[8]);
    EXPECT_EQ(cache.size(), 3U);
    EXPECT_EQ(cache.counters().made, 3U);
}

TEST_F(LeavesTest, a_failure_is_told_to_all_and_not_kept) {
    LeafCache cache(*maker_, worker_, 10);
    is_refusing_ = true;
    for (const auto& leaf : get_together(cache, std::vector<std::pair<std::string, X509*>>(5, {"a.test", nullptr})))
        EXPECT_EQ(tls::code_of(leaf), Errc::malformed);
    EXPECT_EQ(asked_, 1);
    EXPECT_EQ(cache.size(), 0U);
    EXPECT_EQ(cache.counters().failed, 1U);
    EXPECT_EQ(tls::code_of(get(cache, "a.test")), Errc::malformed);
    EXPECT_EQ(asked_, 2) << "asked again";
    is_refusing_ = false;
    EXPECT_TRUE(get(cache, "a.test"));
    EXPECT_TRUE(get(cache, "a.test"));
    EXPECT_EQ(asked_, 3);
    // Of a server that has ended, or has no name, there is none.
    const tls::Identity over = tls::make_certificate({.from = -9, .until = -1});
    const tls::Identity nameless = tls::make_certificate({.names = ""});
    for (const tls::Identity* each : {&over, &nameless})
        EXPECT_EQ(tls::code_of(get(cache, "a.test", each->certificate.get())), Errc::malformed);
    EXPECT_TRUE(get(cache, "a.test")) << "the one for the name alone stays";
    EXPECT_EQ(cache.size(), 1U);
}

// A leaf is made anew before its end; one that ends soon is still used for half of that time.
TEST_F(LeavesTest, one_that_ends_soon_is_kept_for_a_while) {
    LeafCache cache(*maker_, worker_, 10);
    const tls::Identity server = tls::make_certificate({});
    ASN1_TIME_set(X509_getm_notAfter(server.certificate.get()), std::time(nullptr) + 3600);
    const auto first = get(cache, "a.test", server.certificate.get());
    ASSERT_TRUE(first);
    EXPECT_EQ(*get(cache, "a.test", server.certificate.get()), *first);
    ASN1_TIME_set(X509_getm_notAfter(server.certificate.get()), std::time(nullptr) + 2);
    X509_sign(server.certificate.get(), server.key.get(), EVP_sha256());
    const auto second = get(cache, "a.test", server.certificate.get());
    ASSERT_TRUE(second);
    EXPECT_LE(unix_of(X509_get0_notAfter((*second)->certificate.get())), std::time(nullptr) + 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
    EXPECT_NE(get(cache, "a.test", server.certificate.get()).value_or(nullptr), *second);
}

}  // namespace
}  // namespace sluice::net::ca
