// SPDX-License-Identifier: Apache-2.0
// Octets through a TlsStream, whatever room is below it: nothing is lost, and nothing comes twice.
#include "unit/net/tls/pair.h"

#include <openssl/err.h>

#include <array>
#include <vector>

namespace sluice::net::tls {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Sends all of it, in pieces of all sizes, some of them empty; the first with `try_write`, as sessions do.
Task<void> say_all(TlsStream& to, const std::string& all, std::size_t seed, int& left, Gate& done) {
    std::vector<std::string_view> pieces;
    for (std::string_view rest = all; !rest.empty(); rest.remove_prefix(pieces.back().size())) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        const std::size_t kind = seed >> 61;
        pieces.push_back(rest.substr(0, kind == 0 ? 0 : kind < 4 ? seed >> 59 : kind < 7 ? seed >> 52 : seed >> 47));
    }
    pieces.emplace_back();
    for (std::span<std::string_view> rest = pieces; !rest.empty();) {
        const auto some = rest.first(std::min<std::size_t>(rest.size(), 1 + (seed = seed * 3 + 1) % 50));
        rest = rest.subspan(some.size());
        const auto taken = to.try_write(some);
        EXPECT_TRUE(taken);
        if (!taken) break;
        EXPECT_LE(*taken, total_size(some));
        const auto written = co_await to.write(some, *taken);
        EXPECT_TRUE(written) << (written ? "" : written.error().what);
        if (!written) break;
    }
    if (--left == 0) done.open();
}

Task<void> hear_all(TlsStream& from, const std::string& all, std::size_t at_once, int& left, Gate& done) {
    std::string got;
    std::string buffer(at_once, 0);
    for (;;) {
        const auto more = co_await from.read_some(buffer);
        EXPECT_TRUE(more) << (more ? "" : more.error().what) << " after " << got.size();
        if (!more || *more == 0) break;
        EXPECT_LE(*more, buffer.size());
        got.append(buffer, 0, *more);
    }
    EXPECT_EQ(got.size(), all.size());
    EXPECT_TRUE(got == all);
    if (--left == 0) done.open();
}

