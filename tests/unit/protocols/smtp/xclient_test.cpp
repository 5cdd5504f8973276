// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/xclient.h"

#include <gtest/gtest.h>

#include "shown.h"

namespace sluice::smtp {
namespace {

using Words = std::vector<std::string>;

const Words all{"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN"};

std::string render(const ClientAttributes& client) {
    return client.name + "|" + (client.address ? client.address->to_string() : "") + "|" + std::to_string(client.port) + "|" + client.helo +
           "|" + client.protocol + "|" + client.login;
}

std::string read(std::string_view argument, ClientAttributes client = {}) {
    const std::string before = render(client);
    if (const auto parsed = parse_attributes(argument, client); !parsed) {
        EXPECT_EQ(parsed.error().side, Side::client);
        EXPECT_EQ(parsed.error().code, Errc::malformed);
        EXPECT_EQ(render(client), before);  // a refusal changes nothing
        return "malformed";
    }
    return render(client);
}

ClientAttributes someone() {
    return {.name = "a.example", .address = IpAddress::parse("192.0.2.1"), .port = 25, .helo = "b", .protocol = "ESMTP", .login = "ann"};
}

TEST(SmtpClientAttributes, are_read) {
    EXPECT_EQ(read("NAME=mail.example ADDR=192.0.2.9 PORT=587 PROTO=esmtp HELO=h LOGIN=ann"), "mail.example|192.0.2.9|587|h|ESMTP|ann");
    EXPECT_EQ(read("name=a  Addr=IPV6:2001:DB8::1 "), "a|2001:db8::1|0|||");
    EXPECT_EQ(read("ADDR=2001:db8::1"), "|2001:db8::1|0|||");
    EXPECT_EQ(read("ADDR=ipv6:::ffff:192.0.2.1"), "|192.0.2.1|0|||");
    EXPECT_EQ(read("HELO=a+2Bb+3Dc LOGIN=+C3+A9"), "||0|a+b=c||\xc3\xa9");
    EXPECT_EQ(read("DESTADDR=192.0.2.1 DESTPORT=25 IDENT=4711 SOURCE=REMOTE"), "||0|||");
}

TEST(SmtpClientAttributes, what_is_not_said_stays) {
    EXPECT_EQ(read("HELO=x", someone()), "a.example|192.0.2.1|25|x|ESMTP|ann");
    EXPECT_EQ(read("NAME=[UNAVAILABLE] ADDR=[unavailable] PORT=[TEMPUNAVAIL] HELO=[UNAVAILABLE] PROTO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]",
                   someone()),
              "||0|||");
}

TEST(SmtpClientAttributes, malformed) {
    for (const std::string_view bad : {"",
                                       " ",
                                       "NAME",
                                       "=a",
                                       "A=b",
                                       "NAME=a+",
                                       "NAME=a+2",
                                       "NAME=a+0Ab",
                                       "NAME=a+20b",
                                       "NAME=a\tb",
                                       "ADDR=",
                                       "ADDR=a",
                                       "ADDR=192.0.2.256",
                                       "ADDR=192.0.2.1:25",
                                       "ADDR=[192.0.2.1]",
                                       "ADDR=IPV6:",
                                       "PORT=",
                                       "PORT=-1",
                                       "PORT=65536",
                                       "PORT=a",
                                       "PROTO=E+2DSMTP",
                                       "HELO=ok ADDR=a",
                                       "LOGIN=root A=b",
                                       "NAME=x PORT=1x"}) {
        EXPECT_EQ(read(bad), "malformed") << bad;
        EXPECT_EQ(read(bad, someone()), "malformed") << bad;
    }
    EXPECT_EQ(read("NAME=" + std::string(255, 'a')), std::string(255, 'a') + "|" + "|0|||");
    EXPECT_EQ(read("NAME=" + std::string(256, 'a')), "malformed");
}

TEST(SmtpClientAttributes, are_written) {
    EXPECT_EQ(encode_attributes("XCLIENT", someone(), all),
              (Words{"XCLIENT HELO=b PROTO=ESMTP LOGIN=ann PORT=25 NAME=a.example ADDR=192.0.2.1\r\n"}));
    EXPECT_EQ(encode_attributes("XFORWARD", someone(), {"ADDR", "NAME", "OTHER"}), (Words{"XFORWARD NAME=a.example ADDR=192.0.2.1\r\n"}));
    EXPECT_EQ(
        encode_attributes(
            "XCLIENT", {.name = {}, .address = IpAddress::parse("2001:db8::1"), .port = 0, .helo = {}, .protocol = {}, .login = {}}, all),
        (Words{"XCLIENT HELO=[UNAVAILABLE] PROTO=[UNAVAILABLE] LOGIN=[UNAVAILABLE] PORT=[UNAVAILABLE] NAME=[UNAVAILABLE] "
               "ADDR=IPV6:2001:db8::1\r\n"}));
    EXPECT_TRUE(encode_attributes("XCLIENT", someone(), {}).empty());
    EXPECT_TRUE(encode_attributes("XCLIENT", someone(), {"OTHER"}).empty());
}

TEST(SmtpClientAttributes, lines_hold_their_bound_whatever_the_names) {
    for (const std::size_t size : {0U, 1U, 100U, 161U, 162U, 163U, 200U, 255U, 256U, 5000U}) {
        for (const char c : {'a', '\xff', '\n'}) {
            ClientAttributes client = someone();
            client.helo = client.name = client.login = std::string(size, c);
            const Words lines = encode_attributes("XCLIENT", client, all);
            ClientAttributes got;
            for (const std::string& line : lines) {
                EXPECT_LE(line.size(), 512U);
                EXPECT_EQ(line.find_first_of("\r\n"), line.size() - 2);
                ASSERT_TRUE(line.starts_with("XCLIENT "));
                if (c != '\n') EXPECT_TRUE(parse_attributes(std::string_view(line).substr(8, line.size() - 10), got));
            }
            // A name is whole or not said.
            if (c != '\n') EXPECT_TRUE(got.helo == client.helo || (got.helo.empty() && size > 160)) << size;
            if (c == 'a' && size < 256) EXPECT_EQ(render(got), render(client));
            EXPECT_TRUE(lines.back().ends_with(" ADDR=192.0.2.1\r\n"));
        }
    }
}

}  // namespace
}  // namespace sluice::smtp
