// SPDX-License-Identifier: Apache-2.0
#include "app/config.h"

#include "app/loaded.h"
#include "policy/countries.h"
#include "unit/policy/country_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A folder of the test's own, gone afterwards.
class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "sluice-config-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    fs::path write(const std::string& name, const std::string& text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
        return path_ / name;
    }
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

Config good(const std::string& text) {
    Diagnostics faults;
    Config config = parse_config(text, "test.toml", faults);
    EXPECT_EQ(to_string(faults), "") << text;
    return config;
}

std::string faults_of(const std::string& text) {
    Diagnostics faults;
    parse_config(text, "test.toml", faults);
    return to_string(faults);
}

TEST(Config, an_empty_file_is_valid_and_means_the_default) {
    const Config config = good("");
    EXPECT_EQ(config.http, HttpConfig{});
    EXPECT_THAT(config.http.listen, ElementsAre(*IpPort::parse("127.0.0.1:3128")));
    EXPECT_THAT(config.http.clients, SizeIs(8));
    EXPECT_THAT(config.admin.listen, testing::Contains(*IpPort::parse("127.0.0.1:9180")));
    EXPECT_EQ(config.log.events, "-");
    EXPECT_EQ(config.limits, Limits{});
    EXPECT_EQ(config.inspect, InspectConfig{});
    EXPECT_EQ(config.quarantine.dir, config.state_dir / "quarantine");
    EXPECT_FALSE(config.policy.default_action);
    EXPECT_GE(worker_count(config), 1U);
}

TEST(Config, the_default_that_is_printed_says_what_an_empty_file_means) {
    const Config printed = good(std::string(default_config_text()));
    const Config empty = good("");
    EXPECT_EQ(printed.workers, empty.workers);
    EXPECT_EQ(printed.user, empty.user);
    EXPECT_EQ(printed.state_dir, empty.state_dir);
    EXPECT_EQ(printed.http, empty.http);
    EXPECT_EQ(printed.admin, empty.admin);
    EXPECT_EQ(printed.log, empty.log);
    EXPECT_EQ(printed.dns, empty.dns);
    EXPECT_EQ(printed.limits, empty.limits);
    EXPECT_EQ(printed.inspect, empty.inspect);
    EXPECT_EQ(printed.quarantine, empty.quarantine);
    EXPECT_EQ(printed.timezone, empty.timezone);
    EXPECT_EQ(printed.policy.default_action->value, "allow");
    EXPECT_EQ(printed.policy.protect_host, empty.policy.protect_host);
    EXPECT_THAT(printed.policy.rules, IsEmpty());
    EXPECT_THAT(printed.policy.lists, IsEmpty());
    Diagnostics faults;
    EXPECT_NE(policy::Policy::compile(printed.policy, faults, nullptr), nullptr);
    EXPECT_EQ(to_string(faults), "");
}

TEST(Config, values) {
    const Config config = good(R"(
workers = 3
user = "nobody"
state_dir = "/var/lib/other"
[http]
listen = ["0.0.0.0:8080", "[::]:8080"]
clients = ["192.0.2.0/24"]
connect_ports = [443, "8000-8099"]
proxy_from = ["10.0.0.1"]
forwarded = "x-forwarded-for"
[admin]
listen = "127.0.0.1:9999"
[log]
events = ""
when_full = "wait"
redact = ["key"]
level = "debug"
[dns]
servers = ["192.0.2.53", "127.0.0.1:5353"]
[policy]
default = "block"
timezone = "UTC"
[builtin]
protect-host = false
[limits]
head = "500ms"
header_bytes = 16384
tunnel_idle = "2d"
connections = 100
smtp_idle = "10s"
)");
    EXPECT_EQ(config.workers, 3U);
    EXPECT_EQ(config.user, "nobody");
    EXPECT_EQ(config.state_dir, "/var/lib/other");
    EXPECT_THAT(config.http.listen, ElementsAre(*IpPort::parse("0.0.0.0:8080"), *IpPort::parse("[::]:8080")));
    EXPECT_THAT(config.http.connect_ports, ElementsAre(PortRange{443, 443}, PortRange{8000, 8099}));
    EXPECT_THAT(config.http.proxy_from, ElementsAre(*IpNetwork::parse("10.0.0.1")));
    EXPECT_EQ(config.http.forwarded, Forwarded::x_forwarded_for);
    EXPECT_THAT(config.admin.listen, ElementsAre(*IpPort::parse("127.0.0.1:9999")));
    EXPECT_EQ(config.log.events, "");
    EXPECT_EQ(config.log.when_full, WhenFull::wait);
    EXPECT_EQ(config.log.level, Level::debug);
    EXPECT_THAT(config.dns.servers, ElementsAre(*IpPort::parse("192.0.2.53:53"), *IpPort::parse("127.0.0.1:5353")));
    EXPECT_EQ(config.policy.default_action->value, "block");
    EXPECT_FALSE(config.policy.protect_host);
    EXPECT_EQ(config.limits.head, 500ms);
    EXPECT_EQ(config.limits.header_bytes, 16384U);
    EXPECT_EQ(config.limits.tunnel_idle, 48h);
    EXPECT_EQ(config.limits.connections, 100U);
}

