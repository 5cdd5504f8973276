// SPDX-License-Identifier: Apache-2.0
// How a TlsStream ends: in an orderly way, cut, refused, cancelled, too late, or at any failing step below it.
#include "unit/net/tls/pair.h"

#include <array>

namespace sluice::net::tls {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a read ends with: 0 octets, or an error.
Task<std::optional<Error>> end_of(Stream& stream) {
    char byte;
    const auto got = co_await stream.read_some({&byte, 1});
    if (got) EXPECT_EQ(*got, 0U);
    co_return got ? std::nullopt : std::optional(got.error());
}

class TlsStreamEnd : public PairTest {};

TEST_F(TlsStreamEnd, closing_says_so) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        EXPECT_TRUE(pair.client->is_quiet());  // what is not read, and be it a ticket, makes a reset of closing, as in TCP
        EXPECT_TRUE(co_await send(*pair.client, "last"));
        pair.client->close();
        EXPECT_FALSE(pair.client->is_open());
        EXPECT_EQ(code_of(pair.client->try_write({})), Errc::reset);
        EXPECT_EQ(co_await receive(*pair.server, 4), "last");
        EXPECT_FALSE(co_await end_of(*pair.server));
        EXPECT_FALSE(co_await end_of(*pair.server)) << "and again";
        EXPECT_FALSE(pair.server->is_quiet());
        EXPECT_FALSE(pair.server_below->was_reset());
    });
}

TEST_F(TlsStreamEnd, who_says_no_more_reads_on) {
    with_pair([](PairTest& self, Pair& pair) -> Task<void> {
        pair.set_capacity(5'000);
        pair.client->shutdown_write();
        EXPECT_EQ(code_of(co_await send(*pair.client, "more")), Errc::reset);
        EXPECT_FALSE(co_await end_of(*pair.server));
        const std::string answer = noise(100'000);
        spawn(self.worker_, [](Pair& of, std::string_view text) -> Task<void> {
            EXPECT_TRUE(co_await send(*of.server, text));
            EXPECT_TRUE(co_await of.server->wait_writable());
            while (!of.client_below->unread().empty()) co_await of.server->worker().sleep(milliseconds(1));
            of.server->close();
        }(pair, answer));
        EXPECT_TRUE(co_await receive_all(*pair.client) == answer);
        EXPECT_FALSE(co_await end_of(*pair.client));
    });
}

TEST_F(TlsStreamEnd, a_cut_is_no_end) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        EXPECT_TRUE(co_await send(*pair.client, "half of "));
        pair.client_below->shutdown_write();
        EXPECT_EQ(co_await receive(*pair.server, 8), "half of ");
        for (int i = 0; i < 2; ++i) {
            const auto end = co_await end_of(*pair.server);
            EXPECT_TRUE(end && end->code == Errc::reset && end->side == Side::client);
        }
        EXPECT_EQ(code_of(co_await send(*pair.server, "x")), Errc::reset);
    });
    // The same for who waited, and who asked for more than was there.
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        EXPECT_TRUE(co_await send(*pair.client, "half of "));
        pair.client_below->shutdown_write();
        std::array<char, 100> room;
        EXPECT_EQ(co_await pair.server->read_some(room), 8U);
        EXPECT_TRUE(co_await pair.server->wait_readable());
        const auto end = co_await end_of(*pair.server);
        EXPECT_TRUE(end && end->code == Errc::reset && end->side == Side::client);
    });
    // Inside a record.
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        pair.server_below->set_capacity(15);
        const std::string_view text = "never whole";
        EXPECT_EQ(pair.client->try_write({&text, 1}), 0U);
        pair.client_below->shutdown_write();
        const auto end = co_await end_of(*pair.server);
        EXPECT_TRUE(end && end->code == Errc::reset);
    });
}

// Where there is no room for it nobody waits: the peer takes it for a cut.
TEST_F(TlsStreamEnd, the_end_is_said_where_there_is_room) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        pair.server_below->set_capacity(10);
        pair.client->close();
        const auto end = co_await end_of(*pair.server);
        EXPECT_TRUE(end && end->code == Errc::reset);
    });
}

