// SPDX-License-Identifier: Apache-2.0
// ClientHellos as clients send them (tests/wire/tls/client_hello.wire), cut, in other records, damaged; and made ones.
#include "protocols/tls/client_hello.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <functional>

#include "base/text.h"
#include "protocols/tls/alert.h"
#include "protocols/tls/ja4.h"
#include "unit/protocols/tls/hello_text.h"
#include "unit/support/wire.h"

namespace sluice::tls {
namespace {

using test::HelloText;
using test::number;
using test::numbers;
using test::records;

using Outcome = Result<std::optional<std::size_t>>;

std::string render(const Error& error) { return "error " + std::string(to_string(error.code)) + " \"" + std::string(error.what) + '"'; }

std::string render(const ClientHello& hello) {
    std::string out = number(hello.highest_version(), 2);
    out = to_hex(std::array<std::uint8_t, 2>{static_cast<std::uint8_t>(out[0]), static_cast<std::uint8_t>(out[1])});
    if (hello.server_name) out += " name " + *hello.server_name;
    if (!hello.alpn.empty()) out += " alpn";
    for (const std::string& name : hello.alpn) out += " " + name;
    if (hello.may_use_ecdsa()) out += " ecdsa";
    if (hello.early_data) out += " early_data";
    if (hello.encrypted_client_hello) out += " encrypted_client_hello";
    return out + " " + ja4(hello);
}

std::string unhex(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) out += static_cast<char>(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
    return out;
}

// Calls `check` with a copy that has nothing behind it.
Outcome parse(std::string_view bytes, ClientHello& out, const Limits& limits = {}) {
    const std::vector<char> copy(bytes.begin(), bytes.end());
    return parse_client_hello({copy.data(), copy.size()}, limits, out);
}

std::string outcome_of(std::string_view bytes, const Limits& limits = {}) {
    ClientHello hello;
    const Outcome parsed = parse(bytes, hello, limits);
    if (!parsed) {
        EXPECT_EQ(parsed.error().side, Side::client);
        return render(parsed.error());
    }
    if (!*parsed) return "more";
    return render(hello) + " ends at " + std::to_string(**parsed) + " of " + std::to_string(bytes.size());
}

// The error of `bytes`, which each prefix has as well or does not know yet.
std::string error_of(std::string_view bytes, const Limits& limits = {}) {
    const std::string whole = outcome_of(bytes, limits);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const std::string part = outcome_of(bytes.substr(0, size), limits);
        EXPECT_TRUE(part == "more" || part == whole) << size << ": " << part << ", of all: " << whole;
    }
    return whole;
}

ClientHello read(std::string_view bytes) {
    ClientHello hello;
    const Outcome parsed = parse(bytes, hello);
    EXPECT_TRUE(parsed) << parsed.error().what;
    EXPECT_TRUE(parsed && *parsed && **parsed == bytes.size());
    return hello;
}

std::vector<sluice::test::WireCase> recorded() {
    auto cases = sluice::test::read_wire(std::filesystem::path(SLUICE_SOURCE_DIR) / "tests/wire/tls/client_hello.wire");
    for (auto& each : cases) each.input = unhex(each.input);
    EXPECT_FALSE(cases.empty());
    return cases;
}

// Everything that is read, GREASE everywhere, and a record's worth of what is not.
HelloText rich() {
    HelloText text;
    text.ciphers = numbers({0x2a2a, 0x1301, 0xc02b, 0xc02f});
    text.add(0x3a3a, "");
    text.add_name("Www.Example.COM");
    text.add_list(0x0a, numbers({0x4a4a, 0x11ec, 0x001d, 0x0017}));
    text.add_list(0x0d, numbers({0x5a5a, 0x0403, 0x0804}));
    text.add_versions(numbers({0x6a6a, 0x0304, 0x0303}));
    text.add_alpn({"\x7a\x7a", "h2", "http/1.1"});
    text.add_outer_hello();
    text.add(0x2a, "");
    text.add(0x33, std::string(40, 'k'));
    text.add(0xaaaa, std::string(1, '\0'));
    text.add(0x29, "psk");
    return text;
}

TEST(ClientHello, recorded_ones_at_every_length) {
    for (const auto& wire : recorded()) {
        SCOPED_TRACE(wire.where);
        ASSERT_EQ(outcome_of(wire.input), wire.outcome);
        ClientHello whole;
        const std::size_t end = **parse(wire.input, whole);
        for (std::size_t size = 0; size <= wire.input.size(); ++size) {
            ClientHello hello;
            const Outcome parsed = parse(std::string_view(wire.input).substr(0, size), hello);
            ASSERT_TRUE(parsed) << size << ": " << parsed.error().what;
            ASSERT_EQ(*parsed, size < end ? std::nullopt : std::optional(end)) << size;
            ASSERT_EQ(hello, size < end ? ClientHello{} : whole) << size;
        }
    }
}

TEST(ClientHello, recorded_ones_in_other_records) {
    for (const auto& wire : recorded()) {
        SCOPED_TRACE(wire.where);
        ClientHello whole;
        const std::size_t end = **parse(wire.input, whole);
        const std::string message = test::message_of(wire.input.substr(0, end));
        for (const std::size_t size :
             {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, message.size() - 1, message.size()}) {
            const std::string flight = records(message, size);
            EXPECT_EQ(read(flight), whole) << size;
            for (std::size_t cut = 0; cut < flight.size(); ++cut)
                ASSERT_EQ(outcome_of(flight.substr(0, cut)), "more") << size << " " << cut;
            ClientHello hello;
            EXPECT_EQ(**parse(flight + "\x17\x03\x03", hello), flight.size());
        }
    }
}

TEST(ClientHello, recorded_ones_with_any_octet_changed) {
    for (const auto& wire : recorded()) {
        SCOPED_TRACE(wire.where);
        ClientHello whole;
        const std::size_t end = **parse(wire.input, whole);
        for (std::size_t at = 0; at < end; ++at) {
            for (const int change : {0x01, 0x02, 0x40, 0x80, 0xff}) {
                std::string damaged = wire.input.substr(0, end);
                damaged[at] = static_cast<char>(damaged[at] ^ change);
                ClientHello hello;
                const Outcome parsed = parse(damaged, hello);
                if (parsed && *parsed) EXPECT_EQ(ja4(hello).size(), 36U);
                else EXPECT_EQ(hello, ClientHello{});
            }
        }
    }
}

TEST(ClientHello, what_is_read_and_what_says_nothing) {
    const ClientHello hello = read(rich().flight());
    EXPECT_EQ(hello.legacy_version, 0x0303);
    EXPECT_EQ(hello.versions, (std::vector<std::uint16_t>{0x0304, 0x0303}));
    EXPECT_EQ(hello.ciphers, (std::vector<std::uint16_t>{0x1301, 0xc02b, 0xc02f}));
    EXPECT_EQ(hello.extensions, (std::vector<std::uint16_t>{0x00, 0x0a, 0x0d, 0x2b, 0x10, 0xfe0d, 0x2a, 0x33, 0x29}));
    EXPECT_EQ(hello.signature_algorithms, (std::vector<std::uint16_t>{0x0403, 0x0804}));
    EXPECT_EQ(hello.groups, (std::vector<std::uint16_t>{0x11ec, 0x001d, 0x0017}));
    EXPECT_EQ(hello.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
    EXPECT_EQ(hello.server_name, "www.example.com");
    EXPECT_TRUE(hello.encrypted_client_hello);
    EXPECT_TRUE(hello.early_data);
    EXPECT_TRUE(hello.offers("h2"));
    EXPECT_FALSE(hello.offers("h"));
    EXPECT_EQ(hello.highest_version(), tls_1_3);

    const ClientHello bare = read(HelloText{}.flight());
    EXPECT_TRUE(bare.extensions.empty() && bare.versions.empty() && bare.alpn.empty() && !bare.server_name);
    EXPECT_FALSE(bare.encrypted_client_hello || bare.early_data || bare.offers("h2"));
}

TEST(ClientHello, what_is_no_tls_is_known_at_once) {
    for (const std::string_view text :
         {std::string_view("GET / HTTP/1.1\r\n\r\n"), std::string_view("SSH-2.0-OpenSSH_9.2\r\n"), std::string_view("EHLO x\r\n"),
          std::string_view("\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", 11), std::string_view("\x00\x2e\x00\x01\x03\x01", 6),
          std::string_view("\x15\x03\x01\x00\x02\x02\x28", 7), std::string_view("\x17\x03\x03\x00\x01x", 6)}) {
        EXPECT_EQ(error_of(text), "error unsupported \"not TLS\"");
        EXPECT_EQ(outcome_of(text.substr(0, 1)), "error unsupported \"not TLS\"");
    }
    EXPECT_EQ(outcome_of(std::string_view("\x16\x02", 2)), "error unsupported \"not TLS\"");
    EXPECT_EQ(outcome_of(std::string_view("\x16\x03\x05", 3)), "error unsupported \"not TLS\"");
    EXPECT_EQ(outcome_of(std::string_view("\x16\xfe\xff", 3)), "error unsupported \"not TLS\"");   // DTLS
    EXPECT_EQ(outcome_of(""), "more");
    for (const char minor : {'\x00', '\x01', '\x02', '\x03', '\x04'}) EXPECT_EQ(outcome_of(std::string("\x16\x03") + minor), "more");
}

TEST(ClientHello, records_that_break_the_rules) {
    const std::string message = rich().message();
    const std::string second = records(message.substr(0, 10)) + records(message.substr(10));
    const auto with = [&](std::size_t at, std::string_view octets) { return std::string(second).replace(at, octets.size(), octets); };
    EXPECT_EQ(error_of(with(15, "\x17")), "error malformed \"another record inside the ClientHello\"");
    EXPECT_EQ(error_of(with(15, "\x15")), "error malformed \"another record inside the ClientHello\"");
    EXPECT_EQ(error_of(with(16, "\x02")), "error malformed \"TLS record of an unknown version\"");
    EXPECT_EQ(error_of(with(17, "\x05")), "error malformed \"TLS record of an unknown version\"");
    EXPECT_EQ(error_of(with(3, std::string_view("\0\0", 2))), "error malformed \"empty handshake record\"");
    EXPECT_EQ(error_of(with(18, std::string_view("\0\0", 2))), "error malformed \"empty handshake record\"");
    EXPECT_EQ(error_of(with(3, "\x40\x01")), "error malformed \"TLS record too long\"");
    EXPECT_EQ(error_of(with(18, "\x40\x01")), "error malformed \"TLS record too long\"");
    EXPECT_EQ(outcome_of(with(3, std::string_view("\x40\x00", 2))), "error malformed \"octets after the ClientHello in its record\"");
    EXPECT_EQ(error_of(records(message + "x")), "error malformed \"octets after the ClientHello in its record\"");
    EXPECT_EQ(error_of(records(message.substr(0, 2)) + records(message.substr(2) + "x")),
              "error malformed \"octets after the ClientHello in its record\"");
    EXPECT_EQ(error_of(with(5, "\x02")), "error malformed \"the first message is no ClientHello\"");
    EXPECT_EQ(error_of(records(number(0, 4))), "error malformed \"the first message is no ClientHello\"");
    EXPECT_EQ(error_of(records(number(0x01000000, 4))), "error malformed \"ClientHello: cut\"");
}

TEST(ClientHello, a_bound_on_all_its_octets) {
    Limits limits;
    const std::string message = rich().message();
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, message.size()}) {
        const std::string flight = records(message, size);
        limits.client_hello = flight.size();
        EXPECT_TRUE(outcome_of(flight, limits).starts_with("0304")) << size;
        --limits.client_hello;
        EXPECT_EQ(error_of(flight, limits), "error too large \"ClientHello too long\"") << size;
    }
    // Known from the length that it says.
    EXPECT_EQ(error_of("\x16\x03\x01\x02" + number(0, 1) + "\x01\xff\xff\xff"), "error too large \"ClientHello too long\"");
    // Also of one whose length stays unknown, and of the longest that there can be.
    HelloText text;
    text.add(0x15, std::string(30'000, '\0'));
    EXPECT_EQ(read(text.flight()).extensions, (std::vector<std::uint16_t>{0x15}));
    text.add(0x16, std::string(3'000, '\0'));
    EXPECT_EQ(outcome_of(text.flight()), "error too large \"ClientHello too long\"");
    limits.client_hello = 12;
    EXPECT_EQ(error_of(records(message, 1), limits), "error too large \"ClientHello too long\"");
}

TEST(ClientHello, a_vector_whose_length_is_wrong) {
    int refused = 0;
    for (int which = 0, vectors = 1; which < vectors; ++which) {
        for (const int by : {-1, 1, -2, 2, 200}) {
            HelloText text;
            text.wrong_vector = which;
            text.wrong_by = by;
            text.ciphers = numbers({0x1301, 0xc02b});
            text.add_name("www.example.com");
            text.add_list(0x0a, numbers({0x001d, 0x0017}));
            text.add_list(0x0d, numbers({0x0403, 0x0804}));
            text.add_versions(numbers({0x0304, 0x0303}));
            text.add_alpn({"h2", "http/1.1"});
            text.add_outer_hello();
            text.add(0x2a, "");
            const std::string flight = text.flight();
            vectors = text.written();
            const std::string outcome = outcome_of(flight);
            EXPECT_TRUE(outcome.starts_with("error malformed")) << which << " by " << by << ": " << outcome;
            ++refused;
        }
    }
    EXPECT_GT(refused, 100);
}

TEST(ClientHello, a_body_that_breaks_the_rules) {
    const auto refusal = [](const std::function<void(HelloText&)>& change) {
        HelloText text;
        change(text);
        return error_of(text.flight());
    };
    const auto cut = [](std::string_view what) { return "error malformed \"ClientHello: " + std::string(what) + '"'; };
    EXPECT_EQ(refusal([](HelloText& text) { text.session += 's'; }), cut("session id too long"));
    EXPECT_EQ(refusal([](HelloText& text) { text.version = 0x0203; }), cut("unknown version"));
    EXPECT_EQ(refusal([](HelloText& text) { text.ciphers.clear(); }), cut("bad cipher suites"));
    EXPECT_EQ(refusal([](HelloText& text) { text.ciphers += 'x'; }), cut("bad cipher suites"));
    EXPECT_EQ(refusal([](HelloText& text) { text.compressions = "\x01"; }), cut("does not offer to leave out compression"));
    EXPECT_EQ(refusal([](HelloText& text) { text.compressions.clear(); }), cut("does not offer to leave out compression"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0x17, "").add(0x23, "").add(0x17, ""); }), cut("an extension twice"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add_name("a").add_name("a"); }), cut("an extension twice"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0x1a1a, "").add(0x1a1a, ""); }), cut("an extension twice"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0x29, "").add(0x17, ""); }), cut("pre_shared_key is not last"));
    for (const auto& [type, name] :
         {std::pair<std::uint16_t, std::string_view>{0x0a, "supported_groups"}, {0x0d, "signature_algorithms"}}) {
        const std::string what = cut("bad " + std::string(name));
        EXPECT_EQ(refusal([&](HelloText& text) { text.add(type, ""); }), what);
        EXPECT_EQ(refusal([&](HelloText& text) { text.add_list(type, ""); }), what);
        EXPECT_EQ(refusal([&](HelloText& text) { text.add_list(type, "abc"); }), what);
        EXPECT_EQ(refusal([&](HelloText& text) { text.add(type, number(2, 2) + "abc"); }), what);
    }
    EXPECT_EQ(refusal([](HelloText& text) { text.add_versions(""); }), cut("bad supported_versions"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add_versions("\x03\x04\x03"); }), cut("bad supported_versions"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add_versions("\x1a\x1a"); }), cut("supported_versions names no version"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add_alpn({}); }), cut("bad ALPN"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add_alpn({"h2", ""}); }), cut("bad ALPN"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0x2a, "x"); }), cut("bad early_data"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0xfe0d, ""); }), cut("bad encrypted_client_hello"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0xfe0d, "\x02"); }), cut("bad encrypted_client_hello"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0xfe0d, "\x01x"); }), cut("bad encrypted_client_hello"));
    EXPECT_EQ(refusal([](HelloText& text) { text.add(0xfe0d, std::string(10, '\0')); }), cut("bad encrypted_client_hello"));

    const std::string body = HelloText{}.body();
    for (std::size_t size = 0; size < body.size(); ++size)
        EXPECT_EQ(outcome_of(records(number(1, 1) + number(size, 3) + body.substr(0, size))), cut("cut")) << size;
    const auto with_tail = [&](std::string_view tail) {
        const std::string longer = body + std::string(tail);
        return outcome_of(records(number(1, 1) + number(longer.size(), 3) + longer));
    };
    EXPECT_EQ(with_tail("x"), cut("wrong length of the extensions"));
    EXPECT_EQ(with_tail(std::string_view("\0\0x", 3)), cut("wrong length of the extensions"));
    EXPECT_EQ(with_tail(std::string_view("\0\x01x", 3)), cut("cut extension"));
    EXPECT_EQ(with_tail(std::string_view("\0\x04\0\x17\0\x01", 6)), cut("cut extension"));
    EXPECT_TRUE(with_tail(std::string_view("\0\0", 2)).starts_with("0303"));
}

