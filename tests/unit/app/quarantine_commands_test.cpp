// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.h"
#include "app/commands.h"
#include "app/terminal_text.h"
#include "inspect/quarantine/quarantine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

constexpr const char* kFirst = "0J5XK3M9QZ0112VT";
constexpr const char* kSecond = "0J5XK3M9QZ0113VT";

class QuarantineCommands : public testing::Test {
protected:
    QuarantineCommands() {
        std::string name = (fs::temp_directory_path() / "sluice-quarantine-XXXXXX").string();
        root_ = mkdtemp(name.data());
        config_ = (root_ / "sluice.toml").string();
        std::ofstream(config_) << "state_dir = '" << (root_ / "state").string() << "'\n[quarantine]\nmax_size = '1MiB'\n";
    }
    ~QuarantineCommands() override {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    void store(const char* id, std::string_view content, const json::object& event) const {
        inspect::Quarantine quarantine({.dir = dir(), .max_size = 1 << 20, .keep = std::chrono::hours(1)});
        ASSERT_TRUE(quarantine.store(id, std::span(&content, 1), json::serialize(event)));
    }
    Outcome run(std::vector<std::string> words) const {
        std::vector<const char*> arguments{"sluice", "quarantine"};
        for (const std::string& word : words) arguments.push_back(word.c_str());
        arguments.insert(arguments.end(), {"-c", config_.c_str()});
        std::ostringstream out, err;
        const auto parsed = parse_command_line(static_cast<int>(arguments.size()), arguments.data(), out, err);
        if (const int* code = std::get_if<int>(&parsed)) return {*code, out.str(), err.str()};
        const int code = run_quarantine(std::get<CommandLine>(parsed), out, err);
        return {code, out.str(), err.str()};
    }
    static json::value parsed(const Outcome& outcome) {
        boost::system::error_code error;
        json::value value = json::parse(outcome.out, error);
        EXPECT_FALSE(error) << outcome.out;
        return value;
    }
    static std::vector<std::string> lines(const std::string& text) {
        std::vector<std::string> found;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);) found.push_back(line);
        return found;
    }
    fs::path dir() const { return root_ / "state" / "quarantine"; }
    std::string path(const char* name) const { return (root_ / name).string(); }

    fs::path root_;
    std::string config_;
};

json::object ordinary() {
    return {{"event.id", kFirst},
            {"event.action", "quarantined"},
            {"rule.name", "keep"},
            {"client.ip", "10.0.0.1"},
            {"url.full", "http://x/a.exe"},
            {"file.name", "a.exe"},
            {"file.size", 7},
            {"scan.threat", "Trojan.Example"},
            {"tags", {"one", "two"}},
            {"file.hash.sha256", "not this one"}};
}

TEST_F(QuarantineCommands, an_empty_one_is_no_fault) {
    Outcome outcome = run({"list"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("0 samples, 0 B of 1.0 MiB in " + dir().string()));
    outcome = run({"list", "--json"});
    EXPECT_EQ(outcome.out, "[]\n");
    EXPECT_EQ(outcome.err, "");
    EXPECT_FALSE(fs::exists(dir()));
}

TEST_F(QuarantineCommands, list_is_a_table_with_the_newest_first) {
    store(kFirst, std::string(2000, 'x'), ordinary());
    store(kSecond, "y", {{"url.full", "http://y/"}});
    const Outcome outcome = run({"list"});
    EXPECT_EQ(outcome.code, 0);
    const auto rows = lines(outcome.out);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0], "ID                STORED (UTC)          SIZE  NAME       THREAT          RULE");
    EXPECT_THAT(rows[1], testing::MatchesRegex("0J5XK3M9QZ0113VT  20..-..-.. ..:..       1 B  http://y/  -               -"));
    EXPECT_THAT(rows[2], testing::MatchesRegex("0J5XK3M9QZ0112VT  20..-..-.. ..:..   2.0 KiB  a.exe      Trojan.Example  keep"));
    EXPECT_THAT(outcome.err, HasSubstr("2 samples, 2.0 KiB of 1.0 MiB in "));
}

