// SPDX-License-Identifier: Apache-2.0
#include "sessions/http/page.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "audit/json.h"
#include "base/html.h"
#include "base/text.h"
#include "protocols/http1/syntax.h"

namespace sluice::http {
namespace {

constexpr std::string_view built_in_template = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{title}}</title>
<style>
:root { color-scheme: light dark; --paper: #f4f5f7; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e8; --mark: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181e; --card: #1d232c; --ink: #e7ebf0; --soft: #98a3b3; --line: #2f3845; --mark: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { width: 100%; max-width: 36rem; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--mark);
       border-radius: 10px; padding: 2rem 2rem 1.5rem; box-shadow: 0 6px 24px rgba(0, 0, 0, .07); }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem; }
.reason { font-size: 1.05rem; margin: 0 0 1.25rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1rem; margin: 0; padding-top: 1rem; border-top: 1px solid var(--line);
     font-size: .9rem; color: var(--soft); }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--ink); }
footer { margin-top: 1.25rem; font-size: .85rem; color: var(--soft); }
</style>
</head>
<body>
<main>
<h1>{{what}}</h1>
{{#reason}}<p class="reason">{{reason}}</p>
{{/reason}}<dl>
{{#url}}<dt>Address</dt><dd><code>{{url}}</code></dd>
{{/url}}{{#rule}}<dt>Rule</dt><dd><code>{{rule}}</code></dd>
{{/rule}}<dt>Answer</dt><dd>{{title}}</dd>
<dt>Event</dt><dd><code>{{id}}</code></dd>
</dl>
<footer>If you think that this is a mistake, tell whoever runs this network the event&rsquo;s number.</footer>
</main>
</body>
</html>
)html";

std::string title_of(const PageFacts& facts) { return fmt::format("{} {}", facts.status, http1::reason_phrase(facts.status)); }

std::optional<std::string_view> fact(std::string_view name, const PageFacts& facts, std::string_view title, std::string_view status) {
    if (name == "title") return title;
    if (name == "status") return status;
    if (name == "what") return facts.what;
    if (name == "reason") return facts.reason;
    if (name == "rule") return facts.rule;
    if (name == "url") return facts.url;
    if (name == "id") return facts.id;
    if (name == "error") return facts.error;
    return std::nullopt;
}

void append_html(std::string& out, const PageFacts& facts, std::string_view text) {
    const std::string title = title_of(facts);
    const std::string status = std::to_string(facts.status);
    for (;;) {
        const std::size_t open = text.find("{{");
        const std::size_t close = open == std::string_view::npos ? open : text.find("}}", open);
        if (close == std::string_view::npos) break;
        out += text.substr(0, open);
        std::string_view name = text.substr(open + 2, close - open - 2);
        text.remove_prefix(close + 2);
        if (name.starts_with('#')) {
            name.remove_prefix(1);
            const auto value = fact(name, facts, title, status);
            if (value && !value->empty()) continue;
            const std::string end = fmt::format("{{{{/{}}}}}", name);
            const std::size_t at = text.find(end);
            if (at != std::string_view::npos) text.remove_prefix(at + end.size());
        } else if (!name.starts_with('/')) {
            append_html_escaped(out, fact(name, facts, title, status).value_or(""));
        }
    }
    out += text;
}

void append_json(std::string& out, const PageFacts& facts) {
    const auto member = [&out](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        out += out.ends_with('{') ? "" : ",";
        out += fmt::format("\"{}\":\"", name);
        const std::size_t start = out.size();
        out.resize(start + audit::escaped_size(value.size()) + audit::json_slack);
        out.resize(static_cast<std::size_t>(audit::put_escaped(out.data() + start, value) - out.data()));
        out += '"';
    };
    out += '{';
    member("title", title_of(facts));
    out += fmt::format(",\"status\":{}", facts.status);
    member("detail", facts.what);
    member("reason", facts.reason);
    member("rule", facts.rule);
    member("url", facts.url);
    member("error", facts.error);
    member("event", facts.id);
    out += "}\n";
}

void append_text(std::string& out, const PageFacts& facts) {
    out += fmt::format("{}\n\n{}\n", title_of(facts), facts.what);
    if (!facts.reason.empty()) out += fmt::format("{}\n", facts.reason);
    out += '\n';
    if (!facts.url.empty()) out += fmt::format("Address: {}\n", facts.url);
    if (!facts.rule.empty()) out += fmt::format("Rule:    {}\n", facts.rule);
    out += fmt::format("Event:   {}\n", facts.id);
}

// A quality value in thousandths (RFC 9110 12.4.2); 1000 where none is said, 0 for one that is no number.
int quality(std::string_view parameters) {
    while (!parameters.empty()) {
        const std::size_t end = std::min(parameters.find(';'), parameters.size());
        const std::string_view parameter = trim(parameters.substr(0, end));
        parameters.remove_prefix(std::min(end + 1, parameters.size()));
        if (parameter.size() < 3 || to_lower(parameter[0]) != 'q' || parameter[1] != '=') continue;
        const std::string_view value = parameter.substr(2);
        if (value[0] == '1') return 1000;
        int thousandths = 0;
        for (std::size_t i = 2, unit = 100; i < value.size() && i < 5 && is_digit(value[i]); ++i, unit /= 10)
            thousandths += (value[i] - '0') * static_cast<int>(unit);
        return thousandths;
    }
    return 1000;
}

}  // namespace

PageKind preferred_page(const http1::Fields& request) {
    struct Kind {
        PageKind kind;
        std::string_view type, subtype;
        int quality = -1;
        int precision = 0;                               // how exactly the range that decided named it
    };
    std::array kinds{Kind{PageKind::html, "text", "html"}, Kind{PageKind::json, "application", "json"},
                     Kind{PageKind::text, "text", "plain"}};
    request.for_each(http1::KnownField::accept, [&](std::string_view value) {
        for_each_list_element(value, [&](std::string_view element) {
            const std::size_t semicolon = std::min(element.find(';'), element.size());
            const std::string range = lower(trim(element.substr(0, semicolon)));
            const int q = quality(element.substr(std::min(semicolon + 1, element.size())));
            for (Kind& kind : kinds) {
                const int precision = range == fmt::format("{}/{}", kind.type, kind.subtype) ? 3
                                      : range == fmt::format("{}/*", kind.type)              ? 2
                                      : range == "*/*"                                       ? 1
                                                                                             : 0;
                if (precision <= kind.precision) continue;
                kind.precision = precision;
                kind.quality = q;
            }
        });
    });
    const Kind* best = &kinds[0];
    for (const Kind& kind : kinds)
        if (kind.quality > best->quality || (kind.quality == best->quality && kind.precision > best->precision)) best = &kind;
    return best->kind;
}

std::string_view content_type(PageKind kind) {
    switch (kind) {
        case PageKind::html: return "text/html; charset=utf-8";
        case PageKind::json: return "application/json";
        case PageKind::text: break;
    }
    return "text/plain; charset=utf-8";
}

void append_page(std::string& out, PageKind kind, const PageFacts& facts, std::string_view html_template) {
    switch (kind) {
        case PageKind::html: return append_html(out, facts, html_template.empty() ? built_in_template : html_template);
        case PageKind::json: return append_json(out, facts);
        case PageKind::text: return append_text(out, facts);
    }
}

}  // namespace sluice::http
