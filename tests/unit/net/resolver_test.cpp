// SPDX-License-Identifier: Apache-2.0
#include "net/resolver.h"
#include "net/gate.h"
#include "unit/net/support.h"

#include <ares.h>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

std::string u16(std::uint32_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
std::string u32(std::uint32_t value) { return u16(value >> 16) + u16(value & 0xffff); }

std::string wire_name(std::string_view name) {
    std::string out;
    for (const auto label : {name}) {
        std::string_view rest = label;
        while (!rest.empty()) {
            const std::size_t dot = std::min(rest.find('.'), rest.size());
            out += static_cast<char>(dot);
            out += rest.substr(0, dot);
            rest.remove_prefix(std::min(dot + 1, rest.size()));
        }
    }
    return out + '\0';
}

std::string record(std::string_view owner, std::uint32_t type, std::uint32_t ttl, const std::string& data) {
    return wire_name(owner) + u16(type) + u16(1) + u32(ttl) + u16(static_cast<std::uint32_t>(data.size())) + data;
}

std::string a(std::string_view owner, std::uint32_t ttl, std::uint32_t address) { return record(owner, 1, ttl, u32(address)); }
std::string aaaa(std::string_view owner, std::uint32_t ttl, char last) {
    return record(owner, 28, ttl, std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + last);
}
std::string soa(std::uint32_t ttl, std::uint32_t minimum) {
    return record("test", 6, ttl, wire_name("ns.test") + wire_name("host.test") + u32(1) + u32(2) + u32(3) + u32(4) + u32(minimum));
}

// What the server says to one question; `delay` on the worker's clock.
struct Reply {
    int rcode = 0;
    std::vector<std::string> answers;
    std::string authority;
    milliseconds delay{0};
    bool silent = false;
};

// A name server on a UDP socket of the worker's own loop.
class NameServer final : public EventSource {
public:
    explicit NameServer(Worker& worker) : worker_(worker), socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        const SocketAddress any(loopback());
        EXPECT_EQ(::bind(socket_.value, any.get(), any.length()), 0);
        worker.reactor().add(socket_.value, EPOLLIN, *this);
    }
    ~NameServer() { worker_.reactor().remove(socket_.value, *this); }
    std::string address() const { return SocketAddress::local_of(socket_.value).to_ip_port().to_string(); }

    std::map<std::pair<std::string, int>, Reply> replies;            // by name and type; others: NXDOMAIN
    std::map<std::pair<std::string, int>, int> asked;

private:
    void on_ready(std::uint32_t) override {
        char buffer[512];
        for (;;) {
            SocketAddress from;
            const ssize_t size = ::recvfrom(socket_.value, buffer, sizeof buffer, 0, from.out(), from.out_length());
            if (size < 12) return;
            answer(std::string(buffer, static_cast<std::size_t>(size)), from);
        }
    }

    void answer(const std::string& query, const SocketAddress& from) {
        std::string name;
        std::size_t at = 12;
        while (query[at] != 0) {
            const auto length = static_cast<std::size_t>(query[at]);
            name += (name.empty() ? "" : ".") + query.substr(at + 1, length);
            at += length + 1;
        }
        const int type = query[at + 2];
        const std::string question = query.substr(12, at + 5 - 12);
        ++asked[{name, type}];
        const auto found = replies.find({name, type});
        const Reply reply = found == replies.end() ? Reply{.rcode = 3, .answers = {}, .authority = soa(300, 300)} : found->second;
        if (reply.silent) return;
        std::string message = query.substr(0, 2) + u16(0x8180U | static_cast<std::uint32_t>(reply.rcode)) + u16(1) +
                              u16(static_cast<std::uint32_t>(reply.answers.size())) + u16(reply.authority.empty() ? 0 : 1) + u16(0) +
                              question;
        for (const auto& each : reply.answers) message += each;
        message += reply.authority;
        if (reply.delay.count() == 0) {
            send(message, from);
            return;
        }
        spawn(worker_, [](NameServer& self, std::string text, SocketAddress to, milliseconds delay) -> Task<void> {
            co_await self.worker_.sleep(delay);
            self.send(text, to);
        }(*this, message, from, reply.delay));
    }

    void send(const std::string& message, const SocketAddress& to) {
        ::sendto(socket_.value, message.data(), message.size(), 0, to.get(), to.length());
    }

    Worker& worker_;
    Descriptor socket_;
};

constexpr int type_a = 1;
constexpr int type_aaaa = 28;