TEST(Config, an_unknown_key_is_an_error_that_names_the_nearest) {
    EXPECT_EQ(faults_of("[http]\nlisen = []\n"),
              "test.toml:2:1: unknown key \"lisen\" in [http]; did you mean \"listen\"?\n    lisen = []\n    ^\n");
    EXPECT_THAT(faults_of("worker = 1\n"), HasSubstr("did you mean \"workers\"?"));
    EXPECT_THAT(faults_of("[htpp]\n"), HasSubstr("did you mean \"http\"?"));
    EXPECT_THAT(faults_of("[[rule]]\nname='a'\nwhn='b'\n"),
                HasSubstr("test.toml:3:1: unknown key \"whn\" in a rule; did you mean \"when\"?"));
    EXPECT_THAT(faults_of("[lists]\na = { type='domain', fille='x' }\n"), HasSubstr("did you mean \"file\"?"));
    EXPECT_THAT(faults_of("[ftp]\nlsten = []\n"), HasSubstr("did you mean \"listen\"?"));
    EXPECT_THAT(faults_of("[limits]\nzzzzzzzzzz = 1\n"), HasSubstr("unknown key \"zzzzzzzzzz\" in [limits]\n"));
}

TEST(Config, all_faults_come_in_one_go_in_the_order_of_the_file) {
    const std::string faults =
        faults_of("workers = 'two'\n[http]\nlisten = ['nowhere']\nforwarded = 'on'\n[log]\nlevel = 3\n[limits]\nhead = 15\n");
    const std::vector<std::string> expected{"test.toml:1:11: workers: a number is expected, not a string",
                                            "test.toml:3:10: http.listen: \"nowhere\" is not", "test.toml:4:13: http.forwarded: one of",
                                            "test.toml:6:9: log.level: one of", "test.toml:8:8: limits.head: a duration is expected"};
    std::size_t from = 0;
    for (const std::string& fault : expected) {
        const std::size_t at = faults.find(fault, from);
        ASSERT_NE(at, std::string::npos) << fault << "\nin\n" << faults;
        from = at;
    }
}

TEST(Config, ranges) {
    EXPECT_THAT(faults_of("workers = 0\n"), HasSubstr("workers: 0 is not between 1 and 1024"));
    EXPECT_THAT(faults_of("[limits]\nhead = '0s'\n"), HasSubstr("not between"));
    EXPECT_THAT(faults_of("[limits]\nheader_bytes = 10\n"), HasSubstr("at least 1024 bytes"));
    EXPECT_THAT(faults_of("[http]\nconnect_ports = [0]\n"), HasSubstr("a port is expected"));
    EXPECT_THAT(faults_of("[http]\nlisten = ['127.0.0.1:0']\n"), HasSubstr("not an address with a port"));
    EXPECT_THAT(faults_of("[http]\nlisten = ['127.0.0.1:1', '127.0.0.1:1']\n"), HasSubstr("twice"));
    EXPECT_THAT(faults_of("[admin]\nlisten = '0.0.0.0:9180'\n"), HasSubstr("is not loopback"));
    EXPECT_THAT(faults_of("[http]\nlisten = ['127.0.0.1:9180']\n"), HasSubstr("both in http.listen and in admin.listen"));
    EXPECT_THAT(faults_of("[policy]\ntimezone = 'Europe/Nowhere'\n"), HasSubstr("not a time zone"));
    EXPECT_THAT(faults_of("state_dir = ''\n"), HasSubstr("a folder is expected"));
}

