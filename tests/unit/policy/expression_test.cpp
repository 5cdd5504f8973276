// SPDX-License-Identifier: Apache-2.0
#include "policy/expression.h"

#include <gmock/gmock.h>

#include "unit/policy/rules.h"

namespace sluice::policy::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const auto nothing = [](Facts&) {};

auto path(std::string_view value) {
    return [value](Facts& facts) { facts.set(Field::url_path, value); };
}

TEST(Expression, not_binds_closer_than_and_and_closer_than_or) {
    EXPECT_TRUE(holds("true or false and false", nothing));
    EXPECT_FALSE(holds("(true or false) and false", nothing));
    EXPECT_TRUE(holds("not false and true", nothing));
    EXPECT_FALSE(holds("not (false or true)", nothing));
    EXPECT_TRUE(holds("not true or true", nothing));
    EXPECT_TRUE(holds("not not true", nothing));
}

TEST(Expression, strings) {
    EXPECT_TRUE(holds("url.path == '/a'", path("/a")));
    EXPECT_FALSE(holds("url.path == '/A'", path("/a")));
    EXPECT_TRUE(holds("url.path in {'/b', \"/a\"}", path("/a")));
    EXPECT_FALSE(holds("url.path in {'/b', '/c'}", path("/a")));
    EXPECT_TRUE(holds("url.path contains 'needle'", path("/hay/needle/hay")));
    EXPECT_TRUE(holds("url.path contains 'y'", path("/hay")));
    EXPECT_TRUE(holds("url.path contains 'ay'", path("/hay")));
    EXPECT_FALSE(holds("url.path contains 'needle'", path("/hay/Needle/hay")));
    EXPECT_TRUE(holds("url.path starts_with '/hay'", path("/hay/hay")));
    EXPECT_FALSE(holds("url.path starts_with 'hay'", path("/hay/hay")));
    EXPECT_TRUE(holds("url.path ends_with '.exe'", path("/a.exe/b.exe")));
    EXPECT_FALSE(holds("url.path ends_with '.exe'", path("/a.exe/b")));
    EXPECT_TRUE(holds("url.path contains ''", path("")));
    EXPECT_FALSE(holds("url.path contains ''", nothing));
    EXPECT_TRUE(holds("url.path == ''", path("")));
}

TEST(Expression, regular_expressions_are_searched_for_and_may_be_hinted_or_not) {
    EXPECT_TRUE(holds(R"(url.path matches "\.exe$")", path("/a.exe")));
    EXPECT_FALSE(holds(R"(url.path matches "\.exe$")", path("/a.exe/b")));
    EXPECT_TRUE(holds(R"(url.path matches "\\.exe$")", path("/a.exe")));
    EXPECT_TRUE(holds("url.path matches '^/[0-9]+$'", path("/123")));
    EXPECT_FALSE(holds("url.path matches '^/[0-9]+$'", path("/12a")));
    EXPECT_TRUE(holds("url.path matches '(?i)SetUp[0-9]*'", path("/x/sEtuP12")));
    EXPECT_TRUE(holds("url.path matches 'download|x'", path("/x")));
    EXPECT_TRUE(holds("url.path matches '(install|setup)-(x86|arm)'", path("/setup-arm")));
    EXPECT_FALSE(holds("url.path matches '(install|setup)-(x86|arm)'", path("/setup-mips")));
    EXPECT_TRUE(holds("not url.path matches 'abc'", path("/x")));
    const std::string binary("/\xff\0needle", 9);
    EXPECT_TRUE(holds("url.path matches '^/.{2}needle$'", path(binary)));
}

