// SPDX-License-Identifier: Apache-2.0
// The page that a person (or a program) gets with a refusal: HTML, JSON or text, as the request's Accept wants it (RFC 9110 12.5.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/http1/fields.h"

namespace sluice::http {

enum class PageKind : std::uint8_t { html, json, text };

// The best of the three by quality; HTML where the client does not mind.
PageKind preferred_page(const http1::Fields& request);
std::string_view content_type(PageKind kind);

struct PageFacts {
    int status = 500;
    std::string_view what;                               // one sentence
    std::string_view reason;                             // the rule's reason or the fault; may be empty
    std::string_view rule;                               // may be empty
    std::string_view url;                                // without userinfo and secrets; may be empty
    std::string_view id;                                 // the event's
    std::string_view error;                              // RFC 9209 token
};

// Appends the page. `html_template` replaces the built-in one where it is not empty: in it, {{status}}, {{title}}, {{what}}, {{reason}}, {{rule}},
// {{url}}, {{id}} and {{error}} stand for the facts, which are escaped; {{#reason}}…{{/reason}} (also rule, url) is left out where the fact is empty.
void append_page(std::string& out, PageKind kind, const PageFacts& facts, std::string_view html_template);

}  // namespace sluice::http