TEST_F(TlsStreamEnd, aborting_resets) {
    with_pair([](PairTest&, Pair& pair) -> Task<void> {
        EXPECT_TRUE(co_await send(*pair.client, "lost"));
        pair.client->abort();
        EXPECT_FALSE(pair.client->is_open());
        EXPECT_TRUE(pair.server_below->was_reset());
        const auto end = co_await end_of(*pair.server);
        EXPECT_TRUE(end && end->code == Errc::reset && end->side == Side::client);
        EXPECT_TRUE(co_await pair.client->wait_readable());
        const auto own = co_await end_of(*pair.client);
        EXPECT_TRUE(own && own->code == Errc::cancelled);
    });
}

TEST_F(TlsStreamEnd, closing_ends_who_waits) {
    with_pair([](PairTest& self, Pair& pair) -> Task<void> {
        spawn(self.worker_, [](Pair& of) -> Task<void> {
            co_await of.client->worker().sleep(milliseconds(5));
            of.client->close();
        }(pair));
        const auto end = co_await end_of(*pair.client);
        EXPECT_TRUE(end && end->code == Errc::cancelled);
    });
}

// At each step of a whole visit, at both ends: the error comes out, and nobody hangs.
TEST_F(TlsStreamEnd, every_failing_step_ends_both) {
    for (const bool of_server : {false, true}) {
        for (std::size_t step = 1;; ++step) {
            const auto faults = std::make_shared<Faults>();
            faults->fail_at = step;
            faults->error = Errc::io_failed;
            worker_.run([](PairTest& self, bool at_server, std::shared_ptr<Faults> wrong) -> Task<void> {
                auto [theirs, ours] = memory_pair(self.worker_);
                theirs->set_capacity(9'000);
                ours->set_capacity(9'000);
                (at_server ? theirs : ours)->set_faults(wrong);
                std::array<Result<void>, 2> outcomes;
                Gate done;
                const auto visit = [](std::unique_ptr<TlsStream> stream, bool is_server, const std::string& text) -> Task<Result<void>> {
                    stream->expires_in(seconds(20));
                    CO_TRY(co_await stream->handshake());
                    if (is_server) {
                        EXPECT_TRUE(CO_TRY(co_await receive(*stream, text.size())).size() <= text.size());
                        CO_TRY(co_await send(*stream, text));
                    } else {
                        CO_TRY(co_await send(*stream, text));
                        EXPECT_TRUE(CO_TRY(co_await receive(*stream, text.size())).size() <= text.size());
                    }
                    stream->shutdown_write();
                    char byte;
                    CO_TRY(co_await stream->read_some({&byte, 1}));
                    co_return Result<void>{};
                };
                const std::string text = noise(30'000);
                spawn(self.worker_, [](Task<Result<void>> task, Result<void>& outcome, Gate& gate) -> Task<void> {
                    outcome = co_await std::move(task);
                    gate.open();
                }(visit(open_server(*self.server_, std::move(theirs)), true, text), outcomes[1], done));
                outcomes[0] = co_await visit(open_client(*self.client_, std::move(ours)), false, text);
                co_await done.wait();
                for (const auto& outcome : outcomes) EXPECT_NE(code_of(outcome), Errc::timed_out) << "it hung at step " << wrong->fail_at;
                const auto& failed = outcomes[at_server ? 1 : 0];
                if (!failed) EXPECT_EQ(failed.error().what, "injected") << "at step " << wrong->fail_at;
                if (wrong->operations < wrong->fail_at)
                    for (const auto& outcome : outcomes) EXPECT_TRUE(outcome);
            }(*this, of_server, faults));
            if (faults->operations < step || HasFailure()) break;
            ASSERT_LT(step, 1'000U);
        }
    }
}

class TlsStreamHandshake : public PairTest {};

TEST_F(TlsStreamHandshake, ends_when_it_is_cancelled_and_when_it_is_late) {
    // `room` below it: none for its own hello, or none that says anything.
    for (const std::size_t room : {10U, 64U * 1024}) {
        for (const bool is_server : {false, true}) {
            if (is_server && room == 10) continue;
            worker_.run([](PairTest& self, std::size_t capacity, bool at_server) -> Task<void> {
                Pair pair(self.worker_, *self.client_, *self.server_);
                pair.set_capacity(capacity);
                TlsStream& stream = at_server ? *pair.server : *pair.client;
                stream.expires_in(milliseconds(50));
                const auto late = co_await stream.handshake();
                EXPECT_EQ(code_of(late), Errc::timed_out);
                if (!late) EXPECT_EQ(late.error().side, at_server ? Side::client : Side::server);
                stream.expires_in(seconds(20));
                spawn(self.worker_, [](TlsStream& of) -> Task<void> {
                    co_await of.worker().sleep(milliseconds(5));
                    of.cancel(Errc::overloaded);
                }(stream));
                EXPECT_EQ(code_of(co_await stream.handshake()), Errc::overloaded);
                EXPECT_EQ(code_of(co_await stream.handshake()), Errc::overloaded);
            }(*this, room, is_server));
        }
    }
}

TEST_F(TlsStreamHandshake, an_end_inside_it_is_told_apart) {
    worker_.run([](PairTest& self) -> Task<void> {
        Pair closed(self.worker_, *self.client_, *self.server_);
        closed.server_below->close();
        const auto first = co_await closed.client->handshake();
        EXPECT_TRUE(!first && (first.error().code == Errc::reset || first.error().code == Errc::closed));
        Pair ended(self.worker_, *self.client_, *self.server_);
        ended.client_below->shutdown_write();
        const auto second = co_await ended.server->handshake();
        EXPECT_EQ(code_of(second), Errc::closed);
        if (!second) EXPECT_EQ(second.error().side, Side::client);
        Pair broken(self.worker_, *self.client_, *self.server_);
        broken.client_below->abort();
        EXPECT_EQ(code_of(co_await broken.server->handshake()), Errc::reset);
    }(*this));
}

TEST_F(TlsStreamHandshake, garbage_is_the_peers_fault) {
    const std::string_view record("\x16\x03\x01\x00\x05xxxxx", 10);
    for (const std::string_view garbage : {std::string_view("GET / HTTP/1.1\r\n\r\n"), std::string_view("\0\0\0\0\0\0\0\0", 8), record}) {
        for (const bool is_server : {false, true}) {
            worker_.run([](PairTest& self, std::string_view text, bool at_server, bool is_told) -> Task<void> {
                Pair pair(self.worker_, *self.client_, *self.server_);
                MemoryStream& peer = at_server ? *pair.client_below : *pair.server_below;
                EXPECT_TRUE(co_await peer.write({&text, 1}));
                const auto outcome = co_await (at_server ? *pair.server : *pair.client).handshake();
                EXPECT_EQ(code_of(outcome), Errc::tls_failed);
                if (!outcome) EXPECT_EQ(outcome.error().cause, 0);
                if (!outcome) EXPECT_EQ(outcome.error().side, at_server ? Side::client : Side::server);
                if (is_told && at_server) EXPECT_EQ(peer.unread().substr(0, 2), "\x15\x03") << "an alert of ours";
            }(*this, garbage, is_server, garbage == record));
        }
    }
}

TEST_F(TlsStreamHandshake, the_alert_of_who_refuses_is_told) {
    const auto newest_only = server_context(leaf_);
    SSL_CTX_set_min_proto_version(newest_only.get(), TLS1_3_VERSION);
    worker_.run([](PairTest& self, SSL_CTX& server) -> Task<void> {
        const auto old = client_context(TLS1_2_VERSION);
        Pair pair(self.worker_, *old, server);
        const Shaken shaken = co_await shake(*pair.client, *pair.server);
        EXPECT_EQ(code_of(shaken.client), Errc::tls_failed);
        EXPECT_EQ(code_of(shaken.server), Errc::tls_failed);
        if (!shaken.client) EXPECT_EQ(shaken.client.error().cause, SSL_AD_PROTOCOL_VERSION);
        if (!shaken.client) EXPECT_EQ(shaken.client.error().side, Side::server);
        if (!shaken.server) EXPECT_EQ(shaken.server.error().cause, 0) << "it had no alert, it sent one";
    }(*this, *newest_only));
}

class TlsStreamAlert : public PairTest {};

// Who is refused after its own handshake (RFC 8446 4.4.2.4: for want of a certificate) learns it when it reads: at once, or after waiting.
TEST_F(TlsStreamAlert, after_the_handshake_is_told_as_well) {
    SSL_CTX_set_verify(server_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    for (const bool waits : {false, true}) {
        worker_.run([](PairTest& self, bool is_waiting) -> Task<void> {
            Pair pair(self.worker_, *self.client_, *self.server_);
            Gate done;
            spawn(self.worker_, [](TlsStream& server, Gate& gate) -> Task<void> {
                EXPECT_EQ(code_of(co_await server.handshake()), Errc::tls_failed);
                gate.open();
            }(*pair.server, done));
            EXPECT_TRUE(co_await pair.client->handshake());
            co_await done.wait();
            if (is_waiting) EXPECT_TRUE(co_await pair.client->wait_readable());
            const auto end = co_await end_of(*pair.client);
            EXPECT_TRUE(end && end->code == Errc::tls_failed && end->side == Side::server) << "not an orderly end";
            if (end) EXPECT_EQ(end->cause, SSL_AD_CERTIFICATE_REQUIRED) << (is_waiting ? "after waiting" : "at once");
        }(*this, waits));
    }
}

// A record that was tampered with ends it for both, and what came before it counts.
TEST_F(TlsStreamAlert, a_broken_record_ends_it_after_what_came_before) {
    for (const bool is_one_read : {false, true}) {
        static bool at_once;
        at_once = is_one_read;
        with_pair([](PairTest&, Pair& pair) -> Task<void> {
            EXPECT_TRUE(co_await send(*pair.client, "good"));
            EXPECT_TRUE(co_await send(*pair.server, "as well"));
            const std::string broken = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
            EXPECT_TRUE(co_await send(*pair.client_below, broken));
            std::array<char, 100> room;
            EXPECT_EQ(co_await pair.server->read_some(std::span(room).first(at_once ? 100 : 4)), 4U);
            auto end = co_await end_of(*pair.server);
            EXPECT_TRUE(end && end->code == Errc::tls_failed && end->side == Side::client && end->cause == 0);
            EXPECT_EQ(code_of(co_await send(*pair.server, "x")), Errc::reset);
            // The client has an answer, and then the alert.
            EXPECT_EQ(co_await pair.client->read_some(std::span(room).first(at_once ? 100 : 7)), 7U);
            end = co_await end_of(*pair.client);
            EXPECT_TRUE(end && end->code == Errc::tls_failed && end->side == Side::server);
            if (end) EXPECT_EQ(end->cause, SSL_AD_BAD_RECORD_MAC) << (at_once ? "both read at once" : "one after the other");
        });
    }
}

class TlsStreamTickets : public PairTest {};

// A ticket that comes when nobody asks is taken, and wakes nobody.
TEST_F(TlsStreamTickets, are_nothing_to_read) {
    with_pair([](PairTest& self, Pair& pair) -> Task<void> {
        for (const bool is_asked : {false, true}) {
            EXPECT_EQ(SSL_new_session_ticket(pair.server->ssl()), 1);
            EXPECT_EQ(SSL_do_handshake(pair.server->ssl()), 1);
            EXPECT_EQ(pair.server->try_write({}), 0U);
            EXPECT_FALSE(pair.client_below->unread().empty());
            if (is_asked) {
                EXPECT_TRUE(pair.client->is_quiet());
                EXPECT_TRUE(pair.client->is_quiet());
            } else {
                pair.client->expires_in(milliseconds(60));
                EXPECT_EQ(code_of(co_await pair.client->wait_readable()), Errc::timed_out);
                EXPECT_FALSE(pair.client->is_quiet()) << "it is late";
                pair.client->expires_in(seconds(20));
            }
            EXPECT_TRUE(pair.client_below->unread().empty());
        }
        // Who waits is not woken by one that comes meanwhile.
        spawn(self.worker_, [](Pair& of) -> Task<void> {
            co_await of.server->worker().sleep(milliseconds(10));
            EXPECT_EQ(SSL_new_session_ticket(of.server->ssl()), 1);
            EXPECT_EQ(SSL_do_handshake(of.server->ssl()), 1);
            EXPECT_EQ(of.server->try_write({}), 0U);
            co_await of.server->worker().sleep(milliseconds(10));
            EXPECT_TRUE(of.client_below->unread().empty());
            EXPECT_TRUE(co_await send(*of.server, "x"));
        }(pair));
        EXPECT_TRUE(co_await pair.client->wait_readable());
        EXPECT_EQ(co_await receive(*pair.client, 1), "x");
        EXPECT_TRUE(pair.client->is_quiet());
        pair.server->close();
        EXPECT_FALSE(pair.client->is_quiet());
    });
}

}  // namespace
}  // namespace sluice::net::tls