// Both ways at once; `make_room`: for the end is only said where there is room for it.
template <class MakeRoom>
Task<void> both_ways(TlsStream& client, TlsStream& server, const std::string& all, MakeRoom make_room) {
    int speaking = 2;
    int hearing = 2;
    Gate said;
    Gate heard;
    Worker& worker = client.worker();
    spawn(worker, say_all(client, all, 1, speaking, said));
    spawn(worker, say_all(server, all, 2, speaking, said));
    spawn(worker, hear_all(client, all, 10'000, hearing, heard));
    spawn(worker, hear_all(server, all, 100'000, hearing, heard));
    co_await said.wait();
    make_room();
    client.shutdown_write();
    server.shutdown_write();
    co_await heard.wait();
}

constexpr std::size_t mebi = 1 << 20;

struct Room {
    std::size_t size;
    std::size_t capacity;
    std::size_t longest_read = static_cast<std::size_t>(-1);
    std::size_t longest_write = static_cast<std::size_t>(-1);
};

class TlsStreamFlow : public PairTest, public testing::WithParamInterface<Room> {};

TEST_P(TlsStreamFlow, nothing_is_lost_and_nothing_doubled) {
    worker_.run([](PairTest& self, const Room& room) -> Task<void> {
        Pair pair(self.worker_, *self.client_, *self.server_);
        pair.set_capacity(room.capacity);
        const auto faults = std::make_shared<Faults>();
        faults->longest_read = room.longest_read;
        faults->longest_write = room.longest_write;
        pair.set_faults(faults);
        pair.set_deadline(seconds(60));
        const Shaken shaken = co_await shake(*pair.client, *pair.server);
        EXPECT_TRUE(shaken.client && shaken.server);
        if (!shaken.client || !shaken.server) co_return;
        co_await both_ways(*pair.client, *pair.server, noise(room.size), [&] {
            pair.set_capacity(mebi);
            faults->longest_write = mebi;
        });
    }(*this, GetParam()));
}

INSTANTIATE_TEST_SUITE_P(rooms, TlsStreamFlow,
                         testing::Values(Room{30'000, 1}, Room{150'000, 7}, Room{mebi, 1000}, Room{mebi, 64 * 1024}, Room{mebi, 4 * mebi},
                                         Room{30'000, 64 * 1024, 1, 1}, Room{mebi, 64 * 1024, 999, 64 * 1024},
                                         Room{mebi, 64 * 1024, 64 * 1024, 777}),
                         [](const auto& each) { return "n" + std::to_string(each.index); });

class TlsStreamPieces : public PairTest {};

// One record for what is small: 5 octets of header, 16 of the tag, and 1 for the kind (RFC 8446 5.2).
TEST_F(TlsStreamPieces, small_ones_go_together_and_empty_ones_say_nothing) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        char byte;
        EXPECT_EQ(pair.client->try_read({&byte, 1}), std::nullopt);  // the tickets
        const std::vector<std::string_view> none(40);
        EXPECT_EQ(pair.client->try_write({}), 0U);
        EXPECT_EQ(pair.client->try_write(none), 0U);
        EXPECT_TRUE(co_await pair.client->write(none));
        EXPECT_EQ(pair.server_below->unread().size(), 0U);
        const std::vector<std::string_view> small{"", "one", "", "", " two", " three", ""};
        EXPECT_EQ(pair.client->try_write(small), 13U);
        EXPECT_EQ(pair.server_below->unread().size(), 13U + 22);
        EXPECT_EQ(co_await receive(*pair.server, 13), "one two three");
        const std::string block = noise(16 * 1024);
        const std::vector<std::string_view> large{block, "", block};
        EXPECT_EQ(pair.client->try_write(large), 2 * block.size());
        EXPECT_EQ(pair.server_below->unread().size(), 2 * (block.size() + 22));
        EXPECT_EQ(co_await receive(*pair.server, 2 * block.size()), block + block);
    });
}

// It reports what has gone down whole: the peer can read that much.
TEST_F(TlsStreamPieces, what_is_reported_has_gone) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        char byte;
        EXPECT_EQ(pair.client->try_read({&byte, 1}), std::nullopt);
        const std::string all = noise(300'000);
        pair.set_capacity(100'000);
        std::size_t sent = 0;
        std::string got;
        while (sent < all.size()) {
            const std::string_view rest = std::string_view(all).substr(sent);
            const auto taken = pair.client->try_write({&rest, 1});
            EXPECT_TRUE(taken);
            if (!taken) break;
            sent += *taken;
            std::string buffer(1'000'000, 0);
            const auto read = pair.server->try_read(buffer);
            EXPECT_TRUE(read && *read);
            if (!read || !*read) break;
            got.append(buffer, 0, **read);
            EXPECT_GE(got.size(), sent);
        }
        EXPECT_TRUE(got == all);
        co_return;
    });
}

TEST_F(TlsStreamPieces, a_write_that_was_begun_is_gone_on_with) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        pair.set_capacity(1000);
        const std::string block = noise(5000);
        const std::string_view piece = block;
        EXPECT_EQ(pair.client->try_write({&piece, 1}), 0U) << "its record has not gone whole";
        std::array<char, 100> some;
        for (int i = 0; i < 4; ++i) {
            EXPECT_EQ(pair.server->try_read(some), std::nullopt);
            EXPECT_EQ(pair.client->try_write({&piece, 1}), 0U);
        }
        EXPECT_EQ(pair.server->try_read(some), std::nullopt);  // 5022 octets need six times the room
        const std::string_view other = piece.substr(0, 4999);
        EXPECT_EQ(code_of(pair.client->try_write({&other, 1})), Errc::io_failed);
        co_return;
    });
}

class TlsStreamAhead : public PairTest {};

