// SPDX-License-Identifier: Apache-2.0
// Page templates, and what peers chose in the facts: nothing of a fact becomes markup, whatever the template; JSON is JSON.
// The input: the template, and after each NUL a fact.
#include "sessions/http/page.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

namespace {

using sluice::http::PageFacts;
using sluice::http::PageKind;

std::string page(PageKind kind, const PageFacts& facts, std::string_view html_template) {
    std::string out = "before";
    append_page(out, kind, facts, html_template);
    if (!out.starts_with("before")) std::abort();
    return out.substr(6);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::array<std::string_view, 5> parts;
    for (std::string_view& part : parts) {
        part = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    }
    const auto [html_template, what, reason, rule, url] = parts;
    const PageFacts facts{
        .status = 403, .what = what, .reason = reason, .rule = rule, .url = url, .id = "id", .error = "http_request_denied"};

    // Each fact costs its template five bytes at least, and a byte of a fact becomes six at most.
    const std::size_t longest = std::max({what.size(), reason.size(), rule.size(), url.size(), std::size_t{32}});
    if (page(PageKind::html, facts, html_template).size() > html_template.size() + html_template.size() / 5 * longest * 6 &&
        !html_template.empty())
        std::abort();
    const std::string escaped = page(PageKind::html, facts, "{{what}}{{#reason}}{{reason}}{{/reason}}{{rule}}{{url}}");
    if (escaped.find_first_of("<>\"'") != std::string::npos) std::abort();
    static_cast<void>(page(PageKind::text, facts, html_template));
    static_cast<void>(page(PageKind::html, facts, ""));
    if (!nlohmann::json::accept(page(PageKind::json, facts, html_template))) std::abort();
    return 0;
}
