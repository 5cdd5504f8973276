// SPDX-License-Identifier: Apache-2.0
#include "net/tls/session_cache.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <vector>

namespace sluice::net::tls {
namespace {

SessionPtr session(int version = TLS1_3_VERSION, long age = 0, long lifetime = 300) {
    SessionPtr made(SSL_SESSION_new());
    SSL_SESSION_set_protocol_version(made.get(), version);
    SSL_SESSION_set_time(made.get(), static_cast<long>(std::time(nullptr)) - age);
    SSL_SESSION_set_timeout(made.get(), lifetime);
    return made;
}

TEST(SessionCache, the_newest_is_taken_and_those_of_1_3_once) {
    SessionCache cache(10);
    EXPECT_EQ(cache.take("a"), nullptr);
    SessionPtr first = session();
    SessionPtr second = session();
    const SSL_SESSION* const older = first.get();
    const SSL_SESSION* const newer = second.get();
    cache.put("a", std::move(first));
    cache.put("a", std::move(second));
    EXPECT_EQ(cache.size(), 2U);
    EXPECT_EQ(cache.take("b"), nullptr);
    EXPECT_EQ(cache.take("a").get(), newer);
    EXPECT_EQ(cache.take("a").get(), older);
    EXPECT_EQ(cache.take("a"), nullptr);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(SessionCache, those_of_1_2_stay) {
    SessionCache cache(10);
    cache.put("a", session(TLS1_2_VERSION));
    const SessionPtr once = cache.take("a");
    const SessionPtr again = cache.take("a");
    EXPECT_TRUE(once);
    EXPECT_EQ(once, again);
    EXPECT_EQ(cache.size(), 1U);
    // The newest, whatever it is.
    cache.put("a", session());
    EXPECT_NE(cache.take("a"), once);
    EXPECT_EQ(cache.take("a"), once);
}

TEST(SessionCache, what_has_expired_is_not_given) {
    SessionCache cache(10);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SessionPtr good = session(version, 100, 300);
        const SSL_SESSION* const alive = good.get();
        cache.put("a", session(version, 300, 300));
        cache.put("a", std::move(good));
        cache.put("a", session(version, 500, 300));
        EXPECT_EQ(cache.size(), 3U);
        EXPECT_EQ(cache.take("a").get(), alive);
        if (version == TLS1_3_VERSION) {
            EXPECT_EQ(cache.take("a"), nullptr);
            EXPECT_EQ(cache.size(), 0U) << "nothing is left of them";
        } else {
            cache = SessionCache(10);
        }
    }
    cache.put("b", session(TLS1_2_VERSION, 1000, 300));
    EXPECT_EQ(cache.take("b"), nullptr);
    EXPECT_EQ(cache.size(), 0U);
}

TEST(SessionCache, one_server_has_a_few) {
    SessionCache cache(100);
    std::vector<const SSL_SESSION*> put;
    for (int i = 0; i < 20; ++i) {
        SessionPtr each = session();
        put.push_back(each.get());
        cache.put("a", std::move(each));
    }
    const std::size_t kept = cache.size();
    EXPECT_GE(kept, 2U);
    EXPECT_LT(kept, 20U);
    for (std::size_t i = 0; i < kept; ++i) EXPECT_EQ(cache.take("a").get(), put[put.size() - 1 - i]) << "the oldest went";
    EXPECT_EQ(cache.take("a"), nullptr);
}

TEST(SessionCache, the_server_that_was_used_longest_ago_goes) {
    SessionCache cache(4);
    for (const std::string_view name : {"a", "b", "c", "d"}) cache.put(name, session(TLS1_2_VERSION));
    EXPECT_TRUE(cache.take("a"));
    cache.put("e", session(TLS1_2_VERSION));
    EXPECT_EQ(cache.size(), 4U);
    EXPECT_FALSE(cache.take("b"));
    for (const std::string_view name : {"a", "c", "d", "e"}) EXPECT_TRUE(cache.take(name)) << name;
    for (int i = 0; i < 1000; ++i) cache.put("name" + std::to_string(i), session(i % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION));
    EXPECT_EQ(cache.size(), 4U);
    EXPECT_TRUE(cache.take("name999"));
    EXPECT_FALSE(cache.take("a"));
}

// Fewer than one server may have: what came last is kept all the same.
TEST(SessionCache, a_small_one_keeps_the_newest) {
    SessionCache cache(2);
    for (int i = 0; i < 12; ++i) {
        SessionPtr each = session();
        const SSL_SESSION* const last = each.get();
        cache.put("a", std::move(each));
        EXPECT_LE(cache.size(), 2U);
        if (i % 3 == 2) EXPECT_EQ(cache.take("a").get(), last);
    }
    SessionCache none(0);
    none.put("a", session());
    EXPECT_EQ(none.take("a"), nullptr);
    EXPECT_EQ(none.size(), 0U);
}

}  // namespace
}  // namespace sluice::net::tls
