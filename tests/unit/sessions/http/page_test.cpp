// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/page.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sluice::http {
namespace {

PageKind preferred(const std::vector<std::string_view>& accept) {
    http1::Fields fields;
    for (const std::string_view value : accept) fields.add({"Accept", value});
    return preferred_page(fields);
}

std::string page(PageKind kind, const PageFacts& facts, std::string_view html_template = {}) {
    std::string out = "kept ";
    append_page(out, kind, facts, html_template);
    EXPECT_TRUE(out.starts_with("kept "));
    return out.substr(5);
}

PageFacts facts() {
    PageFacts facts;
    facts.status = 403;
    facts.what = "What.";
    facts.reason = "Reason.";
    facts.rule = "rule-1";
    facts.url = "http://a.test/";
    facts.id = "0123456789ABCDEF";
    facts.error = "http_request_denied";
    return facts;
}

TEST(Page, is_html_where_the_client_does_not_mind) {
    EXPECT_EQ(preferred({}), PageKind::html);
    EXPECT_EQ(preferred({"*/*"}), PageKind::html);
    EXPECT_EQ(preferred({""}), PageKind::html);
    EXPECT_EQ(preferred({"image/png"}), PageKind::html);
    EXPECT_EQ(preferred({"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}), PageKind::html);
    EXPECT_EQ(preferred({"text/*"}), PageKind::html);
}

TEST(Page, is_what_accept_names) {
    EXPECT_EQ(preferred({"application/json"}), PageKind::json);
    EXPECT_EQ(preferred({"APPLICATION/Json; charset=utf-8"}), PageKind::json);
    EXPECT_EQ(preferred({"application/json, text/plain, */*"}), PageKind::json);
    EXPECT_EQ(preferred({"text/plain"}), PageKind::text);
    EXPECT_EQ(preferred({"application/*"}), PageKind::json);
    EXPECT_EQ(preferred({"image/png", "text/plain"}), PageKind::text);
}

TEST(Page, obeys_quality_values) {
    EXPECT_EQ(preferred({"text/html;q=0.5, application/json;q=0.9"}), PageKind::json);
    EXPECT_EQ(preferred({"text/html;q=0.501, application/json;q=0.5"}), PageKind::html);
    EXPECT_EQ(preferred({"text/plain;q=0.001, text/html;q=0"}), PageKind::text);
    EXPECT_EQ(preferred({"text/html;q=0, */*"}), PageKind::json);
    EXPECT_EQ(preferred({"application/json;level=1;q=0.2, text/plain; Q=0.3"}), PageKind::text);
    EXPECT_EQ(preferred({"application/json;q=1.000, text/html;q=0.999"}), PageKind::json);
    EXPECT_EQ(preferred({"application/json;q=x, text/plain;q=0.1"}), PageKind::text);
}

// RFC 9110 12.5.1: the most specific range that names a type has its say, in whatever order they stand.
TEST(Page, lets_the_closest_range_decide) {
    EXPECT_EQ(preferred({"text/*;q=0.9, text/html;q=0.1, application/json;q=0.5"}), PageKind::text);
    EXPECT_EQ(preferred({"*/*;q=0.9, application/json;q=0.1, text/*;q=0.2"}), PageKind::html);
    EXPECT_EQ(preferred({"application/json;q=0.1, application/*"}), PageKind::json);
    EXPECT_EQ(preferred({"text/html;q=0.1, application/json;q=0.2, */*"}), PageKind::text);
}

TEST(Page, escapes_what_stands_in_html) {
    PageFacts hostile = facts();
    hostile.url = "http://a.test/?<script>alert('1')</script>&\"";
    const std::string html = page(PageKind::html, hostile);
    EXPECT_EQ(html.find("<script>"), std::string::npos);
    EXPECT_NE(html.find("http://a.test/?&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;"), std::string::npos);
    EXPECT_EQ(html.find("{{"), std::string::npos);
}

TEST(Page, says_all_in_the_built_in_html) {
    const std::string html = page(PageKind::html, facts());
    for (const std::string_view part :
         {"What.", "Reason.", "rule-1", "http://a.test/", "403 Forbidden", "0123456789ABCDEF", "<!doctype html>"})
        EXPECT_NE(html.find(part), std::string::npos) << part;
}

TEST(Page, leaves_out_what_is_not_known) {
    PageFacts few;
    few.status = 400;
    few.what = "Bad.";
    few.id = "ID";
    const std::string html = page(PageKind::html, few);
    EXPECT_EQ(html.find("class=\"reason\""), std::string::npos);
    EXPECT_EQ(html.find("Rule"), std::string::npos);
    EXPECT_EQ(html.find("Address"), std::string::npos);
    EXPECT_EQ(page(PageKind::json, few), "{\"title\":\"400 Bad Request\",\"status\":400,\"detail\":\"Bad.\",\"event\":\"ID\"}\n");
    EXPECT_EQ(page(PageKind::text, few), "400 Bad Request\n\nBad.\n\nEvent:   ID\n");
}

TEST(Page, fills_a_template) {
    EXPECT_EQ(page(PageKind::html, facts(), "{{status}}|{{title}}|{{what}}|{{reason}}|{{rule}}|{{url}}|{{id}}|{{error}}"),
              "403|403 Forbidden|What.|Reason.|rule-1|http://a.test/|0123456789ABCDEF|http_request_denied");
    EXPECT_EQ(page(PageKind::html, facts(), "a{{#reason}}<b>{{reason}}</b>{{/reason}}c"), "a<b>Reason.</b>c");
    PageFacts without = facts();
    without.reason = {};
    EXPECT_EQ(page(PageKind::html, without, "a{{#reason}}<b>{{reason}}</b>{{/reason}}c"), "ac");
    EXPECT_EQ(page(PageKind::html, without, "a{{#reason}}{{#url}}b{{/url}}{{/reason}}{{#url}}c{{/url}}"), "ac");
}

TEST(Page, survives_a_template_that_is_broken) {
    EXPECT_EQ(page(PageKind::html, facts(), "{{unknown}}x{{"), "x{{");
    EXPECT_EQ(page(PageKind::html, facts(), "a}}b{{what"), "a}}b{{what");
    PageFacts without = facts();
    without.reason = {};
    EXPECT_EQ(page(PageKind::html, without, "a{{#reason}}b"), "ab");
}

// What a fact says is not read as a template again.
TEST(Page, does_not_fill_what_it_filled_in) {
    PageFacts hostile = facts();
    hostile.reason = "{{id}}";
    EXPECT_EQ(page(PageKind::html, hostile, "{{reason}}"), "{{id}}");
}

TEST(Page, escapes_json) {
    PageFacts hostile = facts();
    hostile.url = "http://a.test/\"\\\x01\xff";
    const std::string json = page(PageKind::json, hostile);
    EXPECT_NE(json.find("http://a.test/\\\"\\\\\\u0001"), std::string::npos) << json;
    EXPECT_EQ(json.find('\xff'), std::string::npos);
    EXPECT_TRUE(json.ends_with("}\n"));
}

TEST(Page, names_its_type) {
    EXPECT_EQ(content_type(PageKind::html), "text/html; charset=utf-8");
    EXPECT_EQ(content_type(PageKind::json), "application/json");
    EXPECT_EQ(content_type(PageKind::text), "text/plain; charset=utf-8");
}

}  // namespace
}  // namespace sluice::http