// What was read before TLS began counts, wherever it was cut.
TEST_F(TlsStreamAhead, the_hello_is_cut_anywhere) {
    for (std::size_t size = 0, whole = 1; size <= whole; ++size) {
        worker_.run([](PairTest& self, std::size_t cut, std::size_t& all) -> Task<void> {
            auto [theirs, ours] = memory_pair(self.worker_);
            const auto client = open_client(*self.client_, std::move(ours));
            client->expires_in(seconds(20));
            Gate done;
            Result<void> outcome;
            spawn(self.worker_, [](TlsStream& stream, Result<void>& result, Gate& gate) -> Task<void> {
                result = co_await stream.handshake();
                gate.open();
            }(*client, outcome, done));
            EXPECT_TRUE(co_await theirs->wait_readable());
            all = theirs->unread().size();
            std::string ahead(cut, 0);
            if (cut != 0) EXPECT_EQ(theirs->try_read(ahead), cut);
            const auto server = open_server(*self.server_, std::move(theirs), std::move(ahead));
            server->expires_in(seconds(20));
            EXPECT_TRUE(co_await server->handshake()) << cut;
            co_await done.wait();
            EXPECT_TRUE(outcome) << cut;
            EXPECT_TRUE(co_await send(*client, "hello"));
            EXPECT_EQ(co_await receive(*server, 5), "hello");
        }(*this, size, whole));
        if (HasFailure()) break;
    }
}

// Keys that change on the way (RFC 8446 4.6.3): the answer goes, though nobody writes.
TEST_F(TlsStreamAhead, keys_may_change) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(SSL_key_update(pair.client->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
            EXPECT_TRUE(co_await send(*pair.client, "new"));
            EXPECT_EQ(co_await receive(*pair.server, 3), "new");
            EXPECT_TRUE(co_await send(*pair.server, "as well"));
            EXPECT_EQ(co_await receive(*pair.client, 7), "as well");
        }
    });
}

class TlsInTls : public PairTest {};

TEST_F(TlsInTls, carries_bytes_through_small_room_and_ends) {
    for (const std::size_t capacity : {50U, 5'000U, 64U * 1024}) {
        worker_.run([](PairTest& self, std::size_t room) -> Task<void> {
            Pair outer(self.worker_, *self.client_, *self.server_);
            outer.set_capacity(room);
            const Shaken first = co_await shake(*outer.client, *outer.server);
            EXPECT_TRUE(first.client && first.server);
            const auto client = open_client(*self.client_, std::move(outer.client));
            const auto server = open_server(*self.server_, std::move(outer.server));
            client->expires_in(seconds(30));
            server->expires_in(seconds(30));
            const Shaken second = co_await shake(*client, *server);
            EXPECT_TRUE(second.client && second.server);
            co_await both_ways(*client, *server, noise(200'000), [&] { outer.set_capacity(mebi); });
        }(*this, capacity));
    }
}

TEST_F(TlsInTls, waits_are_ended_from_above_and_by_what_comes) {
    worker_.run([](PairTest& self) -> Task<void> {
        Pair outer(self.worker_, *self.client_, *self.server_);
        EXPECT_TRUE((co_await shake(*outer.client, *outer.server)).client);
        const auto client = open_client(*self.client_, std::move(outer.client));
        const auto server = open_server(*self.server_, std::move(outer.server));
        EXPECT_TRUE((co_await shake(*client, *server)).client);
        client->expires_in(milliseconds(100));
        EXPECT_EQ(code_of(co_await client->wait_readable()), Errc::timed_out);
        client->expires_in(seconds(20));
        EXPECT_TRUE(client->is_quiet());
        EXPECT_TRUE(co_await send(*server, "x"));
        EXPECT_TRUE(co_await client->wait_readable());
        EXPECT_FALSE(client->is_quiet());
        EXPECT_EQ(co_await receive(*client, 1), "x");
        // The connection is cut below both.
        outer.server_below->shutdown_write();
        char byte;
        EXPECT_EQ(code_of(co_await client->read_some({&byte, 1})), Errc::reset);
    }(*this));
}

}  // namespace
}  // namespace sluice::net::tls
