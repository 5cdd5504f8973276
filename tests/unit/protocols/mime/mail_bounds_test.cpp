// SPDX-License-Identifier: Apache-2.0
// Messages that are made to cost: each must be read in a time that is linear, within the bounds.
#include "protocols/mime/mail_reader.h"

#include "unit/support/mail.h"
#include "unit/support/splits.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>

namespace sluice::mime {
namespace {

using test::read_mail;
constexpr std::array every_reading{Reading::usual, Reading::last_wins, Reading::strict, Reading::sweep};

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

// Generous: under sanitizers on a busy machine. What is quadratic takes minutes.
void read_in_time(const std::string& text) {
    const auto start = std::chrono::steady_clock::now();
    for (const Reading reading : every_reading) {
        const test::ReadMail got = read_mail(text, reading);
        EXPECT_LE(got.parts.size(), Limits().mail_parts + Limits().mail_ambiguous_parts);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

const std::string mixed = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";

TEST(MailBounds, many_parts) {
    const std::string text = mixed + repeated("--b\r\n\r\nx\r\n", 100'000);
    read_in_time(text);
    const test::ReadMail got = read_mail(text);
    EXPECT_TRUE(got.has(Ambiguity::too_many));
    EXPECT_EQ(got.parts.size(), Limits().mail_parts);
}

TEST(MailBounds, deep_nesting) {
    std::string text = "MIME-Version: 1.0\r\n";
    for (int i = 0; i < 3'000; ++i)
        text += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" + std::to_string(i) + "\r\n";
    read_in_time(text);
    EXPECT_TRUE(read_mail(text).has(Ambiguity::too_deep));
    read_in_time(repeated("Content-Type: message/rfc822\r\n\r\n", 10'000));
    EXPECT_TRUE(read_mail(repeated("Content-Type: message/rfc822\r\n\r\n", 100)).has(Ambiguity::too_deep));
}

TEST(MailBounds, encoded_messages_in_one_another) {
    std::string text = "Subject: x\r\n\r\nend";
    static constexpr std::string_view hex = "0123456789ABCDEF";
    for (int i = 0; i < 6; ++i) {
        std::string encoded;
        for (const char c : text) {
            if (c == '=' || c == '\r' || c == '\n')
                encoded.append("=").append(1, hex[static_cast<unsigned char>(c) >> 4U]).append(1, hex[c & 15]);
            else encoded += c;
        }
        text = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded;
    }
    const test::ReadMail got = read_mail(text);
    ASSERT_EQ(got.parts.size(), 1U);
    EXPECT_EQ(got.parts[0].data, "end");
    Limits limits;
    limits.mail_depth = 3;
    EXPECT_TRUE(read_mail(text, Reading::usual, limits).has(Ambiguity::too_deep));
}

TEST(MailBounds, large_headers) {
    read_in_time("Subject: " + repeated("x\r\n ", 500'000) + "\r\n\r\nx");
    read_in_time(repeated("a:\r\n", 500'000) + "\r\nx");
    read_in_time("To: " + repeated("a@b,", 200'000) + "\r\n\r\nx");
    read_in_time("To: " + repeated("(", 500'000) + "\r\n\r\nx");
    read_in_time("Content-Type: multipart/mixed;" + repeated(" boundary=\"\"", 20'000) + "\r\n\r\nx");
    read_in_time("Content-Type: a/b;" + repeated("name*0=x;", 30'000) + "\r\n\r\nx");
    read_in_time("Content-Type: a/b;" + repeated("name=\"", 40'001) + "\r\n\r\nx");
    read_in_time("Subject: " + repeated("=?a?Q?", 100'000) + "\r\n\r\nx");
    read_in_time(repeated("\r", 1'000'000));
    EXPECT_TRUE(read_mail(repeated("a:\r\n", 100'000) + "\r\nx").has(Ambiguity::too_many));
    const test::ReadMail beyond = read_mail(repeated("a:\r\n", 100'000) + "\r\nbody");
    ASSERT_EQ(beyond.parts.size(), 1U);
    EXPECT_EQ(beyond.parts[0].data, "body") << "the section's end is found behind the bound";
}

TEST(MailBounds, what_almost_is_a_boundary) {
    const std::string boundary(70, '-');
    std::string head = "MIME-Version: 1.0\r\n";
    for (int i = 0; i < 30; ++i) {
        const std::string own = boundary.substr(0, 68) + std::to_string(10 + i);
        head += "Content-Type: multipart/mixed; boundary=\"" + own + "\"\r\n\r\n--" + own + "\r\n";
    }
    read_in_time(head + "\r\n" + repeated("--" + boundary + "\r\n", 10'000));
    read_in_time(mixed + repeated("--b" + std::string(5'000, ' ') + "\r\n", 200));
    read_in_time(mixed + repeated("--", 1'000'000));
    read_in_time(mixed + repeated("\r\n-", 500'000));
}

TEST(MailBounds, boundaries_that_are_too_long_are_cut_alike_wherever_octets_are) {
    Limits limits;
    limits.mail_text = 16;
    limits.mail_header_bytes = 200;
    const std::string text =
        mixed + "--b              \r\n\r\none\r\n--b                   \r\nX: y\r\n\r\ntwo\r\n--bbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n--b--";
    for (const Reading reading : every_reading) {
        const test::ReadMail whole = read_mail(text, reading, limits);
        test::at_every_split(text, [&](std::span<const std::string_view> pieces) {
            const test::ReadMail got = read_mail(pieces, reading, limits);
            ASSERT_EQ(got.ambiguities, whole.ambiguities);
            ASSERT_EQ(got.parts.size(), whole.parts.size());
            for (std::size_t i = 0; i < got.parts.size(); ++i) ASSERT_EQ(got.parts[i].data, whole.parts[i].data);
        });
    }
}

}  // namespace
}  // namespace sluice::mime