NameData data_for(const std::string& server, std::string_view hosts = "") {
    ResolvConf conf;
    conf.servers = {server};
    conf.timeout = milliseconds(200);
    conf.attempts = 2;
    return {std::make_shared<const HostsMap>(parse_hosts(hosts)), conf};
}

std::string text_of(const Result<std::shared_ptr<const Addresses>>& got) {
    if (!got) return std::string(to_string(got.error().code));
    std::string text;
    for (const auto& address : (*got)->list) text += (text.empty() ? "" : " ") + address.to_string();
    return text;
}

using Test = Task<void> (*)(Worker&, NameServer&);

void with_server(Test test, const Limits& limits = {}) {
    Worker worker(limits);
    NameServer server(worker);
    worker.resolver().use(data_for(server.address(), "192.0.2.55 Pinned.test other # comment\n2001:db8::55 pinned.test\n"));
    worker.run(test(worker, server));
    worker.resolver().cancel();
}

TEST(Resolver, literals_hosts_and_localhost_ask_nobody) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        EXPECT_EQ(text_of(co_await on.resolver().resolve("192.0.2.1")), "192.0.2.1");
        EXPECT_EQ(text_of(co_await on.resolver().resolve("::ffff:192.0.2.1")), "192.0.2.1");
        EXPECT_EQ(text_of(co_await on.resolver().resolve("2001:db8::1")), "2001:db8::1");
        EXPECT_EQ(text_of(co_await on.resolver().resolve("pinned.test")), "2001:db8::55 192.0.2.55");
        EXPECT_EQ(text_of(co_await on.resolver().resolve("other")), "192.0.2.55");
        EXPECT_EQ(text_of(co_await on.resolver().resolve("a.localhost")), "::1 127.0.0.1");
        EXPECT_TRUE(server.asked.empty());
    });
}

TEST(Resolver, families_take_turns_and_the_answer_is_kept) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        server.replies[{"both.test", type_a}] = {.answers = {a("both.test", 60, 0xc0000201), a("both.test", 60, 0xc0000202)},
                                                 .authority = ""};
        server.replies[{"both.test", type_aaaa}] = {.answers = {aaaa("both.test", 60, 1)}, .authority = ""};
        EXPECT_EQ(text_of(co_await on.resolver().resolve("both.test")), "2001:db8::1 192.0.2.1 192.0.2.2");
        EXPECT_EQ(text_of(co_await on.resolver().resolve("both.test.")), "2001:db8::1 192.0.2.1 192.0.2.2");
        EXPECT_EQ((server.asked[{"both.test", type_a}]), 1);
        EXPECT_EQ(on.resolver().counters().cache_hits, 1U);
    });
}

TEST(Resolver, the_time_to_live_is_honoured) {
    Limits limits;
    limits.dns_ttl_min = milliseconds(0);
    with_server(
        [](Worker& on, NameServer& server) -> Task<void> {
            server.replies[{"short.test", type_a}] = {.answers = {a("short.test", 1, 0xc0000201)}, .authority = ""};
            EXPECT_EQ(text_of(co_await on.resolver().resolve("short.test")), "192.0.2.1");
            server.replies[{"short.test", type_a}].answers = {a("short.test", 1, 0xc0000209)};
            EXPECT_EQ(text_of(co_await on.resolver().resolve("short.test")), "192.0.2.1");
            co_await on.sleep(milliseconds(1'050));
            EXPECT_EQ(text_of(co_await on.resolver().resolve("short.test")), "192.0.2.9");
        },
        limits);
}

TEST(Resolver, an_alias_is_followed_and_its_time_counts) {
    Limits limits;
    limits.dns_ttl_min = milliseconds(0);
    with_server(
        [](Worker& on, NameServer& server) -> Task<void> {
            server.replies[{"www.test", type_a}] = {
                .answers = {record("www.test", 5, 0, wire_name("real.test")), a("real.test", 600, 0xc0000203)}, .authority = ""};
            EXPECT_EQ(text_of(co_await on.resolver().resolve("www.test")), "192.0.2.3");
            EXPECT_EQ(text_of(co_await on.resolver().resolve("www.test")), "192.0.2.3");
            EXPECT_EQ((server.asked[{"www.test", type_a}]), 2);          // the alias may not be kept
        },
        limits);
}

TEST(Resolver, absence_is_told_apart_and_kept) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        const auto none = co_await on.resolver().resolve("missing.test");
        EXPECT_EQ(none.error().code, Errc::unresolved);
        EXPECT_EQ(none.error().cause, ARES_ENOTFOUND);
        EXPECT_EQ(none.error().side, Side::server);
        (void)co_await on.resolver().resolve("missing.test");
        EXPECT_EQ((server.asked[{"missing.test", type_a}]), 1);
        for (const int type : {type_a, type_aaaa}) server.replies[{"mail.test", type}] = {.answers = {}, .authority = soa(10, 10)};
        const auto empty = co_await on.resolver().resolve("mail.test");
        EXPECT_EQ(empty.error().cause, ARES_ENODATA);
    });
}

