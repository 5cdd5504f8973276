// SPDX-License-Identifier: Apache-2.0
// What is written so that a scanner does not see it and somebody's reader does: in some part of some reading it must come out, and the message be ambiguous.
#include "protocols/mime/mail_reader.h"

#include "unit/support/mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using test::read_mail;

// The test file of EICAR, never whole in a source.
std::string eicar() {
    const std::string half = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-";
    return half + "ANTIVIRUS-TEST-FILE!$H+H*";
}

std::string base64(std::string_view text, std::size_t line = 76) {
    static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string all;
    for (std::size_t i = 0; i < text.size(); i += 3) {
        unsigned group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8U | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U);
        for (std::size_t k = 0; k < 4; ++k) all += i + k > text.size() ? '=' : digits[(group >> (18 - 6 * k)) & 63U];
    }
    std::string out;
    for (std::size_t at = 0; at < all.size(); at += line) out += all.substr(at, line) + "\r\n";
    return out;
}

std::string quoted(std::string_view text, std::string_view hex) {
    std::string out;
    for (const char c : text) {
        out += '=';
        out += hex[static_cast<unsigned char>(c) >> 4U];
        out += hex[static_cast<unsigned char>(c) & 15U];
        if (out.size() % 60 == 0) out += "=\r\n";
    }
    return out;
}

std::string uuencoded(std::string_view text) {
    std::string out = "begin 644 e.com\r\n";
    for (std::size_t at = 0; at < text.size(); at += 45) {
        const std::string_view line = text.substr(at, 45);
        out += static_cast<char>(32 + line.size());
        for (std::size_t i = 0; i < line.size(); i += 3) {
            unsigned group = 0;
            for (std::size_t k = 0; k < 3; ++k) group = group << 8U | (i + k < line.size() ? static_cast<unsigned char>(line[i + k]) : 0U);
            for (unsigned k = 0; k < 4; ++k) {
                const unsigned digit = (group >> (18 - 6 * k)) & 63U;
                out += digit == 0 ? '`' : static_cast<char>(32 + digit);
            }
        }
        out += "\r\n";
    }
    return out + "`\r\nend\r\n";
}

bool has_eicar(const test::ReadMail& mail) {
    return std::ranges::any_of(mail.parts, [](const test::ReadPart& one) { return one.data.contains(eicar()); });
}

bool is_found(const std::string& message) {
    const test::ReadMail usual = read_mail(message);
    if (has_eicar(usual)) return true;
    return std::ranges::any_of(usual.other_readings, [&](Reading one) { return has_eicar(read_mail(message, one)); });
}

struct Evasion {
    const char* what;
    std::string message;
    bool is_ambiguous = true;
};

std::string mixed(std::string_view type_parameters, std::string_view body) {
    return "MIME-Version: 1.0\r\nContent-Type: multipart/mixed" + std::string(type_parameters) + "\r\n\r\n" + std::string(body);
}
std::string part(std::string_view fields, std::string_view body, std::string_view boundary = "b") {
    return "--" + std::string(boundary) + "\r\n" + std::string(fields) + "\r\n" + std::string(body) + "\r\n";
}
const std::string octets = "Content-Type: application/octet-stream\r\n";
const std::string in_base64 = octets + "Content-Transfer-Encoding: base64\r\n";

// A multipart with `boundary`, and within its only text one with `other`, which has the file.
std::string hidden(std::string_view type_parameters, std::string_view other, std::string_view boundary, std::string_view file) {
    const std::string inner = part(in_base64, file, other) + "--" + std::string(other) + "--";
    return mixed(type_parameters, part("Content-Type: text/plain\r\n", inner, boundary) + "--" + std::string(boundary) + "--");
}

