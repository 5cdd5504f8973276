// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/commands.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace sluice::ftp {
namespace {

using ::testing::IsNull;
using ::testing::NotNull;

const std::vector<std::string_view>& all() {
    static const std::vector<std::string_view> verbs{
        "ABOR", "ACCT", "ALLO", "APPE", "AUTH", "CCC",  "CDUP", "CLNT", "CWD",  "DELE", "EPRT", "EPSV", "FEAT", "HELP",
        "LANG", "LIST", "MDTM", "MFCT", "MFF",  "MFMT", "MKD",  "MLSD", "MLST", "MODE", "NLST", "NOOP", "OPTS", "PASS",
        "PASV", "PBSZ", "PORT", "PROT", "PWD",  "QUIT", "REIN", "REST", "RETR", "RMD",  "RNFR", "RNTO", "SITE", "SIZE",
        "STAT", "STOR", "STOU", "STRU", "SYST", "TYPE", "USER", "XCUP", "XCWD", "XMKD", "XPWD", "XRMD",
    };
    return verbs;
}

// A table that is not in order would lose some of them.
TEST(Commands, each_is_found) {
    for (const std::string_view verb : all()) {
        const CommandInfo* info = find_command(verb);
        ASSERT_THAT(info, NotNull()) << verb;
        EXPECT_EQ(info->verb, verb);
    }
}

TEST(Commands, others_are_not) {
    for (const std::string_view verb :
         {"", "A", "ABO", "ABORT", "abor", "SMNT", "HOST", "XCRC", "XRSQ", "CONF", "ENC", "MIC", "ADAT", "ZZZZ", "GET", "POST"})
        EXPECT_THAT(find_command(verb), IsNull()) << verb;
}

TEST(Commands, older_names_go_on_as_the_newer_ones) {
    const std::vector<std::pair<std::string_view, std::string_view>> aliases{
        {"XCUP", "CDUP"}, {"XCWD", "CWD"}, {"XMKD", "MKD"}, {"XPWD", "PWD"}, {"XRMD", "RMD"}};
    for (const auto& [older, newer] : aliases) {
        const CommandInfo* old_one = find_command(older);
        const CommandInfo* new_one = find_command(newer);
        ASSERT_TRUE(old_one && new_one) << older;
        EXPECT_EQ(old_one->forwarded_as, newer);
        EXPECT_EQ(old_one->handling, new_one->handling) << older;
        EXPECT_EQ(old_one->names, new_one->names) << older;
        EXPECT_EQ(old_one->refused, new_one->refused) << older;
        EXPECT_EQ(old_one->needs_login, new_one->needs_login) << older;
        EXPECT_EQ(old_one->is_recorded, new_one->is_recorded) << older;
    }
    for (const std::string_view verb : all())
        if (verb.front() != 'X') EXPECT_EQ(find_command(verb)->forwarded_as, verb);
}

// What is said before there is a login (RFC 959 5.4, 2228, 2389, 4217); anything else is the server's to answer, and it is known only then.
TEST(Commands, few_need_no_login) {
    for (const std::string_view verb : all()) {
        const bool is_free = verb == "ACCT" || verb == "AUTH" || verb == "CCC" || verb == "CLNT" || verb == "FEAT" || verb == "HELP" ||
                             verb == "NOOP" || verb == "OPTS" || verb == "PASS" || verb == "PBSZ" || verb == "PROT" || verb == "QUIT" ||
                             verb == "REIN" || verb == "USER";
        EXPECT_EQ(find_command(verb)->needs_login, !is_free) << verb;
    }
}

TEST(Commands, a_denial_has_the_code_that_clients_expect) {
    for (const std::string_view verb : all()) {
        const int code = find_command(verb)->refused;
        if (verb == "STOR" || verb == "STOU" || verb == "APPE" || verb == "RNTO") EXPECT_EQ(code, 553) << verb;
        else if (verb == "PORT" || verb == "EPRT") EXPECT_EQ(code, 504) << verb;
        else if (verb == "USER" || verb == "PASS" || verb == "ACCT") EXPECT_EQ(code, 530) << verb;
        else if (verb == "AUTH" || verb == "PBSZ" || verb == "PROT" || verb == "CCC") EXPECT_EQ(code, 534) << verb;
        else EXPECT_EQ(code, 550) << verb;
    }
}

TEST(Commands, what_changes_or_moves_something_has_an_event) {
    for (const std::string_view verb :
         {"APPE", "DELE", "LIST", "MFCT", "MFF", "MFMT", "MKD", "MLSD", "NLST", "PASS", "RETR", "RMD", "RNTO", "SITE", "STOR", "STOU"})
        EXPECT_TRUE(find_command(verb)->is_recorded) << verb;
    for (const std::string_view verb : {"CWD", "NOOP", "PASV", "PWD", "RNFR", "SIZE", "TYPE", "USER"})
        EXPECT_FALSE(find_command(verb)->is_recorded) << verb;
}

}  // namespace
}  // namespace sluice::ftp