TEST(Resolver, absence_is_kept_no_longer_than_the_limit) {
    Limits limits;
    limits.dns_ttl_min = milliseconds(0);
    limits.dns_negative = milliseconds(20);
    with_server(
        [](Worker& on, NameServer& server) -> Task<void> {
            EXPECT_FALSE(co_await on.resolver().resolve("late.test"));           // the SOA says 300 s
            server.replies[{"late.test", type_a}] = {.answers = {a("late.test", 60, 0xc0000204)}, .authority = ""};
            co_await on.sleep(milliseconds(30));
            EXPECT_EQ(text_of(co_await on.resolver().resolve("late.test")), "192.0.2.4");
        },
        limits);
}

TEST(Resolver, a_failing_server_is_not_absence) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        for (const int type : {type_a, type_aaaa}) server.replies[{"broken.test", type}] = {.rcode = 2, .answers = {}, .authority = ""};
        const auto got = co_await on.resolver().resolve("broken.test");
        EXPECT_EQ(got.error().code, Errc::unresolved);
        EXPECT_FALSE(got.error().cause == ARES_ENOTFOUND || got.error().cause == ARES_ENODATA);
        EXPECT_EQ(on.resolver().cached(), 0U);
    });
}

TEST(Resolver, silence_times_out) {
    Limits limits;
    limits.resolve = milliseconds(150);
    with_server(
        [](Worker& on, NameServer& server) -> Task<void> {
            for (const int type : {type_a, type_aaaa}) {
                server.replies[{"silent.test", type}].silent = true;
                server.replies[{"half.test", type}].silent = true;
            }
            EXPECT_EQ((co_await on.resolver().resolve("silent.test")).error().code, Errc::timed_out);
        // One family that answers is enough.
            server.replies[{"half.test", type_aaaa}] = {.answers = {aaaa("half.test", 60, 9)}, .authority = ""};
            EXPECT_EQ(text_of(co_await on.resolver().resolve("half.test")), "2001:db8::9");
        },
        limits);
}

TEST(Resolver, without_a_server_it_is_unresolved) {
    Worker worker;
    Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SocketAddress any(loopback());
    ASSERT_EQ(::bind(socket.value, any.get(), any.length()), 0);
    const std::string nobody_there = SocketAddress::local_of(socket.value).to_ip_port().to_string();
    socket.reset();
    worker.resolver().use(data_for(nobody_there));
    worker.run([](Worker& on) -> Task<void> {
        const auto got = co_await on.resolver().resolve("any.test");
        EXPECT_EQ(got.error().code, Errc::unresolved);
        EXPECT_EQ(got.error().cause, ARES_ECONNREFUSED);
    }(worker));
}

TEST(Resolver, questions_for_one_name_are_asked_once) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        server.replies[{"busy.test", type_a}] = {.answers = {a("busy.test", 60, 0xc0000205)}, .authority = "", .delay = milliseconds(20)};
        int got = 0;
        Gate done;
        for (int i = 0; i < 10; ++i)
            spawn(on, [](Worker& at, int& count, Gate& gate) -> Task<void> {
                EXPECT_EQ(text_of(co_await at.resolver().resolve("busy.test")), "192.0.2.5");
                if (++count == 10) gate.open();
            }(on, got, done));
        co_await done.wait();
        EXPECT_EQ((server.asked[{"busy.test", type_a}]), 1);
        EXPECT_EQ((server.asked[{"busy.test", type_aaaa}]), 1);
    });
}

TEST(Resolver, does_not_wait_long_for_the_other_family) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        server.replies[{"slow6.test", type_a}] = {.answers = {a("slow6.test", 60, 0xc0000206)}, .authority = ""};
        server.replies[{"slow6.test", type_aaaa}] = {.answers = {aaaa("slow6.test", 60, 6)}, .authority = "", .delay = milliseconds(150)};
        EXPECT_EQ(text_of(co_await on.resolver().resolve("slow6.test")), "192.0.2.6");
        // What came late is there for the next.
        co_await on.sleep(milliseconds(200));
        EXPECT_EQ(text_of(co_await on.resolver().resolve("slow6.test")), "2001:db8::6 192.0.2.6");
        server.replies[{"soon6.test", type_a}] = {.answers = {a("soon6.test", 60, 0xc0000207)}, .authority = ""};
        server.replies[{"soon6.test", type_aaaa}] = {.answers = {aaaa("soon6.test", 60, 7)}, .authority = "", .delay = milliseconds(5)};
        EXPECT_EQ(text_of(co_await on.resolver().resolve("soon6.test")), "2001:db8::7 192.0.2.7");
    });
}