TEST(Config, syntax_is_pointed_at) {
    EXPECT_THAT(faults_of("a = 1\nb 2\n"), HasSubstr("test.toml:2:3: "));
    EXPECT_THAT(faults_of("[http]\nlisten = []\nlisten = []\n"), HasSubstr("test.toml:3:"));
    EXPECT_THAT(faults_of("[log]\nevents = \"ü\"   \u201cx\u201d\n"), HasSubstr("test.toml:2:16: a character beyond ASCII"));
}

TEST(Config, inspection_has_the_contracts_defaults) {
    const InspectConfig inspect = good("").inspect;
    EXPECT_EQ(inspect.engines, (policy::EngineSet{policy::Engine::hash, policy::Engine::signatures, policy::Engine::yara}));
    EXPECT_EQ(inspect.deliver, policy::Deliver::automatic);
    EXPECT_EQ(inspect.whole, policy::Whole::risky);
    EXPECT_EQ(inspect.ranges, policy::Ranges::automatic);
    EXPECT_FALSE(inspect.trickle);
    EXPECT_EQ(inspect.timeout, 30s);
    EXPECT_EQ(inspect.max_size, 512U << 20);
    EXPECT_EQ(inspect.memory, 256U << 20);
    EXPECT_EQ(inspect.disk, std::uint64_t{4} << 30);
    EXPECT_FALSE(inspect.clamav || inspect.icap);
    EXPECT_GE(scanner_count(good("")), 1U);
    EXPECT_EQ(good("").quarantine.max_size, 1U << 30);
    EXPECT_EQ(good("").quarantine.keep, 720h);
}

TEST(Config, inspection_as_it_is_written) {
    const Config config = good(R"(
state_dir = "/var/lib/other"
[inspect]
engines = ["clamav", "icap", "hash"]
clamav = { socket = "/run/clamd.ctl", max_size = "10MiB" }
icap = { url = "icap://scan.test/avscan?a=b" }
deliver = "tail"
whole = "all"
ranges = "block"
trickle = true
timeout = "5s"
max_size = "1GiB"
memory = "1MiB"
disk = 0
scanners = 3
[quarantine]
dir = "kept"
max_size = "5MB"
keep = "2d"
)");
    const InspectConfig& inspect = config.inspect;
    EXPECT_EQ(inspect.engines, (policy::EngineSet{policy::Engine::hash, policy::Engine::clamav, policy::Engine::icap}));
    EXPECT_EQ(inspect.clamav, (ClamavConfig{.socket = "/run/clamd.ctl", .host = "", .port = 0, .max_size = 10U << 20}));
    EXPECT_EQ(inspect.icap, (IcapConfig{.url = "icap://scan.test/avscan?a=b", .host = "scan.test", .port = 1344, .path = "/avscan?a=b"}));
    EXPECT_EQ(inspect.deliver, policy::Deliver::tail);
    EXPECT_EQ(inspect.whole, policy::Whole::all);
    EXPECT_EQ(inspect.ranges, policy::Ranges::block);
    EXPECT_TRUE(inspect.trickle);
    EXPECT_EQ(inspect.timeout, 5s);
    EXPECT_EQ(inspect.max_size, 1U << 30);
    EXPECT_EQ(inspect.memory, 1U << 20);
    EXPECT_EQ(inspect.disk, 0U);
    EXPECT_EQ(scanner_count(config), 3U);
    EXPECT_EQ(config.quarantine.dir, "/var/lib/other/kept");
    EXPECT_EQ(config.quarantine.max_size, 5'000'000U);
    EXPECT_EQ(config.quarantine.keep, 48h);
    EXPECT_EQ(good("[quarantine]\ndir = '/srv/kept'\n").quarantine.dir, "/srv/kept");
    EXPECT_TRUE(good("[inspect]\nengines = []\n").inspect.engines.empty());
    const auto remote = good("[inspect]\nclamav = { socket = 'tcp://[2001:db8::1]:3310' }\n").inspect.clamav;
    EXPECT_EQ(remote->host, "2001:db8::1");
    EXPECT_EQ(remote->port, 3310);
    EXPECT_TRUE(remote->socket.empty());
}

