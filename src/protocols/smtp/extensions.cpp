// SPDX-License-Identifier: Apache-2.0
#include "protocols/smtp/extensions.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/smtp/envelope.h"

namespace sluice::smtp {

namespace {

// RFC 4422 3.1.
bool is_mechanism(std::string_view word) {
    return !word.empty() && word.size() <= 20 &&
           std::ranges::all_of(word, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; });
}

void add_words(std::string_view text, std::vector<std::string>& out) {
    for (const std::string_view word : split(text, ' ')) {
        std::string name = upper(word);
        if (is_mechanism(name) && std::ranges::find(out, name) == out.end() && out.size() < 32) out.push_back(std::move(name));
    }
}

}  // namespace

Extensions parse_extensions(const Reply& reply) {
    Extensions out;
    for (std::size_t i = 1; i < reply.lines.size(); ++i) {  // the first line is a greeting
        const std::string_view line = trim(reply.lines[i]);
        const std::size_t end = line.find_first_of(" =");
        const std::string keyword = upper(line.substr(0, end));
        if (end != std::string_view::npos && line[end] == '=' && keyword != "AUTH") continue;  // "AUTH=PLAIN", as old servers have it
        const std::string_view rest = end == std::string_view::npos ? std::string_view() : trim(line.substr(end + 1));
        if (keyword == "PIPELINING") out.pipelining = true;
        else if (keyword == "STARTTLS") out.starttls = true;
        else if (keyword == "CHUNKING") out.chunking = true;
        else if (keyword == "BINARYMIME") out.binarymime = true;
        else if (keyword == "8BITMIME") out.eightbitmime = true;
        else if (keyword == "SMTPUTF8") out.smtputf8 = true;
        else if (keyword == "DSN") out.dsn = true;
        else if (keyword == "ENHANCEDSTATUSCODES") out.enhanced_status_codes = true;
        else if (keyword == "SIZE") out.size = parse_size(rest).value_or(0);
        else if (keyword == "AUTH") add_words(rest, out.auth);
        else if (keyword == "XCLIENT") add_words(rest, out.xclient);
        else if (keyword == "XFORWARD") add_words(rest, out.xforward);
    }
    std::erase_if(out.auth, [](const std::string& mechanism) { return mechanism.ends_with("-PLUS"); });
    return out;
}

}  // namespace sluice::smtp