TEST_F(QuarantineCommands, list_keeps_to_its_columns_whatever_peers_call_things) {
    store(kFirst, "x",
          {{"file.name", std::string(300, 'n')}, {"scan.threat", std::string(300, 't')}, {"rule.name", std::string(300, 'r')}});
    store(kSecond, "x",
          {{"file.name", "\x1b]0;owned\x07\n\xe2\x80\xaegpj.exe"}, {"scan.threat", "\xc2\x9b\x33\x31m"}, {"rule.name", "r\r"}});
    const Outcome outcome = run({"list"});
    const auto rows = lines(outcome.out);
    ASSERT_EQ(rows.size(), 3U);
    for (const std::string& row : rows) {
        EXPECT_LE(terminal_width(row), 100U) << row;
        for (const char c : row) EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20 || c == 0x7f) << row;
    }
    EXPECT_THAT(outcome.out, HasSubstr("\\x1b]0;owned\\x07\\x0a"));
    EXPECT_THAT(outcome.out, HasSubstr("\\u{9b}31m"));
    EXPECT_THAT(outcome.out, HasSubstr("r\\x0d"));
}

TEST_F(QuarantineCommands, list_as_json_is_in_the_words_of_the_log) {
    store(kFirst, "x", ordinary());
    store(kSecond, "y", {{"file.name", "\xc2\x9b\x7f\xe2\x80\xae"}});
    const Outcome outcome = run({"list", "--json"});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, HasSubstr("\\u009b\\u007f\\u202e"));
    const json::array samples = parsed(outcome).as_array();
    ASSERT_EQ(samples.size(), 2U);
    EXPECT_EQ(samples[0].at("event.id"), kSecond);
    EXPECT_EQ(samples[1].at("event.id"), kFirst);
    EXPECT_EQ(samples[1].at("file.size"), 1);               // what is there, not what the event said
    EXPECT_EQ(samples[1].at("file.hash.sha256"), "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
    EXPECT_EQ(samples[1].at("rule.name"), "keep");
    EXPECT_EQ(samples[1].at("quarantine.stored").as_string().size(), 24U);
}

TEST_F(QuarantineCommands, show_has_the_event_and_the_hashes) {
    store(kFirst, "x", ordinary());
    Outcome outcome = run({"show", "0j5xk3m9qzoil2vt"});    // as it is read out
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, ContainsRegex("event.id +0J5XK3M9QZ0112VT\n"));
    EXPECT_THAT(outcome.out, ContainsRegex("quarantine.intact +true\n"));
    EXPECT_THAT(outcome.out, ContainsRegex("file.size +1\n"));
    EXPECT_THAT(outcome.out, ContainsRegex("file.hash.md5 +9dd4e461268c8034f5c8564e155c67a6\n"));
    EXPECT_THAT(outcome.out, ContainsRegex("tags +one, two\n"));
    EXPECT_THAT(outcome.out, Not(HasSubstr("not this one")));
    outcome = run({"show", kFirst, "--json"});
    const json::value shown = parsed(outcome);
    EXPECT_EQ(shown.at("quarantine.intact"), true);
    EXPECT_EQ(shown.at("file.hash.sha1"), "11f6ad8ec52a2984abaafd7c3b516503785c2072");
    EXPECT_EQ(shown.at("tags").as_array().size(), 2U);
}

