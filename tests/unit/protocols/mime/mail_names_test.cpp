// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_names.h"

#include "base/text.h"
#include "unit/support/mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::mime {
namespace {

using testing::Contains;
using testing::ElementsAre;

std::vector<std::string> names_of(std::string_view name) {
    MailNames names(16, 256);
    names.add(name);
    return names.names();
}

test::ReadMail with_disposition(std::string_view disposition) {
    return test::read_mail("MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Disposition: " +
                           std::string(disposition) + "\r\n\r\nhi\r\n");
}

bool has_exe(const test::ReadMail& mail) {
    return std::ranges::any_of(mail.parts.at(0).part.names, [](const std::string& name) { return file_extension(name) == "exe"; });
}

TEST(MailNames, of_ordinary_ones_there_is_one) {
    EXPECT_THAT(names_of("bad.exe"), ElementsAre("bad.exe"));
    EXPECT_THAT(names_of("C:\\x/y z.txt"), ElementsAre("y z.txt"));
    EXPECT_THAT(names_of("it's \xc3\xbc.txt"), ElementsAre("it's \xc3\xbc.txt"));
    EXPECT_THAT(names_of("=?utf-8?q?=C3=BC.txt?="), ElementsAre("\xc3\xbc.txt", "=?utf-8?q?=C3=BC.txt?="));
}

TEST(MailNames, without_what_is_not_seen) {
    for (const char* name : {"bad.e\xe2\x80\x8bxe", "bad.e\xe2\x80\x8exe", "bad.e\nxe", "bad.exe\xef\xbb\xbf", "bad.exe\xc2\xa0",
                             "bad.exe\"", "\"bad.exe\"", "'bad.exe'", "bad.e\xf3\xa0\x80\xa1xe", "bad.e\x01xe"})
        EXPECT_THAT(names_of(name), Contains("bad.exe")) << name;
}

TEST(MailNames, of_a_path_that_ends_in_a_slash) {
    EXPECT_THAT(names_of("a/bad.exe/"), ElementsAre("bad.exe"));
    EXPECT_THAT(names_of("bad.exe\\"), ElementsAre("bad.exe"));
    EXPECT_THAT(names_of("bad.exe/. "), ElementsAre("bad.exe"));
    EXPECT_THAT(names_of("//"), ElementsAre());
}

TEST(MailNames, in_words_within_words) {
    EXPECT_THAT(names_of("=?utf-8?q?=3D=3Futf-8=3Fq=3Fbad.e=3D78e=3F=3D?="), Contains("bad.exe"));
    EXPECT_LE(names_of("=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D3D=3D3Futf-8=3D3Fq=3D3Fx=3D3F=3D3D=3F=3D?=").size(), 4U);
}

TEST(MailNames, that_do_not_fit_are_said) {
    MailNames names(2, 64);
    EXPECT_TRUE(names.add("a"));
    EXPECT_TRUE(names.add("b"));
    EXPECT_FALSE(names.is_cut());
    EXPECT_TRUE(names.add("c"));
    EXPECT_THAT(names.names(), ElementsAre("a", "c"));
    EXPECT_TRUE(names.is_cut());
}

TEST(MailNames, of_fields_that_readers_cut_in_several_ways) {
    for (const char* disposition : {"attachment; filename=bad.exe .txt",
                                    "attachment; filename=bad.exe(1).txt",
                                    "attachment; filename=bad.exe,1.txt",
                                    "attachment; filename=bad.exe=1.txt",
                                    "attachment; filename=bad.exe]",
                                    "attachment; filename=bad (1).exe (x)",
                                    "attachment(; filename=bad.exe",
                                    "attachment; x=(; filename=\"bad.exe\"; y=)",
                                    "attachment; ( filename=\"bad.exe\"",
                                    R"(attachment; x="a\"; filename=bad.exe; y=")",
                                    "attachment; filename=\"bad.e\r\n xe\"",
                                    "attachment; filename=bad.e\r\n xe",
                                    "=?utf-8?q?attachment;_filename=3Dbad.exe?=",
                                    "attachment; filename *=utf-8''bad.exe",
                                    "attachment; filename*0=bad; filename\t*1=\".exe\"",
                                    "attachment;\vfilename=bad.exe",
                                    "attachment; \"filename\"=bad.exe",
                                    "attachment;\xa0"
                                    "filename=bad.exe",
                                    "attachment; filename*=utf-16''%00b%00a%00d%00.%00e%00x%00e",
                                    "attachment; filename*=utf-16''b%00a%00d%00.%00e%00x%00e%00",
                                    "attachment; filename*=iso-2022-jp''bad.e%1B(Jxe%1B(B",
                                    "attachment; filename=\"=?iso-2022-jp?q?bad.e=1B(Jxe=1B(B?=\"",
                                    "attachment; filename=\"=?iso-2022-kr?q?=1B$)Cbad.e=0E=0Fxe?=\"",
                                    "attachment; filename=\"=?hz-gb-2312?q?bad.e~{~}xe?=\"",
                                    "attachment; filename=\"=?utf7?q?bad.+AGU-xe?=\"",
                                    "attachment; filename=\"=?utf-32be?b?AAAAYgAAAC4AAABlAAAAeAAAAGU=?=\"",
                                    "attachment; filename=\"=?ucs-2be?q?bad.exe?=\""})
        EXPECT_TRUE(has_exe(with_disposition(disposition))) << disposition;
}

TEST(MailNames, of_fields_that_cannot_be_read_are_in_doubt) {
    std::string many = "attachment; ";
    for (std::size_t i = 0; i < Limits().mail_parameters; ++i) many += "a=1; ";
    EXPECT_TRUE(with_disposition(many + "filename=bad.exe").has(Ambiguity::bad_header));
    for (const char* disposition : {"=?utf-8?q?attachment;_filename=3Dbad.exe?=", "attachment;\vfilename=bad.exe",
                                    "attachment;\xff"
                                    "filename=bad.exe"})
        EXPECT_TRUE(with_disposition(disposition).has(Ambiguity::bad_header)) << disposition;
    EXPECT_TRUE(with_disposition("attachment; filename*=ibm037''%82%81%84%4B%85%A7%85").has(Ambiguity::bad_encoded_word));
    EXPECT_TRUE(with_disposition("attachment; filename=\"=?cp037?b?goGES4Wnhb==?=\"").has(Ambiguity::bad_encoded_word));
    std::string names = "attachment";
    for (std::size_t i = 0; i <= Limits().header_parameters; ++i) names += "; filename=" + std::to_string(i);
    EXPECT_TRUE(with_disposition(names).has(Ambiguity::too_many));
    EXPECT_TRUE(with_disposition("attachment; filename=\"a (1).txt\"; size=3").ambiguities.empty());
}

}  // namespace
}  // namespace sluice::mime
