// SPDX-License-Identifier: Apache-2.0
// The engine `icap` against a server that says what a test wants.
#include "inspect/icap/icap_client.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "unit/inspect/clamd/fake_clamd.h"

#include <mutex>

namespace sluice::inspect {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string options_with =
    "ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\nISTag: \"1\"\r\nAllow: 204\r\nPreview: 8\r\nOptions-TTL: 60\r\nEncapsulated: "
    "null-body=0\r\n\r\n";
const std::string options_bare = "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nISTag: \"1\"\r\nEncapsulated: null-body=0\r\n\r\n";
const std::string unchanged = "ICAP/1.0 204 No Content\r\nISTag: \"1\"\r\n\r\n";
constexpr std::string_view go_on = "ICAP/1.0 100 Continue\r\n\r\n";

// One connection, as the server sees it.
class Talk {
public:
    explicit Talk(int socket) : socket_(socket) {}
    // A head; empty at the connection's end.
    std::string head() {
        while (!bytes_.contains("\r\n\r\n"))
            if (!read()) return {};
        return take(bytes_.find("\r\n\r\n") + 4);
    }
    // The encapsulated heads, and the chunks up to the one of size 0; whether that says ieof.
    bool body(std::string& to) {
        for (;;) {
            while (!bytes_.contains("\r\n"))
                if (!read()) return false;
            const std::string line = take(bytes_.find("\r\n") + 2);
            const std::size_t size = std::stoul(line, nullptr, 16);
            while (bytes_.size() < size + 2)
                if (!read()) return false;
            to += take(size);
            take(2);
            if (size == 0) return line.contains("ieof");
        }
    }
    // The next chunk's octets; false: it was the last one, of none, or the connection has ended.
    bool chunk(std::string& to) {
        while (!bytes_.contains("\r\n"))
            if (!read()) return false;
        const std::size_t size = std::stoul(take(bytes_.find("\r\n") + 2), nullptr, 16);
        while (bytes_.size() < size + 2)
            if (!read()) return false;
        to = take(size);
        take(2);
        return size > 0;
    }
    void say(std::string_view text) const { (void)!::send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }
    void wait_for_end() {
        while (read()) bytes_.clear();
    }

private:
    bool read() {
        char piece[100'000];
        const ssize_t got = ::recv(socket_, piece, sizeof piece, 0);
        if (got > 0) bytes_.append(piece, static_cast<std::size_t>(got));
        return got > 0;
    }
    std::string take(std::size_t size) {
        std::string out = bytes_.substr(0, size);
        bytes_.erase(0, size);
        return out;
    }
    int socket_;
    std::string bytes_;
};

// Serves each connection on a thread of its own.
class FakeServer {
public:
    using Handler = std::function<void(Talk&, int)>;
    FakeServer(Descriptor listener, Handler handler)
        : listener_(std::move(listener)),
          handler_(std::move(handler)),
          thread_([this] { serve(); }) {}
    ~FakeServer() {
        is_over_ = true;
        thread_.join();
        for (const Descriptor& each : sockets_) ::shutdown(each.get(), SHUT_RDWR);
    }
    int served() const { return served_; }

private:
    void serve() {
        while (!is_over_) {
            pollfd watched{.fd = listener_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&watched, 1, 5) <= 0) continue;
            sockets_.emplace_back(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            threads_.emplace_back([this, socket = sockets_.back().get(), number = served_++] {
                Talk talk(socket);
                handler_(talk, number);
                ::shutdown(socket, SHUT_RDWR);
            });
        }
    }
    Descriptor listener_;
    Handler handler_;
    std::atomic<bool> is_over_ = false;
    std::atomic<int> served_ = 0;
    std::vector<Descriptor> sockets_;
    std::vector<std::jthread> threads_;
    std::thread thread_;
};

std::string meaning(const Outcome& outcome) {
    EXPECT_EQ(outcome.engine, "icap");
    const std::string detail = outcome.threat.empty() ? std::string(to_string(outcome.reason)) : outcome.threat;
    return std::string(to_string(outcome.verdict)) + (detail.empty() ? "" : " ") + detail;
}

class Icap : public testing::Test {
protected:
    void start(FakeServer::Handler handler) {
        server_.reset();
        port_ = 0;
        server_ = std::make_unique<FakeServer>(listen_at("", port_), std::move(handler));
        client_.emplace(IcapClient::Options{.url = "icap://127.0.0.1/av", .host = "127.0.0.1", .port = port_, .limits = {}});
    }
    // Answers OPTIONS, hears one request after the other, and says that to each.
    void start(const std::string& options, const std::string& answer) {
        start([this, options, answer](Talk& talk, int) {
            for (;;) {
                const std::string head = talk.head();
                if (head.empty()) return;
                if (head.starts_with("OPTIONS ")) {
                    talk.say(options);
                    continue;
                }
                std::string heads = talk.head();
                if (head.starts_with("RESPMOD ")) heads += talk.head();
                std::string content;
                if (!head.contains("null-body")) {
                    const bool was_all = talk.body(content);
                    if (head.contains("Preview:") && !was_all) {
                        talk.say(go_on);
                        talk.body(content);
                    }
                }
                {
                    const std::scoped_lock lock(mutex_);
                    heard_ = head + heads;
                    content_ = content;
                }
                talk.say(answer);
            }
        });
    }
    std::string scan(std::string_view content, steady_clock::duration time = 10s, bool is_upload = false) {
        const MemoryObject object(content);
        icap::Message about;
        about.is_request = is_upload;
        about.content_type = "text/plain";
        return meaning(client_->scan(object.object(), about, steady_clock::now() + time));
    }
    std::string heard() {
        const std::scoped_lock lock(mutex_);
        return heard_;
    }
    std::string content() {
        const std::scoped_lock lock(mutex_);
        return content_;
    }

    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::string heard_, content_;
    std::unique_ptr<FakeServer> server_;
    std::optional<IcapClient> client_;
};

TEST_F(Icap, clean_over_one_connection) {
    start(options_with, unchanged);
    const std::string large(300'000, 'x');
    for (const std::string& each : {std::string("short"), std::string("exactly8"), std::string("longer than that"), large, std::string()}) {
        EXPECT_EQ(scan(each), "clean");
        EXPECT_EQ(content(), each);
        EXPECT_THAT(heard(), HasSubstr("Content-Length: " + std::to_string(each.size()) + "\r\n"));
    }
    EXPECT_EQ(scan("up", 10s, true), "clean");
    EXPECT_THAT(heard(), HasSubstr("REQMOD icap://127.0.0.1/av ICAP/1.0"));
    EXPECT_EQ(server_->served(), 1);
}

TEST_F(Icap, a_service_without_preview_or_204_sends_it_back) {
    start(options_bare,
          "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n3\r\nsam\r\n1\r\ne\r\n0\r\n\r\n");
    EXPECT_EQ(scan("same"), "clean");
    EXPECT_THAT(heard(), Not(HasSubstr("Preview")));
    EXPECT_THAT(heard(), Not(HasSubstr("Allow")));
    EXPECT_EQ(scan("sane"), "infected ICAP.Refused");
    EXPECT_EQ(scan("same and more"), "infected ICAP.Refused");
    EXPECT_EQ(scan("sam"), "infected ICAP.Refused");
    EXPECT_EQ(scan(""), "infected ICAP.Refused");
}

TEST_F(Icap, what_it_finds_is_infected) {
    const std::string page = "Encapsulated: res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n2\r\nno\r\n0\r\n\r\n";
    start(options_with, "ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Own.Bad;\r\n" + page);
    EXPECT_EQ(scan("bad"), "infected Own.Bad");
    start(options_with, "ICAP/1.0 200 OK\r\n" + page);
    EXPECT_EQ(scan("bad"), "infected ICAP.Refused");
    EXPECT_EQ(scan("bad", 10s, true), "infected ICAP.Refused");
    start(options_with,
          "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n3\r\nbad\r\n0\r\n\r\n");
    EXPECT_EQ(scan("bad"), "infected ICAP.Refused") << "the same body under another status";
}

TEST_F(Icap, an_answer_after_the_preview_saves_the_rest) {
    start([](Talk& talk, int) {
        talk.head();
        talk.say(options_with);
        const std::string head = talk.head();
        talk.head();
        talk.head();
        std::string content;
        EXPECT_FALSE(talk.body(content));
        EXPECT_EQ(content, "01234567");
        talk.say(unchanged);
        talk.wait_for_end();
    });
    EXPECT_EQ(scan("0123456789"), "clean");
}

TEST_F(Icap, what_makes_no_sense_is_no_verdict) {
    for (const std::string answer :
         {"ICAP/1.0 500 Server error\r\n\r\n", "ICAP/1.0 404 Service not found\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
          "ICAP/1.0 100 Continue\r\n\r\n", "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=9, res-body=19\r\n\r\n",
          "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\nzz\r\n", "\r\n\r\n"}) {
        SCOPED_TRACE(answer);
        start(options_with, answer);
        EXPECT_EQ(scan("content", 300ms), "unscannable engine-down");
    }
    start(options_with.substr(0, 30), unchanged);
    EXPECT_EQ(scan("content", 300ms), "unscannable timeout");
    start("ICAP/1.0 200 OK\r\n" + std::string(200'000, 'a'), unchanged);
    EXPECT_EQ(scan("content", 300ms), "unscannable engine-down");
}

TEST_F(Icap, one_that_says_nothing_is_a_timeout) {
    start([](Talk& talk, int) { talk.wait_for_end(); });
    const auto begin = steady_clock::now();
    EXPECT_EQ(scan("content", 200ms), "unscannable timeout");
    EXPECT_LT(steady_clock::now() - begin, 3s);
    EXPECT_EQ(scan("content", -1s), "unscannable timeout");
}

TEST_F(Icap, a_verdict_on_half_of_it_is_none) {
    start([](Talk& talk, int) {
        talk.head();
        talk.say(options_bare);
        talk.head();
        talk.say(unchanged);  // before it has seen the body
    });
    EXPECT_EQ(scan(std::string(30'000'000, 'x'), 300ms), "unscannable engine-down");
}

// A server that sends back what it gets at once, and reads no more until that is taken.
TEST_F(Icap, what_is_sent_back_meanwhile_is_read_meanwhile) {
    const auto echo = [&](std::size_t wrong_at) {
        start([wrong_at](Talk& talk, int) {
            talk.head();
            talk.say(options_bare);
            talk.head();
            talk.head();
            talk.head();
            talk.say("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
            std::string chunk;
            for (std::size_t at = 0; talk.chunk(chunk); at += chunk.size()) {
                if (at <= wrong_at && wrong_at < at + chunk.size()) chunk[wrong_at - at] = '!';
                for (std::size_t begin = 0; begin < chunk.size(); begin += 10'000) {      // cut otherwise than it came
                    const std::string piece = chunk.substr(begin, 10'000);
                    talk.say(fmt::format("{:x}\r\n{}\r\n", piece.size(), piece));
                }
            }
            talk.say("0\r\n\r\n");
            talk.wait_for_end();
        });
    };
    constexpr std::size_t size = 32 * 1024 * 1024;
    const std::string large(size, 'x');
    echo(size);
    EXPECT_EQ(scan(large), "clean");
    echo(1000);
    EXPECT_EQ(scan(large), "infected ICAP.Refused");
    echo(size - 1);
    EXPECT_EQ(scan(large), "infected ICAP.Refused");
}

TEST_F(Icap, a_page_before_all_was_sent_is_a_verdict) {
    start([](Talk& talk, int) {
        talk.head();
        talk.say(options_bare);
        talk.head();
        talk.say("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n");
        talk.wait_for_end();
    });
    EXPECT_EQ(scan(std::string(30'000'000, 'x')), "infected ICAP.Refused");
}

TEST_F(Icap, another_request_than_the_one_asked_about_is_refused) {
    const auto with_line = [](const std::string& line) {
        const std::string size = std::to_string(line.size() + 4);
        return "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=" + size + "\r\n\r\n" + line + "\r\n\r\n2\r\nup\r\n0\r\n\r\n";
    };
    start(options_with, with_line("GET http://localhost/ HTTP/1.1"));
    EXPECT_EQ(scan("up", 10s, true), "clean");
    start(options_with, with_line("GET http://localhost/blocked.html HTTP/1.1"));
    EXPECT_EQ(scan("up", 10s, true), "infected ICAP.Refused");
}

TEST_F(Icap, what_a_status_says_matters_less_than_what_was_found) {
    start(options_with, "ICAP/1.0 500 Server error\r\nX-Virus-ID: Own.Bad\r\n\r\n");
    EXPECT_EQ(scan("bad"), "infected Own.Bad");
}

TEST_F(Icap, a_service_with_one_method_judges_both_ways) {
    const std::string respmod = "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nAllow: 204\r\nEncapsulated: null-body=0\r\n\r\n";
    start(respmod, unchanged);
    EXPECT_EQ(scan("up", 10s, true), "clean");
    EXPECT_THAT(heard(), AllOf(HasSubstr("RESPMOD icap:"), HasSubstr("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")));
    EXPECT_EQ(content(), "up");
    start("ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nAllow: 204\r\nEncapsulated: null-body=0\r\n\r\n", unchanged);
    EXPECT_EQ(scan("down"), "clean");
    EXPECT_THAT(heard(), AllOf(HasSubstr("REQMOD icap:"), HasSubstr("PUT http://localhost/ HTTP/1.1\r\n")));
    EXPECT_EQ(content(), "down");
}

TEST_F(Icap, what_is_wanted_whole_has_no_preview) {
    start("ICAP/1.0 200 OK\r\nAllow: 204\r\nPreview: 8\r\nTransfer-Complete: *\r\nEncapsulated: null-body=0\r\n\r\n", unchanged);
    EXPECT_EQ(scan("longer than that"), "clean");
    EXPECT_THAT(heard(), Not(HasSubstr("Preview")));
}

TEST_F(Icap, a_server_that_fails_on_one_object_is_not_down_for_others) {
    start([](Talk& talk, int) {
        for (;;) {
            const std::string head = talk.head();
            if (head.empty()) return;
            if (head.starts_with("OPTIONS ")) {
                talk.say(options_bare);
                continue;
            }
            talk.head();
            talk.head();
            std::string content;
            talk.body(content);
            if (content == "crash") return;
            talk.say(content == "fail" ? "ICAP/1.0 500 Server error\r\n\r\n" : unchanged);
        }
    });
    const auto begin = steady_clock::now();
    for (const std::string_view bad : {"fail", "crash"}) {
        EXPECT_EQ(scan(bad), "unscannable engine-down");
        EXPECT_EQ(scan("good"), "clean");
    }
    EXPECT_LT(steady_clock::now() - begin, 4s) << "and it is not asked for long";
}

TEST_F(Icap, a_service_that_is_not_there_is_not_asked_twice) {
    std::atomic<int> asked = 0;
    start([&](Talk& talk, int) {
        while (!talk.head().empty()) {
            ++asked;
            talk.say("ICAP/1.0 404 Service not found\r\n\r\n");
        }
    });
    EXPECT_EQ(scan("content"), "unscannable engine-down");
    EXPECT_EQ(asked, 1);
}

TEST_F(Icap, another_istag_is_another_state) {
    std::atomic<int> state = 1, options = 0;
    start([&](Talk& talk, int) {
        for (;;) {
            const std::string head = talk.head();
            if (head.empty()) return;
            if (head.starts_with("OPTIONS ")) {
                ++options;
                talk.say(options_bare);
                continue;
            }
            talk.head();
            talk.head();
            std::string content;
            talk.body(content);
            talk.say(state == 0 ? "ICAP/1.0 204 No Content\r\n\r\n"
                                : fmt::format("ICAP/1.0 204 No Content\r\nISTag: \"s{}\"\r\n\r\n", state.load()));
        }
    });
    for (int i = 0; i < 2; ++i) EXPECT_EQ(scan("content"), "clean");
    EXPECT_EQ(client_->changes(), 0U) << "the first that is known is no change";
    EXPECT_EQ(options, 1);
    state = 2;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(scan("content"), "clean");
    EXPECT_EQ(client_->changes(), 1U);
    EXPECT_EQ(options, 2);
    state = 0;
    EXPECT_EQ(scan("content"), "clean");
    EXPECT_EQ(client_->changes(), 1U) << "none is no change";
}

TEST_F(Icap, a_used_connection_that_was_closed_costs_nothing) {
    start([](Talk& talk, int number) {
        for (int requests = 0; requests < (number == 0 ? 2 : 10); ++requests) {
            const std::string head = talk.head();
            if (head.empty()) return;
            if (head.starts_with("OPTIONS ")) {
                talk.say(options_bare.substr(0, 17));
                talk.say("Allow: 204\r\n");
                talk.say(options_bare.substr(17));
                continue;
            }
            talk.head();
            talk.head();
            std::string content;
            talk.body(content);
            talk.say(unchanged);
        }
    });
    for (int i = 0; i < 3; ++i) EXPECT_EQ(scan("content"), "clean");
    EXPECT_EQ(server_->served(), 2);
}

TEST_F(Icap, waits_for_a_restart_and_is_down_where_nobody_listens) {
    start(options_with, unchanged);
    EXPECT_EQ(scan("before"), "clean");
    server_.reset();
    EXPECT_EQ(scan("content", 300ms), "unscannable engine-down");
    const std::jthread restart([this] {
        std::this_thread::sleep_for(200ms);                  // how long it takes: whatever it is, the answer is the same
        server_ = std::make_unique<FakeServer>(listen_at("", port_), [](Talk& talk, int) {
            for (;;) {
                const std::string head = talk.head();
                if (head.empty()) return;
                if (head.starts_with("OPTIONS ")) {          // again: it may be another one now
                    talk.say(options_bare);
                    continue;
                }
                talk.head();
                talk.head();
                std::string content;
                talk.body(content);
                talk.say(unchanged);
            }
        });
    });
    EXPECT_EQ(scan("after"), "clean");
}

TEST_F(Icap, no_more_connections_than_it_takes) {
    std::atomic<int> now = 0, most = 0;
    start([&](Talk& talk, int) {
        for (;;) {
            const std::string head = talk.head();
            if (head.empty()) return;
            if (head.starts_with("OPTIONS ")) {
                talk.say("ICAP/1.0 200 OK\r\nAllow: 204\r\nMax-Connections: 2\r\nEncapsulated: null-body=0\r\n\r\n");
                continue;
            }
            most = std::max(most.load(), ++now);
            talk.head();
            talk.head();
            std::string content;
            talk.body(content);
            --now;
            talk.say(unchanged);
        }
    });
    EXPECT_EQ(scan("options first"), "clean");
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([this] {
                for (int round = 0; round < 5; ++round) EXPECT_EQ(scan("content"), "clean");
            });
    }
    EXPECT_LE(most, 2);
}

}  // namespace
}  // namespace sluice::inspect