TEST(Config, faults_of_inspection) {
    EXPECT_EQ(faults_of("[inspect]\nengines = [\"hash\", \"yarra\"]\n"),
              "test.toml:2:21: inspect.engines: unknown engine \"yarra\"; did you mean \"yara\"?\n    engines = [\"hash\", \"yarra\"]\n"
              "                        ^\n");
    EXPECT_THAT(faults_of("[inspect]\nengines = 5\n"), HasSubstr("a list of strings is expected"));
    EXPECT_THAT(faults_of("[inspect]\ndeliver = 'holt'\n"), HasSubstr("did you mean \"hold\"?"));
    EXPECT_THAT(faults_of("[inspect]\nwhole = 'some'\n"), HasSubstr("one of \"risky\", \"all\""));
    EXPECT_THAT(faults_of("[inspect]\nranges = 'pas'\n"), HasSubstr("did you mean \"pass\"?"));
    EXPECT_THAT(faults_of("[inspect]\nmax_size = 0\n"), HasSubstr("at least 1 bytes"));
    EXPECT_THAT(faults_of("[inspect]\nmemory = '1KiB'\n"), HasSubstr("at least 1048576 bytes"));
    EXPECT_THAT(faults_of("[inspect]\nscanners = 0\n"), HasSubstr("not between"));
    EXPECT_THAT(faults_of("[inspect]\ntimeout = '0s'\n"), HasSubstr("not between"));
    EXPECT_THAT(faults_of("[inspect]\nclamav = 'x'\n"), HasSubstr("a table is expected"));
    EXPECT_THAT(faults_of("[inspect]\nclamav = { sockt = '/x' }\n"), HasSubstr("did you mean \"socket\"?"));
    EXPECT_THAT(faults_of("[inspect]\nclamav = {}\n"), HasSubstr("clamd's socket is expected"));
    EXPECT_THAT(faults_of("[inspect]\nclamav = { socket = 'tcp://host' }\n"), HasSubstr("tcp://host:port"));
    EXPECT_THAT(faults_of("[inspect]\nicap = {}\n"), HasSubstr("URL is expected"));
    for (const std::string url : {"http://a.test/x", "icap://", "icap:///x", "icap://a b/", "icap", ""})
        EXPECT_THAT(faults_of("[inspect]\nicap = { url = '" + url + "' }\n"), HasSubstr("a URL is expected")) << url;
    EXPECT_THAT(faults_of("[quarantine]\nkeep = 'x'\n"), HasSubstr("a duration is expected"));
    EXPECT_THAT(faults_of("[quarantine]\ndir = ''\n"), HasSubstr("a folder is expected"));
}

TEST(Config, an_engine_that_is_named_must_have_what_it_needs) {
    EXPECT_THAT(faults_of("[inspect]\nengines = ['hash', 'clamav']\n"),
                HasSubstr("test.toml:2:21: the engine \"clamav\" needs [inspect] clamav"));
    EXPECT_THAT(faults_of("[inspect]\nengines = 'icap'\n"), HasSubstr("needs [inspect] icap"));
    const std::string rule = "[[rule]]\nname = 'r'\naction = 'inspect'\nengines = ['clamav']\n";
    EXPECT_THAT(faults_of(rule), HasSubstr("test.toml:4:13: the engine \"clamav\" needs"));
    EXPECT_EQ(faults_of(rule + "[inspect]\nclamav = { socket = '/x' }\n"), "");
}

