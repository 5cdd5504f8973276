// SPDX-License-Identifier: Apache-2.0
#include "protocols/ftp/data_address.h"

#include <gtest/gtest.h>

#include "shown.h"

namespace sluice::ftp {
namespace {

std::string render(const Result<IpPort>& got) { return got ? got->to_string() : shown(got.error()); }

// "PORT …", "EPRT …", "EPSV …", "227 …", "229 …".
std::string outcome(std::string_view text) {
    const std::string_view what = text.substr(0, 4);
    const std::string_view rest = text.substr(std::min<std::size_t>(text.size(), 5));
    if (what == "PORT") return render(parse_port(rest));
    if (what == "EPRT") return render(parse_eprt(rest));
    if (what == "227 ") return render(parse_passive_reply(text.substr(4)));
    if (what == "229 ") {
        const auto port = parse_extended_passive_reply(text.substr(4));
        return port ? std::to_string(*port) : shown(port.error());
    }
    const auto wanted = parse_epsv(rest);
    if (!wanted) return shown(wanted.error());
    switch (*wanted) {
        case EpsvArgument::any: return "any";
        case EpsvArgument::ipv4: return "ipv4";
        case EpsvArgument::ipv6: return "ipv6";
        case EpsvArgument::all: return "all";
    }
    return "?";
}

TEST(FtpDataAddress, wire_cases) {
    const auto cases = wire_cases("data_address.wire");
    ASSERT_FALSE(cases.empty());
    for (const test::WireCase& wire : cases) EXPECT_EQ(outcome(wire.input), wire.outcome) << wire.where;
}

// What is cut off is malformed, but where it ends in a number that goes on.
TEST(FtpDataAddress, nothing_shorter_is_read_for_more) {
    const std::string eprt = "|1|192.0.2.1|6446|";
    for (std::size_t size = 0; size < eprt.size(); ++size) EXPECT_FALSE(parse_eprt(eprt.substr(0, size))) << size;
    const std::string port = "192,0,2,1,25,46";
    for (std::size_t size = 0; size + 1 < port.size(); ++size) EXPECT_FALSE(parse_port(port.substr(0, size))) << size;
    const std::string reply = "(|||6446|)";
    for (std::size_t size = 0; size < reply.size(); ++size) EXPECT_FALSE(parse_extended_passive_reply(reply.substr(0, size))) << size;
}

TEST(FtpDataAddress, every_delimiter) {
    for (int octet = 0; octet < 256; ++octet) {
        const std::string d(1, static_cast<char>(octet));
        const bool is_delimiter = octet > 32 && octet < 127 && !is_digit(d[0]);
        // Within an address it would end it.
        EXPECT_EQ(parse_eprt(d + "2" + d + "::1" + d + "6446" + d).has_value(), is_delimiter && d != ":") << octet;
        EXPECT_EQ(parse_extended_passive_reply("(" + d + d + d + "6446" + d + ")").has_value(), is_delimiter) << octet;
    }
}

TEST(FtpDataAddress, is_written_as_it_reads) {
    const IpPort v4{*IpAddress::parse("192.0.2.1"), 6446};
    const IpPort v6{*IpAddress::parse("2001:db8::1"), 65535};
    EXPECT_EQ(port_argument(v4), "192,0,2,1,25,46");
    EXPECT_EQ(passive_text(v4), "Entering Passive Mode (192,0,2,1,25,46).");
    EXPECT_EQ(eprt_argument(v4), "|1|192.0.2.1|6446|");
    EXPECT_EQ(eprt_argument(v6), "|2|2001:db8::1|65535|");
    EXPECT_EQ(extended_passive_text(6446), "Entering Extended Passive Mode (|||6446|)");
    EXPECT_EQ(parse_port(port_argument(v4)), v4);
    EXPECT_EQ(parse_passive_reply(passive_text(v4)), v4);
    EXPECT_EQ(parse_eprt(eprt_argument(v6)), v6);
    EXPECT_EQ(parse_extended_passive_reply(extended_passive_text(1)), 1);
}

}  // namespace
}  // namespace sluice::ftp