std::vector<Evasion> headers() {
    const std::string file = base64(eicar());
    const std::string one = part(in_base64, file);
    const auto with_coding = [&](std::string_view coding) {
        return "MIME-Version: 1.0\r\n" + octets + "Content-Transfer-Encoding: " + std::string(coding) + "\r\n\r\n" + file;
    };
    return {
        {"two types, the first", mixed(";boundary=b\r\nContent-Type: text/plain", one + "--b--")},
        {"two types, the last", "Content-Type: text/plain\r\n" + mixed(";boundary=b", one + "--b--")},
        {"two boundaries, the first", mixed(";boundary=b;boundary=c", one + "--b--")},
        {"two boundaries, the last", mixed(";boundary=c;boundary=b", one + "--b--")},
        {"three boundaries, the one between", mixed(";boundary=c;boundary=b;boundary=d", one + "--b--")},
        {"extended boundary", mixed(";boundary*=utf-8''%62", one + "--b--")},
        {"extended and plain", mixed(";boundary=x;boundary*=utf-8''%62", one + "--b--")},
        {"boundary in pieces", mixed(";boundary*0=b;boundary*1=c", part(in_base64, file, "bc") + "--bc--")},
        {"encoded boundary", mixed(";boundary=\"=?utf-8?B?Yg==?=\"", one + "--b--")},
        {"boundary with a blank in front", mixed(";boundary=\" b\"", one + "--b--")},
        {"boundary with half a quote", mixed(";boundary=\"b", part(in_base64, file, "\"b") + "--\"b--")},
        {"boundary folded", mixed(";boundary=\"b\r\n c\"", part(in_base64, file, "bc") + "--bc--")},
        {"no boundary", mixed("", one + "--b--")},
        {"empty boundary", mixed(";boundary=\"\"", one + "--b--")},
        {"long boundary, cut", mixed(";boundary=" + std::string(80, 'b'), part(in_base64, file, std::string(70, 'b')))},
        {"no semicolon", mixed(" boundary=b", one + "--b--")},
        {"type within text", "MIME-Version: 1.0\r\nContent-Type: text/plain, multipart/mixed; boundary=b\r\n\r\n" + one + "--b--"},
        {"type in an encoded word", "MIME-Version: 1.0\r\nContent-Type: =?utf-8?Q?multipart/mixed?=; boundary=b\r\n\r\n" + one + "--b--"},
        {"boundary of a text", "MIME-Version: 1.0\r\nContent-Type: text/plain; boundary=b\r\n\r\n" + one + "--b--"},
        {"blank before the colon", "MIME-Version: 1.0\r\nContent-Type : multipart/mixed;boundary=b\r\n\r\n" + one + "--b--"},
        {"NUL in the name",
         "MIME-Version: 1.0\r\nContent-Type" + std::string(1, '\0') + ": multipart/mixed;boundary=b\r\n\r\n" + one + "--b--"},
        {"a line of blanks", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=b\r\n \r\n\r\n" + one + "--b--"},
        {"line without a colon", "Subject: x\r\nnothing\r\n" + mixed(";boundary=b", one + "--b--")},
        {"fields end with CR", "MIME-Version: 1.0\rContent-Type: multipart/mixed;boundary=b\r\r" + one + "--b--"},
        {"no MIME-Version", "Content-Type: multipart/mixed;boundary=b\r\n\r\n" + one + "--b--"},
        {"base645", with_coding("base645")},
        {"base64,qp", with_coding("base64,quoted-printable")},
        {"quoted", with_coding("\"base64\"")},
        {"with a comment", with_coding("base64 (x)")},
        {"behind a comment", with_coding("(x) base64")},
        {"in capitals", with_coding("BASE64"), false},
        {"an encoded word", with_coding("=?utf-8?Q?base64?=")},
        {"folded within", with_coding("bas\r\n e64")},
        {"NUL within", with_coding("bas" + std::string(1, '\0') + "e64")},
        {"unknown", with_coding("x-secret")},
        {"boundary in a comment", hidden("; charset=(; boundary=c; x=); boundary=b", "c", "b", file)},
        {"boundary in a comment of its own", hidden("; (; boundary=c; x=); boundary=b", "c", "b", file)},
        {"boundary behind a comment without an end", mixed("; (; boundary=b", one + "--b--")},
        {"boundary behind an escaped quote", hidden(R"(; x="a\"; boundary=c; y="; boundary=b)", "c", "b", file)},
        {"boundary with a blank before the star", hidden("; boundary *=utf-8''c; boundary=b", "c", "b", file)},
        {"boundary behind a form feed", hidden(";\fboundary=c; boundary=b", "c", "b", file)},
        {"boundary cut at =", hidden("; boundary=cc=b", "cc", "cc=b", file)},
        {"boundary cut at ?", hidden("; boundary=cc?b", "cc", "cc?b", file)},
        {"boundary cut at :", hidden("; boundary=cc:b", "cc", "cc:b", file)},
        {"boundary cut at /", hidden("; boundary=cc/b", "cc", "cc/b", file)},
        {"boundary cut at a blank", hidden("; boundary=cc b", "cc", "cc b", file)},
        {"a name with an octet beyond ASCII", "MIME-Version: 1.0\r\n" + octets + "Content-Transfer-Encoding\xa0: base64\r\n\r\n" + file},
        {"a name with a control", "MIME-Version: 1.0\r\n" + octets + "Content-Transfer-Encoding\v: base64\r\n\r\n" + file},
        {"two codings", with_coding("7bit\r\nContent-Transfer-Encoding: base64")},
        {"two codings, turned round", with_coding("base64\r\nContent-Transfer-Encoding: 7bit")},
    };
}

std::vector<Evasion> structures() {
    const std::string file = base64(eicar());
    const std::string one = part(in_base64, file);
    const std::string text = part("", "text");
    const std::string whole = mixed(";boundary=b", one + "--b--");
    return {
        {"preamble", mixed(";boundary=b", in_base64 + "\r\n" + file + text + "--b--")},
        {"epilogue", mixed(";boundary=b", text + "--b--\r\n" + in_base64 + "\r\n" + file)},
        {"part behind the last boundary", mixed(";boundary=b", text + "--b--\r\n" + one + "--b--")},
        {"junk behind the boundary", mixed(";boundary=b", text + "--bjunk\r\n" + in_base64 + "\r\n" + file + "--b--")},
        {"boundary behind CR", mixed(";boundary=b", text + "text\r--b\r\n" + in_base64 + "\r\n" + file + "--b--")},
        {"no last boundary", mixed(";boundary=b", one)},
        {"inner and outer are equal",
         mixed(";boundary=b", part("Content-Type: multipart/mixed; boundary=b\r\n", one + "--b--") + one + "--b--")},
        {"no empty line", mixed(";boundary=b", "--b\r\n" + in_base64 + file + "--b--")},
        {"multipart in base64",
         "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
             base64(one + "--b--")},
        {"multipart that says so",
         "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n" + one + "--b--"},
        {"message in base64",
         "MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64(whole)},
        {"uuencode", "Subject: x\r\n\r\nhello\r\n" + uuencoded(eicar())},
        {"uuencode twice", "\r\nbegin 644 x\r\n#86)C\r\n" + uuencoded(eicar())},
        {"uuencode in quoted-printable",
         "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
             quoted(uuencoded(eicar()), "0123456789ABCDEF")},
        {"uuencode in the preamble", mixed(";boundary=b", uuencoded(eicar()) + text + "--b--")},
    };
}

std::vector<Evasion> codings() {
    const std::string file = base64(eicar());
    const std::string head = "MIME-Version: 1.0\r\n" + in_base64 + "\r\n";
    const std::string quoted_head = "MIME-Version: 1.0\r\n" + octets + "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    std::string junk;
    for (const char c : file) junk += std::string(1, c) + ".-#"[junk.size() % 3];
    return {
        {"junk", head + junk},
        {"short lines", head + base64(eicar(), 1), false},
        {"blanks", head + base64(eicar(), 5) + " \t \r\n", false},
        {"padding in the middle", head + base64("a") + file},
        {"behind two paddings", head + base64("ab") + base64("c") + file},
        {"no padding", head + file.substr(0, file.find('='))},
        {"padding that some skip", head + "QU=" + file.substr(0, 0) + base64("xy" + eicar()).substr(0)},
        {"small hexadecimal digits", quoted_head + quoted(eicar(), "0123456789abcdef")},
        {"blanks behind a soft line break", quoted_head + eicar().substr(0, 20) + "= \t\r\n" + eicar().substr(20)},
        {"soft line break of CR", quoted_head + eicar().substr(0, 20) + "=\r" + eicar().substr(20)},
    };
}

TEST(MailEvasion, comes_out_in_some_reading) {
    for (const auto& evasions : {headers(), structures(), codings()})
        for (const Evasion& one : evasions) {
            EXPECT_TRUE(is_found(one.message)) << one.what;
            EXPECT_EQ(!read_mail(one.message).ambiguities.empty(), one.is_ambiguous) << one.what;
        }
}

// Nothing that the usual reading could have: its decoder would, but for the structure.
TEST(MailEvasion, a_hidden_boundary_has_a_reading_of_its_own) {
    const std::string file = base64(eicar(), 4);
    for (const std::string& message : {hidden("; charset=(; boundary=c; x=); boundary=b", "c", "b", file),
                                       hidden(R"(; x="a\"; boundary=c; y="; boundary=b)", "c", "b", file),
                                       hidden("; boundary=c=b", "c", "c=b", file), hidden("; boundary=c b", "c", "c b", file)}) {
        EXPECT_TRUE(has_eicar(read_mail(message, Reading::last_wins))) << message;
        EXPECT_FALSE(has_eicar(read_mail(message)));
    }
    // The longer one is none for whoever cuts it: it may stand within the file.
    const std::string cut = hidden("; boundary=!?!", "!", "!?!", file.substr(0, 60) + "--!?!\r\n" + file.substr(60));
    EXPECT_TRUE(read_mail(cut).has(Ambiguity::bad_boundary));
    EXPECT_TRUE(is_found(cut));
}

TEST(MailEvasion, a_boundary_that_needs_quotes_is_no_doubt_by_itself) {
    for (const char* boundary : {"=_Part", "a=b", "a:b/c", "a?b", "----=_1"}) {
        const test::ReadMail got =
            read_mail(mixed("; boundary=" + std::string(boundary), part("", "x", boundary) + "--" + boundary + "--"));
        EXPECT_TRUE(got.ambiguities.empty()) << boundary;
        ASSERT_EQ(got.parts.size(), 1U);
    }
}

TEST(MailEvasion, a_head_that_ends_early) {
    for (const char* line : {"X-\xc3\xa4: y", "X\x7f: y", "X : y", "X y: z"}) {
        const std::string message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"A:A\"\r\n" + std::string(line) +
                                    "\r\n--A:A\r\nContent-Disposition: attachment; filename=bad.exe\r\n\r\nhi\r\n--A:A--\r\n";
        const test::ReadMail usual = read_mail(message);
        EXPECT_TRUE(usual.has(Ambiguity::bad_header)) << line;
        EXPECT_THAT(usual.other_readings, testing::Contains(Reading::strict));
        const test::ReadMail strict = read_mail(message, Reading::strict);
        ASSERT_FALSE(strict.parts.empty());
        EXPECT_THAT(strict.parts[0].part.names, testing::ElementsAre("bad.exe")) << line;
    }
}

// Whatever keeps a structure from being found: decoders skip what is no base64.
TEST(MailEvasion, base64_with_junk_is_swept) {
    const std::string plain = base64(eicar(), 8);
    for (const char* junk : {" ", ":", "\t"}) {
        std::string file = plain;
        for (std::size_t at = 4; at < file.size(); at += 11) file.insert(at, junk);
        EXPECT_TRUE(has_eicar(read_mail(mixed("; boundary=b", "--c\r\n" + in_base64 + "\r\n" + file + "--c--\r\n"), Reading::sweep)));
    }
}

TEST(MailEvasion, boundaries_that_begin_alike) {
    const auto nested = [](std::string_view outer, std::string_view inner, std::string_view type, std::string_view end) {
        const std::string within = part("", "x", inner) + "--" + std::string(inner) + std::string(end);
        const std::string fields = "Content-Type: multipart/" + std::string(type) + "; boundary=" + std::string(inner) + "\r\n";
        return read_mail(mixed("; boundary=" + std::string(outer), part(fields, within, outer) + "--" + std::string(outer) + "--"));
    };
    EXPECT_TRUE(nested("abc", "abc-alt", "alternative", "--").ambiguities.empty());
    EXPECT_TRUE(nested("abc-mixed", "abc", "alternative", "--").ambiguities.empty()) << "the inner one is closed";
    EXPECT_TRUE(nested("abc-mixed", "abc", "alternative", "").has(Ambiguity::bad_boundary));
    EXPECT_TRUE(nested("abc", "abc-digest", "digest", "--").has(Ambiguity::bad_boundary)) << "its parts are messages, or are not";
    EXPECT_TRUE(nested("abc", "abc--", "alternative", "--").has(Ambiguity::bad_boundary)) << "the outer one's last";
    EXPECT_TRUE(nested("abc", "abc", "alternative", "--").has(Ambiguity::bad_boundary));
}

TEST(MailEvasion, what_is_malformed_and_makes_no_difference) {
    const std::string version = "MIME-Version: 1.0\r\n";
    for (const char* fields :
         {"Content-Transfer-Encoding: 7-bit\r\n", "Content-Transfer-Encoding: 8bits\r\n", "Content-Transfer-Encoding: 7bit (comment)\r\n",
          "Content-Type: application/pdf; foo; name=x.pdf\r\n", "Content-Disposition: attachment; foo; filename=x.pdf\r\n"})
        EXPECT_TRUE(read_mail(version + fields + "\r\nx").ambiguities.empty()) << fields;
    for (const char* fields : {"Content-Transfer-Encoding: 7bit (base64)\r\n", "Content-Transfer-Encoding: 7bit; base64\r\n",
                               "Content-Transfer-Encoding: 7bit base64\r\n", "Content-Transfer-Encoding: base64 (x)\r\n",
                               "Content-Type: multipart/mixed; foo; boundary=b\r\n"})
        EXPECT_FALSE(read_mail(version + fields + "\r\nx").ambiguities.empty()) << fields;
}

TEST(MailEvasion, an_ordinary_message_is_not_ambiguous) {
    const std::string ordinary = mixed(
        ";\r\n\tboundary=\"----=_Part_1\"",
        "This is a multi-part message in MIME format.\r\n\r\n" +
            part("Content-Type: multipart/alternative; boundary=\"----=_Part_2\"\r\n",
                 part("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", "hi", "----=_Part_2") +
                     "------=_Part_2--\r\n",
                 "----=_Part_1") +
            part(in_base64 + "Content-Disposition: attachment; filename=\"=?utf-8?Q?=C3=BC.com?=\"\r\n", base64(eicar()), "----=_Part_1") +
            "------=_Part_1--\r\n");
    const test::ReadMail got = read_mail(ordinary);
    EXPECT_TRUE(got.ambiguities.empty()) << to_string(got.ambiguities.front());
    EXPECT_TRUE(got.other_readings.empty());
    EXPECT_TRUE(has_eicar(got));
    EXPECT_EQ(got.parts.back().part.names.front(), "\xc3\xbc.com");
}

TEST(MailEvasion, types_that_some_take_for_a_message) {
    const std::string inner = "MIME-Version: 1.0\r\n" + in_base64 + "\r\n" + base64(eicar());
    for (const char* type : {"message/@rfc822", "message/ rfc822", "message/rfc2822", "message/x-foo", "message/"}) {
        const std::string text = mixed(";boundary=b", part("Content-Type: " + std::string(type) + "\r\n", inner) + "--b--");
        EXPECT_TRUE(is_found(text)) << type;
        EXPECT_EQ(read_mail(text).ambiguities.empty(), std::string_view(type) == "message/rfc2822") << type;
    }
    for (const char* type : {"", "x", "messagerfc822", ";charset=x"}) {
        const std::string text = "MIME-Version: 1.0\r\nContent-Type: multipart/digest;boundary=b\r\n\r\n" +
                                 part("Content-Type: " + std::string(type) + "\r\n", inner) + "--b--";
        EXPECT_TRUE(has_eicar(read_mail(text))) << type;
        const std::vector<Reading> others = read_mail(text).other_readings;
        EXPECT_NE(std::ranges::find(others, Reading::strict), others.end()) << type;
    }
}

TEST(MailEvasion, content_that_is_elsewhere) {
    for (const char* type : {"message/partial; id=x; number=1; total=2", "message/external-body; access-type=anon-ftp"})
        EXPECT_TRUE(read_mail("MIME-Version: 1.0\r\nContent-Type: " + std::string(type) + "\r\n\r\nx").has(Ambiguity::partial_message));
}

}  // namespace
}  // namespace sluice::mime