TEST(Config, files_of_engines_are_found_beside_the_file_in_name_order) {
    const Folder folder;
    for (const char* name : {"yara.d/b.yar", "yara.d/a.yar", "yara.d/a.txt", "signatures.d/x.toml", "more/y.yar"}) folder.write(name, "x");
    const fs::path file = folder.write("sluice.toml", "");
    Diagnostics faults;
    EXPECT_THAT(read_config(file, faults).inspect.yara, ElementsAre(folder.path() / "yara.d/a.yar", folder.path() / "yara.d/b.yar"));
    EXPECT_THAT(read_config(file, faults).inspect.signatures, ElementsAre(folder.path() / "signatures.d/x.toml"));
    folder.write("sluice.toml", "[inspect]\nyara = ['more/*.yar', 'yara.d/b.yar', 'yara.d/*.yar']\nsignatures = []\n");
    const InspectConfig inspect = read_config(file, faults).inspect;
    EXPECT_THAT(inspect.yara, ElementsAre(folder.path() / "more/y.yar", folder.path() / "yara.d/b.yar", folder.path() / "yara.d/a.yar"));
    EXPECT_THAT(inspect.signatures, IsEmpty());
    EXPECT_EQ(to_string(faults), "");
    folder.write("sluice.toml", "[inspect]\nyara = ['none.yar', 'none/*.yar']\n");
    read_config(file, faults);
    EXPECT_THAT(faults, SizeIs(1)) << "a pattern may name none, a name may not";
    EXPECT_THAT(to_string(faults), HasSubstr("inspect.yara: there is no file"));
    EXPECT_THAT(good("").inspect.yara, IsEmpty()) << "of the embedded default";
}

TEST(Config, a_rule_of_inspect_keeps_its_keys) {
    const Config config = good(R"([[rule]]
name = "r"
action = "inspect"
engines = ["hash"]
deliver = "hold"
whole = "all"
ranges = "pass"
max_size = 1000
trickle = true
)");
    const policy::RuleSource& rule = config.policy.rules.at(0);
    EXPECT_EQ(rule.engines->at(0).value, "hash");
    EXPECT_EQ(rule.deliver->value, "hold");
    EXPECT_EQ(rule.whole->value, "all");
    EXPECT_EQ(rule.ranges->value, "pass");
    EXPECT_EQ(rule.max_size->value, "1000");
    EXPECT_TRUE(rule.trickle->value);
    Diagnostics faults;
    const auto policy = policy::Policy::compile(config.policy, faults, nullptr);
    ASSERT_TRUE(policy) << to_string(faults);
    EXPECT_EQ(policy->rules()[0].inspect.max_size, 1000U);
}

TEST(Config, rules_keep_their_places) {
    const Config config = good(
        "[[rule]]\nname = \"a\"\nwhen = 'url.domain == \"x\"'\naction = \"block\"\nstatus = 451\ntags = [\"t\"]\nheader = true\n"
        "[[rule]]\nname = \"b\"\nwhen = \"\"\"\nurl.port == 1 or\nurl.port == 2\"\"\"\naction = \"tag\"\nheader = \"X-A\"\n"
        "[[rule]]\nname = \"c\"\nwhen = \"url.domain == \\\"x\\\"\"\n");
    ASSERT_THAT(config.policy.rules, SizeIs(3));
    const auto& a = config.policy.rules[0];
    EXPECT_EQ(a.place.line, 1U);
    EXPECT_EQ(a.when->value, "url.domain == \"x\"");
    EXPECT_EQ(a.when->place.line, 3U);
    EXPECT_EQ(a.when->place.column, 9U);
    EXPECT_EQ(a.when->source_line, "when = 'url.domain == \"x\"'");
    EXPECT_TRUE(a.when->verbatim);
    EXPECT_EQ(a.status->value, 451);
    EXPECT_EQ(a.tags->at(0).place.column, 10U);
    EXPECT_TRUE(a.header_flag->value);
    const auto& b = config.policy.rules[1];
    EXPECT_EQ(b.when->place.line, 11U);
    EXPECT_EQ(b.when->place.column, 1U);
    EXPECT_EQ(b.when->source_line, "url.port == 1 or");
    EXPECT_TRUE(b.when->verbatim);
    EXPECT_EQ(b.header->value, "X-A");
    const auto& c = config.policy.rules[2];
    EXPECT_EQ(c.when->value, "url.domain == \"x\"");
    EXPECT_FALSE(c.when->verbatim);
    EXPECT_EQ(c.when->place.column, 9U);
}