TEST_F(QuarantineCommands, show_escapes_names_and_keys) {
    store(kFirst, "x", {{"file.name", "\x1b[31m"}, {"a\x1b\n", "b"}, {"list", {"\r"}}, {"deep", {{"\xc2\x9b", "\x7f"}}}});
    const Outcome outcome = run({"show", kFirst});
    for (const char c : outcome.out) EXPECT_FALSE((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f);
    EXPECT_THAT(outcome.out, Not(HasSubstr("\xc2\x9b")));
    EXPECT_THAT(outcome.out, HasSubstr("a\\x1b\\x0a "));
}

TEST_F(QuarantineCommands, a_damaged_one_is_shown_as_such) {
    store(kFirst, "content", ordinary());
    std::ofstream(dir() / (std::string(kFirst) + ".meta"), std::ios::trunc) << "nothing";
    EXPECT_THAT(run({"list"}).out, HasSubstr("(damaged)"));
    const Outcome outcome = run({"show", kFirst, "--json"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("the sample is damaged"));
    EXPECT_EQ(parsed(outcome).at("quarantine.intact"), false);
    const Outcome released = run({"release", kFirst, path("out")});
    EXPECT_EQ(released.code, 1);
    EXPECT_THAT(released.err, HasSubstr("damaged"));
    EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(QuarantineCommands, an_event_that_is_no_object_hides_nothing) {
    inspect::Quarantine quarantine({.dir = dir(), .max_size = 1 << 20, .keep = std::chrono::hours(1)});
    const std::string_view content = "x";
    ASSERT_TRUE(quarantine.store(kFirst, std::span(&content, 1), "[1, 2"));
    EXPECT_THAT(run({"list"}).out, HasSubstr(kFirst));
    EXPECT_EQ(parsed(run({"show", kFirst, "--json"})).at("file.size"), 1);
}

TEST_F(QuarantineCommands, release_writes_a_new_file_and_nothing_else) {
    store(kFirst, "content", ordinary());
    Outcome outcome = run({"release", kFirst, path("out")});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(path("out")));
    std::ostringstream released;
    released << std::ifstream(path("out")).rdbuf();
    EXPECT_EQ(released.str(), "content");
    outcome = run({"release", kFirst, path("out")});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(path("out") + ": there is something at that path already\n"));
    EXPECT_EQ(run({"release", kFirst, path("none/out")}).code, 1);
    EXPECT_THAT(run({"list"}).out, HasSubstr(kFirst));
}

TEST_F(QuarantineCommands, delete_removes_it) {
    store(kFirst, "content", ordinary());
    store(kSecond, "content", ordinary());
    EXPECT_EQ(run({"delete", kFirst}).code, 0);
    EXPECT_THAT(run({"list"}).out, Not(HasSubstr(kFirst)));
    EXPECT_THAT(run({"list"}).out, HasSubstr(kSecond));
    const Outcome again = run({"delete", kFirst});
    EXPECT_EQ(again.code, 1);
    EXPECT_EQ(again.err, std::string("sluice: ") + kFirst + ": the quarantine has no sample of this id\n");
}

TEST_F(QuarantineCommands, what_is_no_id_ends_with_2) {
    store(kFirst, "content", ordinary());
    for (const char* word : {"../../etc/passwd", "x", "\x1b[2J", "0J5XK3M9QZ0112V*"}) {
        for (const Outcome& outcome : {run({"show", word}), run({"delete", word}), run({"release", word, path("out")})}) {
            EXPECT_EQ(outcome.code, 2) << word;
            EXPECT_THAT(outcome.err, HasSubstr("an id is 16 letters and digits"));
            EXPECT_THAT(outcome.err, Not(HasSubstr("\x1b")));
        }
    }
    EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(QuarantineCommands, the_command_line) {
    EXPECT_EQ(run({}).code, 2);
    EXPECT_THAT(run({}).err, HasSubstr("release"));
    EXPECT_EQ(run({"lst"}).code, 2);
    EXPECT_THAT(run({"lst"}).err, HasSubstr("did you mean \"list\"?"));
    EXPECT_EQ(run({"show"}).code, 2);
    EXPECT_EQ(run({"release", kFirst}).code, 2);
    EXPECT_EQ(run({"delete", kFirst, "--json"}).code, 2);
    const Outcome help = run({"release", "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_THAT(help.out, HasSubstr("sluice quarantine release"));
    EXPECT_THAT(run({"--help"}).out, HasSubstr("delete"));
}

TEST_F(QuarantineCommands, a_configuration_with_faults_says_them) {
    std::ofstream(config_, std::ios::app) << "keep = 'long'\n";
    const Outcome outcome = run({"list"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(outcome.err, HasSubstr("a duration is expected"));
    EXPECT_EQ(outcome.out, "");
}

}  // namespace
}  // namespace sluice::app
