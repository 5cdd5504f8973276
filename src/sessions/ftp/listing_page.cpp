// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/listing_page.h"

#include <fmt/format.h>

#include <array>

#include "base/html.h"
#include "protocols/ftp/url_path.h"

namespace sluice::ftp {

namespace {

constexpr std::string_view style =
    R"css(:root { color-scheme: light dark; --paper: #f4f5f7; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e8; --mark: #1a56b0; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181e; --card: #1d232c; --ink: #e7ebf0; --soft: #98a3b3; --line: #2f3845; --mark: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink);
       font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.5rem; overflow-x: auto; }
h1 { font-size: 1.2rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
td:first-child { overflow-wrap: anywhere; white-space: pre-wrap; }
.size, .time { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; }
.size { text-align: right; }
a { color: var(--mark); text-decoration: none; }
a:hover { text-decoration: underline; }
footer { margin-top: 1rem; font-size: .85rem; color: var(--soft); })css";

std::string size_text(std::uint64_t octets) {
    static constexpr std::array<std::string_view, 6> units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    if (octets < 1024) return fmt::format("{} B", octets);
    double value = static_cast<double>(octets);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
    return fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace

void append_page_start(std::string& out, std::string_view url, bool has_parent) {
    out +=
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Index of ";
    append_html_escaped(out, url);
    out += "</title>\n<style>\n";
    out += style;
    out += "\n</style>\n</head>\n<body>\n<main>\n<h1>Index of ";
    append_html_escaped(out, url);
    out += "</h1>\n<table>\n<thead><tr><th>Name</th><th class=\"size\">Size</th><th>Changed</th></tr></thead>\n<tbody>\n";
    if (has_parent) out += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
}

// "./" before the name: one with a colon in it is none of a scheme.
void append_page_entry(std::string& out, const Entry& entry) {
    const std::string_view end = entry.kind == Entry::Kind::directory ? "/" : "";
    out += "<tr><td><a href=\"./";
    append_url_segment(out, entry.name);
    out += end;
    out += "\">";
    append_html_escaped(out, entry.name);
    out += end;
    out += "</a></td><td class=\"size\">";
    if (entry.size) out += size_text(*entry.size);
    out += "</td><td class=\"time\">";
    append_html_escaped(out, entry.modified);
    out += "</td></tr>\n";
}

void append_page_end(std::string& out, std::size_t entries) {
    out +=
        fmt::format("</tbody>\n</table>\n<footer>{} {}</footer>\n</main>\n</body>\n</html>\n", entries, entries == 1 ? "entry" : "entries");
}

}  // namespace sluice::ftp