TEST(Config, a_fault_inside_a_rule_is_pointed_at_in_the_file) {
    Folder folder;
    const fs::path file = folder.write("sluice.toml", "[[rule]]\nname = \"a\"\nwhen = 'url.domian == \"x\"'\naction = \"block\"\n");
    const Loaded loaded = load(file.string(), nullptr);
    EXPECT_FALSE(loaded.is_usable());
    EXPECT_THAT(to_string(loaded.faults), HasSubstr(file.string() + ":3:9: "));
    EXPECT_THAT(to_string(loaded.faults), HasSubstr("url.domain"));
}

TEST(Config, lists) {
    Folder folder;
    Diagnostics faults;
    const fs::path file = folder.write(
        "sluice.toml",
        "[lists]\nads = { type = \"domain\", file = \"lists/ads.txt\" }\nstaff = { type = \"string\", values = [\"ann\", \"bo\"] }\n");
    const Config config = read_config(file, faults);
    EXPECT_EQ(to_string(faults), "");
    ASSERT_THAT(config.policy.lists, SizeIs(2));
    EXPECT_EQ(config.policy.lists[0].name.value, "ads");
    EXPECT_EQ(config.policy.lists[0].type.value, "domain");
    EXPECT_EQ(config.policy.lists[0].file->value, (folder.path() / "lists/ads.txt").string());
    EXPECT_THAT(config.policy.lists[1].values, SizeIs(2));
    EXPECT_THAT(faults_of("[lists]\na = { type = 'domains', values = [] }\n"), HasSubstr("did you mean \"domain\"?"));
    EXPECT_THAT(faults_of("[lists]\na = { values = [] }\n"), HasSubstr("a list needs a type"));
    EXPECT_THAT(faults_of("[lists]\na = { type = 'ip' }\n"), HasSubstr("either a file or values"));
    EXPECT_THAT(faults_of("[lists]\na = { type = 'ip', file = 'x', values = [] }\n"), HasSubstr("either a file or values"));
}

TEST(Config, includes_are_read_afterwards_in_name_order) {
    Folder folder;
    folder.write("rules.d/20.toml", "[[rule]]\nname = \"third\"\n[lists]\nlocal = { type = \"domain\", file = \"beside.txt\" }\n");
    folder.write("rules.d/10.toml", "[[rule]]\nname = \"second\"\n");
    folder.write("rules.d/ignored.txt", "not toml");
    const fs::path file = folder.write("sluice.toml", "include = [\"rules.d/*.toml\"]\n[[rule]]\nname = \"first\"\n");
    Diagnostics faults;
    const Config config = read_config(file, faults);
    EXPECT_EQ(to_string(faults), "");
    ASSERT_THAT(config.policy.rules, SizeIs(3));
    EXPECT_EQ(config.policy.rules[0].name->value, "first");
    EXPECT_EQ(config.policy.rules[1].name->value, "second");
    EXPECT_EQ(config.policy.rules[2].name->value, "third");
    EXPECT_EQ(config.policy.lists.at(0).file->value, (folder.path() / "rules.d/beside.txt").string());
    EXPECT_THAT(config.files, ElementsAre(file, folder.path() / "rules.d/10.toml", folder.path() / "rules.d/20.toml"));
}

TEST(Config, a_key_given_twice_over_files_is_an_error) {
    Folder folder;
    folder.write("more.toml", "[http]\nforwarded = \"off\"\n[lists]\na = { type = \"ip\", values = [] }\n");
    const fs::path file = folder.write(
        "sluice.toml", "include = [\"more.toml\"]\n[http]\nforwarded = \"off\"\n[lists]\na = { type = \"ip\", values = [] }\n");
    Diagnostics faults;
    read_config(file, faults);
    EXPECT_THAT(to_string(faults), HasSubstr("more.toml:2:1: http.forwarded: given twice; first at " + file.string() + ":3"));
    EXPECT_THAT(to_string(faults), HasSubstr("lists.a: given twice"));
}