TEST(Resolver, the_cache_is_bounded) {
    Limits limits;
    limits.dns_cache_entries = 3;
    with_server(
        [](Worker& on, NameServer&) -> Task<void> {
            for (const char* name : {"1.test", "2.test", "3.test", "1.test", "4.test"}) (void)co_await on.resolver().resolve(name);
            EXPECT_EQ(on.resolver().cached(), 3U);
            (void)co_await on.resolver().resolve("1.test");              // used again, so it stayed
            EXPECT_EQ(on.resolver().counters().cache_hits, 2U);
        },
        limits);
}

TEST(Resolver, other_servers_are_used_from_then_on) {
    Worker worker;
    NameServer first(worker);
    NameServer second(worker);
    first.replies[{"moved.test", type_a}] = {.answers = {a("moved.test", 60, 0xc0000201)}, .authority = "", .delay = milliseconds(10)};
    second.replies[{"moved.test", type_a}] = {.answers = {a("moved.test", 60, 0xc0000202)}, .authority = ""};
    worker.resolver().use(data_for(first.address()));
    worker.run([](Worker& on, NameServer& next) -> Task<void> {
        Gate done;
        spawn(on, [](Worker& at, Gate& gate) -> Task<void> {
            EXPECT_EQ(text_of(co_await at.resolver().resolve("moved.test")), "192.0.2.1");
            gate.open();
        }(on, done));
        on.resolver().use(data_for(next.address()));                 // the question on its way is still answered
        EXPECT_EQ(text_of(co_await on.resolver().resolve("moved.test")), "192.0.2.2");
        co_await done.wait();
    }(worker, second));
}

TEST(Resolver, cancel_ends_what_waits) {
    with_server([](Worker& on, NameServer& server) -> Task<void> {
        for (const int type : {type_a, type_aaaa}) server.replies[{"silent.test", type}].silent = true;
        Gate done;
        spawn(on, [](Worker& at, Gate& gate) -> Task<void> {
            EXPECT_EQ((co_await at.resolver().resolve("silent.test")).error().code, Errc::cancelled);
            gate.open();
        }(on, done));
        on.resolver().cancel();
        co_await done.wait();
    });
}

TEST(NameFiles, resolv_conf_is_read_as_the_manual_says) {
    const auto conf = parse_resolv_conf(
        "# c\nsearch corp.example\nnameserver 192.0.2.1\nnameserver ::1 ; x\nnameserver fe80::1%eth0\n"
        "options ndots:5 timeout:2 attempts:9 rotate\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n");
    EXPECT_EQ(conf.servers, (std::vector<std::string>{"192.0.2.1:53", "[::1]:53", "192.0.2.2:53"}));
    EXPECT_EQ(conf.timeout, milliseconds(2'000));
    EXPECT_EQ(conf.attempts, 5);
    EXPECT_TRUE(conf.rotate);
    EXPECT_EQ(parse_resolv_conf("").servers, (std::vector<std::string>{"127.0.0.1:53"}));
}

TEST(NameFiles, are_read_again_when_they_change_or_are_replaced) {
    const std::string path = ::testing::TempDir() + "sluice_hosts_" + std::to_string(::getpid());
    const auto write = [](const std::string& to, const std::string& text) { std::ofstream(to) << text; };
    write(path, "192.0.2.1 a\n");
    NameFiles files({.hosts_path = path, .resolv_conf_path = path + ".none", .servers = {"192.0.2.9:5353"}});
    EXPECT_TRUE(files.read_if_changed());
    EXPECT_FALSE(files.read_if_changed());
    EXPECT_EQ(files.data().servers.servers, (std::vector<std::string>{"192.0.2.9:5353"}));
    write(path + ".new", "192.0.2.2 a\n");
    ASSERT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
    EXPECT_TRUE(files.read_if_changed());
    EXPECT_EQ(files.data().hosts->find("a")->second.front().to_string(), "192.0.2.2");
    std::remove(path.c_str());
    EXPECT_TRUE(files.read_if_changed());
    EXPECT_TRUE(files.data().hosts->empty());
}

}  // namespace
}  // namespace sluice::net
