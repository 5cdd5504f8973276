// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/file_names.h"

#include "base/text.h"
#include "protocols/mime/parameters.h"
#include "protocols/mime/transfer_coding.h"

#include <algorithm>

namespace sluice::mime {
namespace {

std::string without_escapes(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0;
        out += is_escape ? static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])) : text[i];
        if (is_escape) i += 2;
    }
    return out;
}

// RFC 2047, which is for mail; browsers undo it here too. Octets of any charset.
std::string without_encoded_words(std::string_view text) {
    std::string out;
    for (;;) {
        const std::size_t at = text.find("=?");
        out += text.substr(0, at);
        if (at == std::string_view::npos) return out;
        text.remove_prefix(at + 2);
        const std::size_t coding = text.find('?');
        if (coding == std::string_view::npos || text.size() - coding < 3 || text[coding + 2] != '?') continue;
        const bool is_base64 = text[coding + 1] == 'B' || text[coding + 1] == 'b';
        const std::string_view word = text.substr(coding + 3, text.find("?=", coding + 3) - (coding + 3));
        if (is_base64) {
            out += decode_base64(word);
        } else {
            std::string spaced(word);
            std::ranges::replace(spaced, '_', ' ');
            out += decode_quoted_printable(spaced);
        }
        text.remove_prefix(std::min(text.size(), coding + 3 + word.size() + 2));
    }
}

class Names {
public:
    explicit Names(std::size_t most) : most_(most) {}

    // With what it becomes for those who decode it.
    void add(const std::string& name) {
        add_as_it_is(name);
        if (name.contains('%')) add_as_it_is(without_escapes(name));
        if (name.contains("=?")) add_as_it_is(without_encoded_words(name));
    }
    std::vector<std::string> take() { return std::move(names_); }

private:
    void add_as_it_is(std::string_view name) {
        name = name.substr(name.find_last_of("/\\") + 1);
        if (name.empty() || std::ranges::find(names_, name) != names_.end()) return;
        if (names_.size() == most_) names_.pop_back();  // some readers take the last of all
        names_.emplace_back(name);
    }

    std::size_t most_;
    std::vector<std::string> names_;
};

// A parameter's value at the front of `in`, which is left behind the semicolon that follows.
std::string take_value(std::string_view& in) {
    std::string out;
    in.remove_prefix(std::min(in.find_first_not_of(" \t"), in.size()));
    if (in.starts_with('"')) {
        std::size_t at = 1;
        for (; at < in.size() && in[at] != '"'; ++at) {
            if (in[at] == '\\' && at + 1 < in.size()) ++at;
            out += in[at];
        }
        if (at < in.size()) {
            in.remove_prefix(at);
            in.remove_prefix(std::min(in.size(), in.find(';')));
            return out;
        }
        in.remove_prefix(1);  // without an end: as if it were none
    }
    const std::string_view value = in.substr(0, in.find(';'));
    in.remove_prefix(value.size());
    return std::string(trim(value));
}

std::string_view without_charset(std::string_view value) { return value.substr(value.rfind('\'') + 1); }  // npos + 1: nothing

}  // namespace

std::vector<std::string> file_names(std::string_view disposition, const Limits& limits) {
    Names names(limits.header_parameters);
    if (const auto strict = parse_with_parameters(disposition, Quoting::http, limits))
        for (const bool is_extended : {true, false})
            if (const Parameter* name = strict->find("filename", is_extended)) names.add(name->value);
    std::string joined;
    for (std::string_view in = disposition; !in.empty();) {
        const std::string_view before = in.substr(0, in.find_first_of("=;"));
        in.remove_prefix(before.size());
        if (!in.starts_with('=')) {
            in.remove_prefix(std::min<std::size_t>(in.size(), 1));
            continue;
        }
        in.remove_prefix(1);
        const std::string value = take_value(in);
        in.remove_prefix(std::min<std::size_t>(in.size(), 1));
        std::string name = lower(trim(before));
        if (!name.starts_with("filename")) continue;
        name.erase(0, std::string_view("filename").size());
        if (name.empty()) names.add(value);
        else if (name == "*") names.add(without_escapes(without_charset(value)));
        else if (name.starts_with('*') && name.ends_with('*')) joined += without_escapes(without_charset(value));
        else if (name.starts_with('*')) joined += value;
    }
    names.add(joined);
    return names.take();
}

std::vector<std::string> file_names_of_path(std::string_view path) {
    Names names(Limits().header_parameters);
    names.add(std::string(path.substr(path.rfind('/') + 1)));
    return names.take();
}

}  // namespace sluice::mime