TEST(ClientHello, an_inner_hello_is_no_outer_one) { EXPECT_FALSE(read(HelloText{}.add(0xfe0d, "\x01").flight()).encrypted_client_hello); }

TEST(ClientHello, names_of_servers) {
    const auto name_of = [](std::string_view sent) -> std::string {
        HelloText text;
        text.add_name(sent);
        ClientHello hello;
        const Outcome parsed = parse(text.flight(), hello);
        return parsed ? hello.server_name.value_or("none") : render(parsed.error());
    };
    EXPECT_EQ(name_of("Mail.EXAMPLE.org"), "mail.example.org");
    EXPECT_EQ(name_of("example.org."), "example.org");
    EXPECT_EQ(name_of("localhost"), "localhost");
    EXPECT_EQ(name_of("_dmarc.xn--bcher-kva.example"), "_dmarc.xn--bcher-kva.example");
    EXPECT_EQ(name_of("192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(name_of("2001:DB8::1"), "2001:db8::1");
    EXPECT_EQ(name_of(std::string(127, 'a') + '.' + std::string(127, 'b')), std::string(127, 'a') + '.' + std::string(127, 'b'));
    for (const std::string_view wrong :
         {std::string_view("a b"), std::string_view("a\0b", 3), std::string_view("::1\0", 4), std::string_view("a\n"),
          std::string_view("b\xc3\xbc"
                           "cher.example"),
          std::string_view("a/b"), std::string_view("a:443"), std::string_view("[::1]"), std::string_view("::1."),
          std::string_view("*.example"), std::string_view("."), std::string_view(".a"), std::string_view("a..b"), std::string_view("a..")})
        EXPECT_EQ(name_of(wrong), "error malformed \"ClientHello: the server's name is no host name\"") << wrong;
    EXPECT_EQ(name_of(""), "error malformed \"ClientHello: bad length of the server's name\"");
    EXPECT_EQ(name_of(std::string(256, 'a')), "error malformed \"ClientHello: bad length of the server's name\"");

    const auto refusal = [](const std::string& data) { return outcome_of(HelloText{}.add(0, data).flight()); };
    const std::string_view what = "error malformed \"ClientHello: server_name is not one host name\"";
    const std::string one = number(0, 1) + number(1, 2) + "a";
    EXPECT_EQ(refusal(""), what);
    EXPECT_EQ(refusal(number(0, 2)), what);
    EXPECT_EQ(refusal(number(8, 2) + one + one), what);
    EXPECT_EQ(refusal(number(4, 2) + "\x01" + one.substr(1)), what);
    EXPECT_EQ(refusal(number(4, 2) + one + "x"), what);
    EXPECT_EQ(refusal(number(5, 2) + one + "x"), what);
}

TEST(ClientHello, versions_that_are_offered) {
    ClientHello hello;
    EXPECT_EQ(hello.highest_version(), 0);
    hello.legacy_version = tls_1_1;
    EXPECT_EQ(hello.highest_version(), tls_1_1);
    hello.legacy_version = 0x0304;
    EXPECT_EQ(hello.highest_version(), tls_1_2);
    hello.versions = {0x7f1c, 0x0302, 0x0301};
    EXPECT_EQ(hello.highest_version(), tls_1_1);
    hello.versions = {0x7f1c};
    EXPECT_EQ(hello.highest_version(), 0);
}

TEST(ClientHello, who_takes_an_ecdsa_certificate) {
    ClientHello hello;
    hello.legacy_version = tls_1_2;
    hello.ciphers = {0xc02f, 0xc02b};
    EXPECT_FALSE(hello.may_use_ecdsa());
    hello.groups = {0x001d, 0x0017};
    EXPECT_TRUE(hello.may_use_ecdsa());
    hello.extensions = {0x0d};
    hello.signature_algorithms = {0x0804, 0x0401, 0x0503};
    EXPECT_FALSE(hello.may_use_ecdsa());
    hello.signature_algorithms.push_back(0x0403);
    EXPECT_TRUE(hello.may_use_ecdsa());
    hello.ciphers = {0xc02f, 0xc030, 0x009c, 0xc008};
    EXPECT_FALSE(hello.may_use_ecdsa());
    hello.versions = {tls_1_3};
    EXPECT_TRUE(hello.may_use_ecdsa());
    hello.signature_algorithms = {0x0804};
    EXPECT_FALSE(hello.may_use_ecdsa());
}

TEST(TlsAlert, is_one_record) {
    EXPECT_EQ(fatal_alert(alert::unrecognized_name), std::string_view("\x15\x03\x03\x00\x02\x02\x70", 7));
    EXPECT_EQ(fatal_alert(255), std::string_view("\x15\x03\x03\x00\x02\x02\xff", 7));
}

}  // namespace
}  // namespace sluice::tls
