// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/file_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::mime {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> names(std::string_view disposition) { return file_names(disposition, Limits()); }

TEST(FileNames, of_those_who_keep_to_the_syntax) {
    EXPECT_THAT(names("attachment; filename=a.exe"), ElementsAre("a.exe"));
    EXPECT_THAT(names("attachment; filename=\"C:/x/a b.exe\""), ElementsAre("a b.exe"));
    EXPECT_THAT(names("attachment; filename=a.txt; filename*=UTF-8''a%20b.exe"), ElementsAre("a b.exe", "a.txt"));
    EXPECT_THAT(names("inline"), IsEmpty());
    EXPECT_THAT(names(""), IsEmpty());
    EXPECT_THAT(names("attachment; filename=\"\""), IsEmpty());
}

TEST(FileNames, of_those_who_do_not) {
    EXPECT_THAT(names("attachment; filename=setup(1).exe"), ElementsAre("setup(1).exe"));
    EXPECT_THAT(names("attachment; FileName = a b.exe ; x=y"), ElementsAre("a b.exe"));
    EXPECT_THAT(names("attachment; filename=\"a.exe; x=y"), ElementsAre("a.exe")) << "a quote without an end";
    EXPECT_THAT(names("attachment; filename=\"a.exe\"x"), ElementsAre("a.exe"));
    EXPECT_THAT(names("attachment; filename=a.txt; filename=b.exe"), ElementsAre("a.txt", "b.exe"));
    EXPECT_THAT(names("attachment; filename=\"a.txt\"; filename*=windows-1252'en'a%2Eexe"), ElementsAre("a.txt", "a.exe"));
    EXPECT_THAT(names("filename*=a%2eexe%4"), Contains("a.exe%4"));
    EXPECT_THAT(names("attachment; a=\"filename=x.txt\"; filename=setup(1).exe"), ElementsAre("setup(1).exe"));
    EXPECT_THAT(names("attachment; filename=\"b.txt\\\".exe\"; x"), ElementsAre("b.txt\".exe"));
    EXPECT_THAT(names("attachment; filename*0=\"setup.\"; filename*1=exe"), ElementsAre("setup.exe"));
    EXPECT_THAT(names("attachment; filename*0*=utf-8''set%75p; filename*1=.exe"), ElementsAre("setup.exe"));
    EXPECT_THAT(names("attachment; xfilename=a; filename; filename="), IsEmpty());
    EXPECT_THAT(names("filename"), IsEmpty());
}

TEST(FileNames, of_those_who_decode_what_is_none_of_it) {
    EXPECT_THAT(names("attachment; filename=\"setup%2Eexe\""), ElementsAre("setup%2Eexe", "setup.exe"));
    EXPECT_THAT(names("attachment; filename=\"x%2Fsetup.exe\""), ElementsAre("x%2Fsetup.exe", "setup.exe"));
    EXPECT_THAT(names("attachment; filename=\"=?utf-8?B?c2V0dXAuZXhl?=\""), Contains("setup.exe"));
    EXPECT_THAT(names("attachment; filename=\"=?utf-8?Q?set=75p_1?=.exe\""), Contains("setup 1.exe"));
    for (const char* broken : {"=?", "=?utf-8", "=?utf-8?B", "=?utf-8?B?", "=?utf-8?B?c2V0", "=?utf-8?B?c2V0?", "=?\?="})
        EXPECT_FALSE(names("attachment; filename=\"" + std::string(broken) + "\"").empty()) << broken;
    EXPECT_THAT(file_names_of_path("/a/setup.exe%20"), ElementsAre("setup.exe%20", "setup.exe "));
    EXPECT_THAT(file_names_of_path("/"), IsEmpty());
}

TEST(FileNames, are_bounded) {
    Limits limits;
    limits.header_parameters = 3;
    std::string many = "attachment";
    for (int i = 0; i < 10; ++i) many += "; filename=" + std::to_string(i);
    EXPECT_THAT(file_names(many, limits), ElementsAre("0", "1", "9"));
}

}  // namespace
}  // namespace sluice::mime