TEST(Expression, a_hostile_text_costs_linear_time) {
    const std::string text(200'000, 'a');
    EXPECT_FALSE(holds("url.path matches '(a+)+$' and url.path matches '(a|aa)+b'", path(text)));
    EXPECT_FALSE(holds("url.path contains 'aaaaaaab'", path(text)));
}

TEST(Expression, escapes) {
    EXPECT_TRUE(holds(R"(url.path == "a\"b\\c\d")", path(R"(a"b\c\d)")));
    EXPECT_TRUE(holds(R"(url.path == 'a\b"')", path(R"(a\b")")));
}

TEST(Expression, numbers_sizes_durations_and_times) {
    const auto port = [](std::int64_t value) { return [value](Facts& facts) { facts.set(Field::url_port, value); }; };
    EXPECT_TRUE(holds("url.port == 443", port(443)));
    EXPECT_FALSE(holds("url.port == 443", port(444)));
    EXPECT_TRUE(holds("url.port != 443", port(444)));
    EXPECT_TRUE(holds("url.port < 443", port(442)));
    EXPECT_FALSE(holds("url.port < 443", port(443)));
    EXPECT_TRUE(holds("url.port <= 443", port(443)));
    EXPECT_FALSE(holds("url.port <= 443", port(444)));
    EXPECT_TRUE(holds("url.port > 443", port(444)));
    EXPECT_FALSE(holds("url.port > 443", port(443)));
    EXPECT_TRUE(holds("url.port >= 443", port(443)));
    EXPECT_TRUE(holds("url.port in {80, 443, 8443}", port(8443)));
    EXPECT_FALSE(holds("url.port in {80, 443, 8443}", port(81)));

    const auto length = [](std::int64_t value) { return [value](Facts& facts) { facts.set(Field::request_content_length, value); }; };
    EXPECT_TRUE(holds("http.request.content_length > 10MiB", length(10 * 1024 * 1024 + 1)));
    EXPECT_FALSE(holds("http.request.content_length > 10MiB", length(10 * 1024 * 1024)));
    EXPECT_TRUE(holds("http.request.content_length >= 10MB", length(10'000'000)));
    EXPECT_TRUE(holds("http.request.content_length == 5", length(5)));
    EXPECT_TRUE(holds("http.request.content_length <= \"1KiB\"", length(1024)));

    const auto took = [](std::int64_t value) { return [value](Facts& facts) { facts.set(Field::timing_upstream, value); }; };
    EXPECT_TRUE(holds("timing.upstream >= 30s", took(30'000'000'000)));
    EXPECT_FALSE(holds("timing.upstream >= \"30s\"", took(29'999'999'999)));
    EXPECT_TRUE(holds("timing.upstream < 500ms", took(499'999'999)));

    const auto clock = [](int hour, int minute) { return [=](Facts& facts) { facts.set(Field::time_hour, hour * 60 + minute); }; };
    EXPECT_TRUE(holds("time.hour >= 22:00 or time.hour < 6:00", clock(22, 0)));
    EXPECT_TRUE(holds("time.hour >= 22:00 or time.hour < 6:00", clock(5, 59)));
    EXPECT_FALSE(holds("time.hour >= 22:00 or time.hour < 6:00", clock(6, 0)));
    EXPECT_TRUE(holds("time.hour == 22", clock(22, 59)));
    EXPECT_TRUE(holds("time.hour in {8, 9}", clock(9, 30)));
    EXPECT_TRUE(holds("time.hour <= 8", clock(8, 59)));
    EXPECT_FALSE(holds("time.hour <= 08:00", clock(8, 1)));

    const auto day = [](int value) { return [value](Facts& facts) { facts.set(Field::time_weekday, value); }; };
    EXPECT_TRUE(holds("time.weekday in {\"sat\", 'Sunday'}", day(7)));
    EXPECT_FALSE(holds("time.weekday in {6, 7}", day(5)));
    EXPECT_TRUE(holds("time.weekday == 0", day(7)));
    EXPECT_TRUE(holds("time.weekday <= \"fri\"", day(5)));
}

TEST(Expression, addresses) {
    const auto client = [](std::string_view value) {
        return [value](Facts& facts) { facts.set(Field::client_ip, *IpAddress::parse(value)); };
    };
    EXPECT_TRUE(holds("client.ip == 10.0.0.1", client("10.0.0.1")));
    EXPECT_TRUE(holds("client.ip == '10.0.0.1'", client("10.0.0.1")));
    EXPECT_FALSE(holds("client.ip == 10.0.0.1", client("10.0.0.2")));
    EXPECT_TRUE(holds("client.ip in 10.0.0.0/8", client("10.255.255.255")));
    EXPECT_FALSE(holds("client.ip in 10.0.0.0/8", client("11.0.0.0")));
    EXPECT_FALSE(holds("client.ip in 10.0.0.0/8", client("9.255.255.255")));
    EXPECT_TRUE(holds("client.ip in {192.0.2.1, 2001:db8::/32}", client("2001:db8:ffff::1")));
    EXPECT_FALSE(holds("client.ip in {192.0.2.1, 2001:db8::/32}", client("2001:db9::")));
    EXPECT_TRUE(holds("client.ip in ::1", client("::1")));
    EXPECT_TRUE(holds("client.ip in 255.255.255.255", client("255.255.255.255")));
    EXPECT_TRUE(holds("client.ip in 0.0.0.0/0", client("255.255.255.255")));
    EXPECT_FALSE(holds("client.ip in 0.0.0.0/0", client("::1")));
    EXPECT_TRUE(holds("client.ip in ::/0", client("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
    EXPECT_TRUE(holds("client.ip in ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff80/121", client("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
    EXPECT_TRUE(holds("client.ip in 2001:db8::/33", client("2001:db8:7fff::")));
    EXPECT_FALSE(holds("client.ip in 2001:db8::/33", client("2001:db8:8000::")));
    EXPECT_TRUE(holds("client.ip == ::ffff:192.0.2.1", client("192.0.2.1")));
    EXPECT_TRUE(holds("client.ip not in 10.0.0.0/8", client("11.0.0.0")));
    EXPECT_TRUE(holds("not client.ip in {10.0.0.0/8, 10.1.0.0/16}", client("11.0.0.0")));
}

TEST(Expression, booleans) {
    const auto resumed = [](bool value) { return [value](Facts& facts) { facts.set(Field::tls_resumed, value); }; };
    EXPECT_TRUE(holds("tls.resumed", resumed(true)));
    EXPECT_FALSE(holds("tls.resumed", resumed(false)));
    EXPECT_TRUE(holds("tls.resumed == false", resumed(false)));
    EXPECT_FALSE(holds("tls.resumed == true", resumed(false)));
    EXPECT_FALSE(holds("tls.resumed == false", nothing)) << "a comparison with a missing field is false";
    EXPECT_TRUE(holds("tls.resumed != false", nothing));
    EXPECT_TRUE(holds("not tls.resumed", nothing));
}

TEST(Expression, a_missing_field_compares_false_and_unequal_is_exactly_not_equal) {
    for (const std::string_view when :
         {"url.path == 'x'", "url.path contains 'x'", "url.path matches '.*'", "url.path in {'x'}", "url.port < 5", "url.port >= 0",
          "client.ip in 0.0.0.0/0", "len(url.path) == 0", "lower(url.path) == ''", "all(url.path) == 'x'",
          "http.request.headers[\"x\"] == ''", "all(http.request.headers['x']) == 'x'", "exists(url.path)", "tags == 'x'"}) {
        EXPECT_FALSE(holds(when, nothing)) << when;
        EXPECT_TRUE(holds("not (" + std::string(when) + ")", nothing)) << when;
    }
    EXPECT_TRUE(holds("url.path != 'x'", nothing));
    EXPECT_TRUE(holds("url.port != 5", nothing));
    EXPECT_TRUE(holds("client.ip != 10.0.0.1", nothing));
    EXPECT_TRUE(holds("all(http.request.headers['x']) != 'x'", nothing));
    EXPECT_FALSE(holds("url.path != 'x'", path("x")));
}

TEST(Expression, of_several_values_any_will_do_and_all_wants_every_one) {
    const std::vector<NameValue> lines{{"X-Tag", "one"}, {"other", "zzz"}, {"x-tag", "two"}};
    const auto headers = [&](Facts& facts) { facts.set_headers(Field::request_header, lines); };
    EXPECT_TRUE(holds("http.request.headers[\"x-tag\"] == 'two'", headers));
    EXPECT_TRUE(holds("http.request.headers['X-TAG'] == 'one'", headers));
    EXPECT_FALSE(holds("http.request.headers['x-tag'] == 'zzz'", headers));
    EXPECT_FALSE(holds("http.request.headers['x-tag'] != 'two'", headers)) << "exactly not (x == y)";
    EXPECT_TRUE(holds("http.request.headers['x-tag'] contains 'ne'", headers));
    EXPECT_TRUE(holds("http.request.headers['x-tag'] matches '^tw'", headers));
    EXPECT_FALSE(holds("all(http.request.headers['x-tag']) == 'two'", headers));
    EXPECT_TRUE(holds("all(http.request.headers['x-tag']) in {'two', 'one'}", headers));
    EXPECT_TRUE(holds("all(lower(http.request.headers['x-tag'])) matches '^(one|two)$'", headers));
    EXPECT_TRUE(holds("all(len(http.request.headers['x-tag'])) == 3", headers));
    EXPECT_TRUE(holds("exists(http.request.headers['x-tag'])", headers));
    EXPECT_FALSE(holds("exists(http.request.headers['x-none'])", headers));
    EXPECT_TRUE(holds("len(http.request.headers['x-tag']) == 3", headers));
    EXPECT_FALSE(holds("len(http.request.headers['x-tag']) > 3", headers));
}

TEST(Expression, lower_and_len) {
    EXPECT_TRUE(holds("lower(url.path) == '/abc'", path("/AbC")));
    EXPECT_TRUE(holds("lower(url.path) contains 'needle'", path("/xNEEDLEx")));
    EXPECT_FALSE(holds("url.path contains 'needle'", path("/xNEEDLEx")));
    EXPECT_TRUE(holds("len(url.path) > 3 and len(url.path) <= 4", path("/abc")));
    EXPECT_TRUE(holds("len(url.path) < 1KiB", path("/abc")));
    EXPECT_THAT(faults("lower(url.path) == '/ABC'"), HasSubstr("never holds"));
}

TEST(Expression, domain_lists_match_the_name_and_all_below_it) {
    const auto domain = [](std::string_view value) {
        return [value](Facts& facts) {
            facts.set(Field::url_domain, value);
            facts.set(Field::request_method, std::string_view("GET"));
        };
    };
    const std::vector<ListSource> lists{list("ads", "domain", {"ads.example", "x.test"})};
    EXPECT_TRUE(holds("url.domain in @ads", domain("ads.example"), lists));
    EXPECT_TRUE(holds("url.domain in @ads", domain("a.b.ads.example"), lists));
    EXPECT_FALSE(holds("url.domain in @ads", domain("badads.example"), lists));
    EXPECT_FALSE(holds("url.domain in @ads", domain("example"), lists));
    EXPECT_TRUE(holds("not url.domain in @ads", domain("example"), lists));
    EXPECT_FALSE(holds("url.domain in {'ads.example'}", domain("a.ads.example"))) << "a set is compared whole";
    EXPECT_TRUE(holds("url.domain == 'ADS.Example.'", domain("ads.example"))) << "canonical names are lower case, without a final dot";
}

TEST(Expression, lists_of_other_types) {
    const auto url = [](std::string_view value) { return [value](Facts& facts) { facts.set(Field::url_full, value); }; };
    const std::vector<ListSource> urls{list("urls", "url", {"example.com/a/b", "whole.test"})};
    EXPECT_TRUE(holds("url.full in @urls", url("http://example.com/a/b"), urls));
    EXPECT_TRUE(holds("url.full in @urls", url("https://example.com/a/b/c?q#f"), urls));
    EXPECT_FALSE(holds("url.full in @urls", url("http://example.com/a/bc"), urls));
    EXPECT_TRUE(holds("url.full in @urls", url("http://whole.test/anything"), urls));
    EXPECT_TRUE(holds("url.full in @urls", url("http://whole.test:8080/"), urls));
    EXPECT_FALSE(holds("url.full in @urls", url("http://other.test/whole.test"), urls));

    const std::vector<ListSource> drop{list("drop", "ip", {"192.0.2.0/24", "2001:db8::1", "198.51.100.1-198.51.100.9"})};
    const auto client = [](std::string_view value) {
        return [value](Facts& facts) { facts.set(Field::client_ip, *IpAddress::parse(value)); };
    };
    EXPECT_TRUE(holds("client.ip in @drop", client("192.0.2.200"), drop));
    EXPECT_TRUE(holds("client.ip in @drop", client("198.51.100.5"), drop));
    EXPECT_FALSE(holds("client.ip in @drop", client("198.51.100.10"), drop));
    EXPECT_TRUE(holds("client.ip in @drop", client("2001:db8::1"), drop));

    const auto user = [](std::string_view value) { return [value](Facts& facts) { facts.set(Field::user_name, value); }; };
    const std::vector<ListSource> staff{list("staff", "string", {"ann", "bo"})};
    EXPECT_TRUE(holds("user.name in @staff", user("bo"), staff));
    EXPECT_FALSE(holds("user.name in @staff", user("Bo"), staff));
    EXPECT_TRUE(holds("lower(user.name) in @staff", user("Bo"), staff));
}

TEST(Expression, a_type_error_has_a_place_and_a_caret) {
    EXPECT_EQ(faults("url.port == '443'"),
              "rules.toml:1:21: url.port is an integer: an integer is expected, not a string\n"
              "    when = 'url.port == '443''\n"
              "                        ^\n");
    EXPECT_THAT(faults("url.path < 'x'"), HasSubstr("rules.toml:1:18: url.path is a string: `<` does not go with it"));
    EXPECT_THAT(faults("client.ip contains '10.'"), HasSubstr("`contains` does not go with it; these do: `==` `!=` `in`"));
    EXPECT_THAT(faults("client.ip == 10.0.0.0/8"), HasSubstr("asked for by `in`"));
    EXPECT_THAT(faults("client.ip in {10.0.0.0/8, 'x'}"), HasSubstr("an address or network is expected"));
    EXPECT_THAT(faults("url.path"), HasSubstr("not a condition"));
    EXPECT_THAT(faults("url.path == 5"), HasSubstr("text in quotes is expected, not an integer"));
    EXPECT_THAT(faults("http.version == 1.1"), HasSubstr("text stands in quotes"));
    EXPECT_THAT(faults("tls.resumed == 'yes'"), HasSubstr("`true` or `false` is expected"));
    EXPECT_THAT(faults("len(client.ip) == 1"), HasSubstr("takes a string"));
    EXPECT_THAT(faults("time.weekday == 'mondag'"), HasSubstr("did you mean `monday`?"));
    EXPECT_THAT(faults("url.path matches '('"), HasSubstr("regular expression is not valid"));
    EXPECT_THAT(faults("url.domain == 'b\xc3\xbc"
                       "cher.de'"),
                HasSubstr("xn--"));
    EXPECT_THAT(faults("http.request.headers == 'x'"), HasSubstr("which header?"));
    EXPECT_THAT(faults("url.path['x'] == 'x'"), HasSubstr("has no named parts"));
    EXPECT_THAT(faults("http.request.headers['a b'] == 'x'"), HasSubstr("is not a header's name"));
}

TEST(Expression, the_nearest_known_name_is_told) {
    EXPECT_THAT(faults("url.pth == 'x'"), HasSubstr("unknown field `url.pth`; did you mean `url.path`?"));
    EXPECT_THAT(faults("lowr(url.path) == 'x'"), HasSubstr("unknown function `lowr`; did you mean `lower`?"));
    EXPECT_THAT(faults("url.path contain 'x'"), HasSubstr("`contain` is no operator; did you mean `contains`?"));
    EXPECT_THAT(faults("url.domain in @adz", {list("ads", "domain", {"a.b"})}), HasSubstr("there is no list `adz`; did you mean `ads`?"));
    EXPECT_THAT(faults("event.action == 'x'"), HasSubstr("no rule can read it"));
    EXPECT_THAT(faults("url.path in @ads", {list("ads", "domain", {"a.b"})}), HasSubstr("`ads` is a list of type domain"));
    EXPECT_THAT(faults("url.domain in @ips", {list("ips", "ip", {"10.0.0.1"})}), HasSubstr("goes with client.ip"));
}

TEST(Expression, syntax_errors) {
    EXPECT_THAT(faults("url.path == 'x"), HasSubstr("rules.toml:1:21: this string has no end"));
    EXPECT_THAT(faults("(url.path == 'x'"), HasSubstr("`)` is expected"));
    EXPECT_THAT(faults("url.path == 'x')"), HasSubstr("has no `(`"));
    EXPECT_THAT(faults("url.path = 'x'"), HasSubstr("`=` is written `==`"));
    EXPECT_THAT(faults("true && true"), HasSubstr("written `and`"));
    EXPECT_THAT(faults("url.path == "), HasSubstr("a value is expected here, at the end"));
    EXPECT_THAT(faults("url.path == GET"), HasSubstr("text stands in quotes: \"GET\""));
    EXPECT_THAT(faults("'x' == url.path"), HasSubstr("a field is expected here"));
    EXPECT_THAT(faults("url.port in {}"), HasSubstr("this set is empty"));
    EXPECT_THAT(faults("url.port in {1 2}"), HasSubstr("`,` or `}`"));
    EXPECT_THAT(faults("url.path contains {'x'}"), HasSubstr("a set stands right of `in`"));
    EXPECT_THAT(faults("url.domain == @ads"), HasSubstr("a list stands right of `in`"));
    EXPECT_THAT(faults("client.ip in 10.0.0"), HasSubstr("is no number"));
    EXPECT_THAT(faults(" "), HasSubstr("a field is expected here, at the end"));
    EXPECT_THAT(faults("exists(exists(url.path))"), HasSubstr("exists"));
    EXPECT_THAT(faults("url.port == -1"), HasSubstr("no value is negative"));
    EXPECT_THAT(faults("url.path == 'x' url.path == 'y'"), HasSubstr("`and`, `or` or the end is expected"));
}

TEST(Expression, all_faults_are_told_at_once_and_on_their_own_line) {
    const std::string said = faults("url.pth == 'x'\n  and url.port == 'y'\n  and client.ip < 5");
    EXPECT_THAT(said, AllOf(HasSubstr("rules.toml:1:9: unknown field"), HasSubstr("rules.toml:2:19: url.port"),
                            HasSubstr("rules.toml:3:17: client.ip"), HasSubstr("      and client.ip < 5\n                    ^")));
    EXPECT_THAT(faults({rule("a", "url.pth == 'x'", "block"), rule("b", "url.port == 'x'", "blok")}),
                AllOf(HasSubstr("url.pth"), HasSubstr("url.port"), HasSubstr("did you mean `block`?")));
}

TEST(Expression, a_value_with_escapes_has_its_faults_at_its_start) {
    RuleSource source = rule("r", "url.pth == 'x'", "block");
    source.when->value = "true and url.pth == 'x'";
    source.when->verbatim = false;
    EXPECT_THAT(faults({source}), HasSubstr("rules.toml:1:9:"));
}

TEST(Expression, is_bounded) {
    EXPECT_THAT(faults(std::string(200, '(') + "true" + std::string(200, ')')), HasSubstr("nested deeper"));
    std::string many = "url.port == 1";
    for (int i = 0; i < 5000; ++i) many += " or url.port == 1";
    EXPECT_THAT(faults(many), HasSubstr("more than"));
    std::string nots;
    for (int i = 0; i < 100'000; ++i) nots += "not ";
    EXPECT_THAT(faults(nots + "true"), HasSubstr("longer than"));
    EXPECT_THAT(faults("url.path matches '((a{100}){100}){100}'"), HasSubstr("regular expression is not valid"));
    std::string set = "url.port in {1";
    for (int i = 2; i < 10'000; ++i) set += "," + std::to_string(i);
    EXPECT_EQ(faults(set + "}"), "");
}

}  // namespace
}  // namespace sluice::policy::testing