TEST(Config, an_included_file_that_is_not_there) {
    Folder folder;
    Diagnostics faults;
    read_config(folder.write("sluice.toml", "include = [\"missing.toml\", \"none.d/*.toml\"]\n"), faults);
    EXPECT_THAT(to_string(faults), HasSubstr("there is no file"));
    EXPECT_THAT(faults, SizeIs(1));
}

TEST(Config, a_file_that_cannot_be_read) {
    Folder folder;
    Diagnostics faults;
    read_config(folder.path() / "absent.toml", faults);
    EXPECT_THAT(to_string(faults), HasSubstr("absent.toml: cannot be read: No such file"));
    faults.clear();
    read_config(folder.path(), faults);
    EXPECT_THAT(to_string(faults), HasSubstr("it is a folder"));
}

TEST(Config, a_database_of_countries_is_read_with_it) {
    const Folder folder;
    folder.write("country.mmdb", policy::testing::CountryDatabase({{"192.0.2.0", 24, "DE"}}).bytes());
    Diagnostics faults;
    const Config config = read_config(folder.write("sluice.toml", "[geo]\ncountry = \"country.mmdb\"\n"), faults);
    EXPECT_EQ(to_string(faults), "");
    ASSERT_TRUE(config.geo.countries);
    EXPECT_EQ(config.geo.countries->of(*IpAddress::parse("192.0.2.9")), "DE");
    EXPECT_TRUE(config.policy.knows_countries);

    folder.write("country.mmdb", "not one");
    read_config(folder.path() / "sluice.toml", faults);
    EXPECT_THAT(to_string(faults), testing::HasSubstr("country.mmdb is no MaxMind database"));
    EXPECT_THAT(faults_of("[geo]\ncountry = \"/nonexistent.mmdb\"\n"), testing::HasSubstr("cannot be read: No such file or directory"));
    EXPECT_FALSE(good("[geo]\ncountry = \"\"\n").geo.countries);
}

TEST(Config, page_and_pac_are_read_with_it) {
    Folder folder;
    folder.write("page.html", "<p>{{what}}</p>");
    Diagnostics faults;
    const Config config = read_config(folder.write("sluice.toml", "[http]\npage = \"page.html\"\n"), faults);
    EXPECT_EQ(config.http.page, "<p>{{what}}</p>");
    EXPECT_THAT(faults, IsEmpty());
    read_config(folder.write("bad.toml", "[http]\npac = \"none.pac\"\n"), faults);
    EXPECT_THAT(to_string(faults), HasSubstr("cannot read"));
}

TEST(Config, which_keys_need_a_restart) {
    const Config running = good("");
    EXPECT_THAT(keys_needing_restart(running, good("[log]\nlevel = 'error'\n[limits]\nhead = '1s'\n[http]\nclients = []\n")), IsEmpty());
    EXPECT_THAT(keys_needing_restart(running, good("[inspect]\nengines = []\ndeliver = 'hold'\ntimeout = '1s'\nmax_size = 5\n"
                                                   "[quarantine]\nkeep = '1d'\nmax_size = 5\n")),
                IsEmpty());
    EXPECT_THAT(keys_needing_restart(running, good("[inspect]\nmemory = '1MiB'\ndisk = '1MiB'\nscanners = 777\n[quarantine]\ndir = 'x'\n")),
                ElementsAre("inspect.memory", "inspect.disk", "inspect.scanners", "quarantine.dir"));
    EXPECT_THAT(keys_needing_restart(
                    running, good("workers = 77\nuser = 'x'\nstate_dir = '/x'\n[http]\nlisten = ['127.0.0.1:1']\n[admin]\nlisten = []\n"
                                  "[limits]\nconnections = 5\n")),
                ElementsAre("workers", "user", "state_dir", "http.listen", "admin.listen", "limits.connections"));
}

TEST(Config, the_state_folder) {
    const auto with = [](const char* name, const char* value) {
        setenv(name, value, 1);
        const fs::path folder = default_state_dir();
        unsetenv(name);
        return folder;
    };
    EXPECT_EQ(with("STATE_DIRECTORY", "/var/lib/one:/var/lib/two"), "/var/lib/one");
}

}  // namespace
}  // namespace sluice::app
